"""augcon plan: what a run would ask, cost and take."""

from __future__ import annotations

import typer

from augcon.cli import app
from augcon.cli.options import BaseUrls, Concurrency, Config, Json, Limit, ModelName, Paths


@app.command()
def plan(
    paths: Paths,
    model: ModelName = None,
    base_url: BaseUrls = None,
    config: Config = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    json: Json = False,
) -> None:
    """Say what a run would ask, cost and take, without asking anything."""
    from dataclasses import asdict

    import augcon

    made = augcon.plan(
        list(paths),
        model=model,
        base_url=base_url,
        config=config,
        limit=limit,
        concurrency=concurrency,
    )
    if json:
        from json import dumps

        typer.echo(dumps(asdict(made), ensure_ascii=False, indent=2))
        return
    cost = "unknown: no prices in the settings" if made.cost is None else f"{made.cost:.2f}"
    rows = [
        ("documents", f"{made.documents}{_without(made.rejected_documents)}"),
        ("root contexts", f"{made.contexts}, {made.units} units{_without(made.skipped_contexts)}"),
        ("pairs", f"about {made.pairs}"),
        ("calls", f"about {made.calls}"),
        ("tokens", f"about {made.prompt_tokens} in prompts, {made.completion_tokens} in replies"),
        ("cost", cost),
        ("time", f"about {made.minutes:.1f} minutes ({made.assumptions})"),
    ]
    for name, value in rows:
        typer.echo(f"{name:<14} {value}")


def _without(reasons: dict[str, int]) -> str:
    told = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return f" (without {told})" if told else ""
