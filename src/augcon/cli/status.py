"""augcon status: the books of a run."""

from __future__ import annotations

import typer

from augcon.cli import app
from augcon.cli.options import Json, Out


@app.command()
def status(out: Out, json: Json = False) -> None:
    """Show the books of a run; the exit code is 0 only if they balance."""
    import augcon

    books = augcon.open(out).books
    if json:
        from json import dumps

        typer.echo(dumps(books.as_json(), ensure_ascii=False, indent=2))
    else:
        from rich.console import Console

        from augcon.cli.tables import books_table, forecast_table, granularity_table

        calls, console = books.calls, Console(highlight=False)
        console.print(books_table(books))
        if books.stages["questions"].entered:
            console.print()
            console.print(granularity_table(books))
        if books.forecast is not None:
            console.print()
            console.print(forecast_table(books.forecast))
        typer.echo(
            f"\n{books.state}; {books.pairs} pairs; {calls.calls} calls, "
            f"{calls.calls_replayed} replayed, {calls.unusable} unusable replies; "
            f"{calls.prompt_tokens} + {calls.completion_tokens} tokens; {books.seconds:.0f} s; "
            f"journal {calls.journal_bytes / 1e6:.1f} MB, "
            f"database {calls.database_bytes / 1e6:.1f} MB"
            + (f"; {books.unknown} pairs say 'not known'" if books.unknown else "")
            + (f"; ranked by {books.ranking}" if books.ranking else "")
            + ("" if books.cost is None else f"; cost {books.cost:.2f}")
        )
        if books.warning:
            typer.echo(f"WARNING: {books.warning}")
        if books.doubted:
            typer.echo(
                f"WARNING: something is wrong with {books.doubted} annotated examples of your own; "
                f"{out / 'report.html'} tells what"
            )
        for name in books.others:
            typer.echo(f"the server answered as {name!r}")
    if not books.balanced:
        typer.echo("augcon: the books do NOT balance: something was lost", err=True)
        raise typer.Exit(1)
