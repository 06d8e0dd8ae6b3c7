"""augcon export: the dataset in a format that a training program takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augcon.cli import app
from augcon.cli.options import Out


@app.command()
def export(
    out: Out,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            "--format",
            "-f",
            help="messages, alpaca, sharegpt, prompt-completion, or augcon for the full record.",
        ),
    ] = "messages",
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="A .jsonl or .parquet file; OUT/dataset/FORMAT.jsonl if not given.",
        ),
    ] = None,
) -> None:
    """Write the pairs in another format, as JSONL or Parquet."""
    import augcon

    target = to or out / "dataset" / f"{format}.jsonl"
    result = augcon.open(out)
    count = result.export(target, format)
    typer.echo(f"{count} pairs: {target}")
    books = result.books
    if books.state != "finished":
        contexts = books.stages["contexts"]
        told = f"{contexts.kept} root contexts are finished, {contexts.pending} are to come"
        typer.echo(f"augcon: the run is unfinished: {told}", err=True)
