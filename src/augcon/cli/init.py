"""augcon init: settings, principles and examples to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augcon.cli import app


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write.")] = Path(),
) -> None:
    """Write a commented augcon.toml, and the prompts, principles and examples to edit."""
    import augcon

    for path in augcon.init(folder):
        typer.echo(path)
