"""augcon plan: what a run would ask, cost and take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from augcon.cli import app
from augcon.cli.options import BaseUrls, Concurrency, Config, Json, Limit, ModelName, Paths

if TYPE_CHECKING:
    from augcon.forecast import Plan


@app.command()
def plan(
    paths: Paths,
    model: ModelName = None,
    base_url: BaseUrls = None,
    config: Config = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="N", help="That of the run: say how far it goes."),
    ] = None,
    probes: Annotated[
        int,
        typer.Option(
            "--probes",
            metavar="N",
            min=0,
            help="Root contexts that a server is really asked about, three calls each, to learn "
            "what its calls take; 0 asks nothing.",
        ),
    ] = 3,
    json: Json = False,
) -> None:
    """Say what a run would ask, cost and take.

    A server is asked a few questions for it, which cost what the output says.
    """
    from dataclasses import asdict

    import augcon

    made = augcon.plan(
        list(paths),
        model=model,
        base_url=base_url,
        config=config,
        limit=limit,
        concurrency=concurrency,
        budget=budget,
        probes=probes,
    )
    if json:
        from json import dumps

        typer.echo(dumps(asdict(made), ensure_ascii=False, indent=2))
        return
    for name, value in _rows(made):
        typer.echo(f"{name:<14} {value}")


def _rows(made: Plan) -> list[tuple[str, str]]:
    cost = "unknown: no prices in the settings" if made.cost is None else f"{made.cost:.2f}"
    rows = [
        ("documents", f"{made.documents}{_without(made.rejected_documents)}"),
        ("root contexts", f"{made.contexts}, {made.units} units{_without(made.skipped_contexts)}"),
        ("pairs", f"about {made.pairs}"),
        ("granularity", _kinds(made.granularity)),
        ("calls", f"about {made.calls}"),
        ("tokens", f"about {made.prompt_tokens} in prompts, {made.completion_tokens} in replies"),
        ("cost", cost),
        ("time", f"{_time(made)} ({made.assumptions})"),
    ]
    if (reach := made.reach) is not None:
        told = f"about {reach.contexts} of {made.contexts} root contexts, {reach.pairs} pairs"
        rows.append(("budget", f"goes as far as {told}"))
    return [*rows, ("probes", _probes(made))]


def _kinds(pairs: dict[str, int]) -> str:
    return "about " + ", ".join(f"{number} {kind}" for kind, number in pairs.items())


def _time(made: Plan) -> str:
    if not made.minutes_by_calls:
        return f"about {made.minutes:.1f} minutes"
    told = [f"{minutes:.1f} minutes at {n}" for n, minutes in made.minutes_by_calls.items()]
    return f"about {', '.join(told)} calls at once"


def _probes(made: Plan) -> str:
    if (probes := made.probes) is None:
        return "none: nothing was asked"
    cost = "" if probes.cost is None else f", cost {probes.cost:.4f}"
    tokens = f"{probes.prompt_tokens} + {probes.completion_tokens} tokens"
    return f"{probes.contexts} root contexts: {probes.calls} calls, {tokens}{cost}"


def _without(reasons: dict[str, int]) -> str:
    told = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return f" (without {told})" if told else ""
