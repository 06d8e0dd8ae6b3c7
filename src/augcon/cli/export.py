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
            help="messages, alpaca, sharegpt, prompt-completion, or augcon for the full record; "
            "dpo for preference pairs of answers and their drafts; conversations for the pairs of "
            "each root context joined from macro to detail.",
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
    turns: Annotated[
        int | None,
        typer.Option(
            "--turns", metavar="N", min=1, help="Most questions of a conversation; 10 if not given."
        ),
    ] = None,
    unknown: Annotated[
        bool,
        typer.Option(help="With the pairs that say that something is not known."),
    ] = True,
) -> None:
    """Write the pairs in another format, as JSONL or Parquet."""
    import augcon
    from augcon.export import format_of

    target = to or out / "dataset" / f"{format}.jsonl"
    result = augcon.open(out)
    count, chosen = result.export(target, format, turns, unknown=unknown), format_of(format)
    typer.echo(f"{count} {chosen.noun}: {target}")
    if not count and chosen.hint:
        typer.echo(f"augcon: no {chosen.noun}: {chosen.hint}", err=True)
    books = result.books
    if books.state != "finished":
        contexts = books.stages["contexts"]
        told = f"{contexts.kept} root contexts are finished, {contexts.pending} are to come"
        typer.echo(f"augcon: the run is unfinished: {told}", err=True)
