"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BaseUrls",
    "Budget",
    "Concurrency",
    "Config",
    "Json",
    "Limit",
    "ModelName",
    "Out",
    "Paths",
]

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
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="N",
        help="Stop before more is spent: money (2.50, with prices in the settings), "
        "'300k tokens' or '1000 calls', over all starts of the run.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
