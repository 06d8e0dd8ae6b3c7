"""augcon run: from documents to a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augcon.cli import app
from augcon.cli.options import BaseUrls, Concurrency, Config, Json, Limit, ModelName, Paths
from augcon.cli.stopping import interruptible

if TYPE_CHECKING:
    from augcon.api import Result

SAMPLES = 3


@app.command()
def run(
    paths: Paths,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="OUT", help="The run's folder.", show_default=False),
    ],
    model: ModelName = None,
    base_url: BaseUrls = None,
    config: Config = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Decides every random choice.")
    ] = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="N",
            help="Stop before more is spent: money (2.50, with prices in the settings), "
            "'300k tokens' or '1000 calls', over all starts of the run.",
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Begin anew: set aside the run that OUT holds (as run.1.db, …) and ask again.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask before money is spent without a --budget."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    json: Json = False,
) -> None:
    """Make a dataset of question-answer pairs from documents.

    Stop it with Ctrl-C whenever you like: the same command goes on where it stopped (without
    --fresh, if you gave that).
    """
    goes_on = "the same command without --fresh" if fresh else "the same command"
    with interruptible(out, goes_on) as stopping:
        import augcon
        from augcon.cli.progress import shown
        from augcon.watch import Watch

        watch = Watch()
        if not quiet:
            watch.say = lambda line: typer.echo(f"augcon: {line}", err=True)
        stopping.cancel = lambda: watch.stop
        with shown(watch, quiet=quiet or json, ask=not yes):
            result = augcon.run(
                list(paths),
                out,
                model=model,
                base_url=base_url,
                config=config,
                seed=seed,
                limit=limit,
                concurrency=concurrency,
                budget=budget,
                fresh=fresh,
                watch=watch,
            )
    if json:
        from json import dumps

        said = {**result.books.as_json(), "dataset": str(result.dataset_path)}
        typer.echo(dumps(said, ensure_ascii=False, indent=2))
    elif not quiet:
        _tell(result)


def _tell(result: Result) -> None:
    """The books, some pairs, and where everything lies."""
    from itertools import islice

    from rich.console import Console
    from rich.text import Text

    from augcon.cli.tables import books_table

    console = Console(highlight=False)
    books = result.books
    console.print(books_table(books))
    step = max(1, books.pairs // SAMPLES)
    for pair in islice(result, 0, step * SAMPLES, step):
        source = f"{pair.document}, characters {pair.start} to {pair.end}"
        console.print(Text.assemble(("\nQ ", "bold"), pair.question))
        console.print(Text.assemble(("A ", "bold"), pair.answer))
        console.print(f"  ({source})", style="dim", markup=False)
    console.print()
    print(f"{books.pairs} pairs: {result.dataset_path}")
    if books.ranking:
        print(f"ranked by {books.ranking}")
    if books.warning:
        print(f"WARNING: {books.warning}")
    print(f"report: {result.folder / 'report.html'}")
