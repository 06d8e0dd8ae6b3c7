"""augcon score: questions of your own, scored by a saved scorer or by the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augcon.cli import app
from augcon.cli.options import BaseUrls, Concurrency, Config, Json, ModelName
from augcon.cli.stopping import interruptible


@app.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSONL; every line has `context` and `question`."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="OUT", help="The JSONL to write.", show_default=False),
    ],
    scorer: Annotated[
        Path | None,
        typer.Option("--scorer", metavar="DIR", help="A saved scorer, as OUT/scorer of a run."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="In place of --scorer: judge (the model is asked), heuristic or random.",
        ),
    ] = None,
    model: ModelName = None,
    base_url: BaseUrls = None,
    config: Config = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Decides the random kind.")
    ] = None,
    concurrency: Concurrency = None,
    key: Annotated[
        str, typer.Option("--key", metavar="NAME", help="What the score is called in a line.")
    ] = "score",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    json: Json = False,
) -> None:
    """Add a score to every question of a file; higher is better.

    Stop it with Ctrl-C whenever you like: the same command goes on where it stopped.
    """
    with interruptible(Path(f"{out}.unfinished")) as stopping:
        import augcon
        from augcon.cli.progress import shown
        from augcon.watch import Watch

        watch = Watch()
        stopping.cancel = lambda: watch.stop
        with shown(watch, quiet=quiet or json):
            scored = augcon.score(
                file,
                out,
                scorer=scorer,
                kind=kind,
                model=model,
                base_url=base_url,
                config=config,
                seed=seed,
                concurrency=concurrency,
                key=key,
                watch=watch,
            )
    if json:
        from json import dumps

        told = {"scored": scored.scored, "unscored": scored.unscored, "out": str(scored.path)}
        typer.echo(dumps({**told, "calls": watch.meter.calls}, ensure_ascii=False, indent=2))
    elif not quiet:
        typer.echo(f"{scored.scored} questions scored: {scored.path}")
    if scored.unscored and not json:
        typer.echo(f"augcon: {scored.unscored} have no score; `{key}_error` says why", err=True)
    if not scored.scored:
        raise typer.Exit(1)
