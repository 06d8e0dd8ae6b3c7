"""augcon show: a tree or a pair, with where it came from."""

from __future__ import annotations

from typing import Annotated

import typer

from augcon.cli import app
from augcon.cli.options import Out


@app.command()
def show(
    out: Out,
    item: Annotated[
        str, typer.Argument(metavar="[ID]", help="A pair or a root context, by its id.")
    ] = "",
) -> None:
    """Show a tree or a pair, with where it came from; without an ID, all root contexts."""
    import augcon

    typer.echo(augcon.open(out).show(item))
