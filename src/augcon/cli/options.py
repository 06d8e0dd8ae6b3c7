"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["BaseUrls", "Concurrency", "Config", "Json", "Limit", "ModelName", "Out", "Paths"]

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help=".txt and .md files, and folders of them.")
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The folder of a run.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="'embedded' (the default); a GGUF file to run here, path/to.gguf or "
        "hf:ORG/REPO:FILE; or a model of the server's.",
    ),
]
BaseUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="An OpenAI-compatible server, as http://localhost:8000/v1. May be given again.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; `augcon init` writes such a file."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Only the first N root contexts."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        help="At most so many calls in flight at a server; how many it takes is found out.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
