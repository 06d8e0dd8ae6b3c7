"""What a run needs before its contexts: a scorer fitted on a pilot, and the best few-shot examples.

Both are steps that are remembered: their output is JSON text in the run's database, with the
numbers that the report shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from augcon.answer import FEWEST_TO_SEARCH, GenerateResponder, Responder, Search
from augcon.assemble import assemble_generator, assemble_small_responder, is_embedded
from augcon.config import Settings
from augcon.errors import ItemError, ModelError, RequestFailed
from augcon.llm.models import Models
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.records import Context, Node, Triplet
from augcon.scorer import (
    FEWEST_PAIRS,
    Contrast,
    Contrasts,
    HeuristicScorer,
    LinearScorer,
    Scorer,
    contrast,
    draw_pilot,
    features,
    fit,
)
from augcon.scorer.linear import Vectors
from augcon.tree import Tree

__all__ = ["choose_pilot", "prepare_responder", "prepare_scorer"]

# Name of a step, how to do it, and the ids of what goes into it: gives the step's output.
Remember = Callable[..., Awaitable[str]]
Embed = Callable[[str, str], Coroutine[Any, Any, Vectors]]


def choose_pilot(settings: Settings, models: Models, roots: Iterable[Context]) -> list[Context]:
    """The roots that stage 2's scorer is fitted on; none where the heuristic ranks.

    Their ids are the scorer's identity: one that is fitted on others ranks otherwise.
    """
    if settings.scorer.kind == "heuristic" or models.embedder is None:
        return []
    chosen = settings.scorer
    return draw_pilot(roots, chosen.pairs, chosen.pilot_share, settings.tree.min_units)


async def prepare_scorer(
    settings: Settings,
    models: Models,
    tree: Tree,
    pilot: Sequence[Context],
    remember: Remember,
) -> Scorer:
    """Stage 2's scorer."""
    if models.embedder is None or not pilot:
        why = "chosen in the settings" if models.embedder else "the model serves no embeddings"
        await remember("scorer", lambda: _stated(why))
        return HeuristicScorer()
    embed = features(models.embedder)
    output = await remember(
        "scorer",
        lambda: _fitted(settings, tree, pilot, embed, models.contexts_at_once),
        *(root.id for root in pilot),
    )
    head = json.loads(output)["head"]
    return LinearScorer(embed, tuple(head)) if head else HeuristicScorer()


async def _stated(why: str) -> str:
    return json.dumps({"ranker": "heuristic", "why": why, "head": []})


async def _fitted(
    settings: Settings, tree: Tree, pilot: Sequence[Context], embed: Embed, width: int
) -> str:
    """Grow the pilot's trees, set worse questions against theirs, and fit on the contrast.

    The pilot's replies are in the journal, so that its contexts cost nothing when their turn
    comes.
    """
    grown = await _grown(tree, pilot, width)
    questions = [node.question for nodes in grown for node in nodes if node.question]
    negatives = settings.scorer.negatives
    contrasts = await contrast(
        questions,
        None if negatives == "spoilt" else tree.divider.weak_question,
        settings.scorer.pairs,
        spoilt=negatives != "weakened",
    )
    differences = await _differences(contrasts, embed)
    books = _books(contrasts)
    if len(contrasts.pairs) < FEWEST_PAIRS:
        _demand_a_server(grown, contrasts)
        why = f"only {len(contrasts.pairs)} contrast pairs, {FEWEST_PAIRS} are needed"
        return json.dumps({"ranker": "heuristic", "why": why, "head": [], "contrasts": books})
    found = await asyncio.to_thread(
        fit, contrasts.pairs, np.stack(differences), settings.scorer.held_out
    )
    return json.dumps(
        {
            "ranker": "linear",
            "why": "",
            "contrasts": books,
            "pilot_roots": len(pilot),
            "trained_on": found.trained_on,
            "strength": found.strength,
            "held_out": {
                kind: {**asdict(a), "share": a.share, "interval": a.interval}
                for kind, a in found.held_out.items()
            },
            "head": found.head,
        }
    )


def _demand_a_server(grown: Sequence[Sequence[Node]], contrasts: Contrasts) -> None:
    """A scorer that only the server's faults kept from being fitted is fitted another time."""
    faults = contrasts.faults + sum(
        node.verdict.reason == RequestFailed.reason for nodes in grown for node in nodes
    )
    if faults:
        raise ModelError(
            f"the scorer could not be fitted: the server failed at {faults} requests of the pilot. "
            "Nothing is lost: the same command goes on once the server is well."
        )


async def _grown(tree: Tree, pilot: Sequence[Context], width: int) -> list[tuple[Node, ...]]:
    """The first pass over every root of the pilot, so many roots at once."""
    places = asyncio.Semaphore(width)

    async def grow(root: Context) -> tuple[Node, ...]:
        async with places:
            return await tree.grow(root, 0)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(grow(root)) for root in pilot]
    return [task.result() for task in tasks]


def _books(contrasts: Contrasts) -> dict[str, object]:
    return {
        "in": contrasts.entered,
        "kept": len(contrasts.pairs),
        "rejected": {"same_question": contrasts.same} if contrasts.same else {},
        "failed": contrasts.failed,
    }


async def _differences(contrasts: Contrasts, embed: Embed) -> list[Vectors]:
    """h(C, q+) - h(C, q-), (hidden,), for each pair; a pair that has none becomes a failed one."""

    async def difference(pair: Contrast) -> Vectors | None:
        try:
            better = await embed(pair.context.text, pair.better)
            return better - await embed(pair.context.text, pair.worse)
        except ItemError as error:
            contrasts.faults += isinstance(error, RequestFailed)
            return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(difference(pair)) for pair in contrasts.pairs]
    found = [(pair, task.result()) for pair, task in zip(contrasts.pairs, tasks, strict=True)]
    contrasts.pairs = [pair for pair, hidden in found if hidden is not None]
    contrasts.failed += len(found) - len(contrasts.pairs)
    return [hidden for _, hidden in found if hidden is not None]


async def prepare_responder(
    settings: Settings,
    models: Models,
    library: Library,
    languages: Collection[str],
    remember: Remember,
) -> Responder:
    """Stage 3, with E_R* for every language of the corpus where the model writes its answers."""
    if is_embedded(settings):
        return assemble_small_responder(settings, models, library)
    bare = assemble_generator(settings, models, library, {})
    examples = await _examples(settings, bare, library, languages, remember)
    return assemble_generator(settings, models, library, examples)


async def _examples(
    settings: Settings,
    generator: GenerateResponder,
    library: Library,
    languages: Collection[str],
    remember: Remember,
) -> Mapping[str, Sequence[Triplet]]:
    chosen: dict[str, Sequence[Triplet]] = {}
    for language in sorted({prompt_language(language) for language in languages}):
        annotated = library.triplets(language)
        step = f"examples-{language}"
        output = json.loads(
            await remember(
                step, lambda a=annotated, s=language: _searched(settings, generator, a, s)
            )
        )
        by_id = {triplet.id: triplet for triplet in annotated}
        chosen[language] = tuple(by_id[name] for name in output["examples"])
    return chosen


async def _searched(
    settings: Settings, generator: GenerateResponder, annotated: Sequence[Triplet], language: str
) -> str:
    """The examples' ids in order, with every trial of the search, best first."""
    answers = settings.answers
    if len(annotated) < FEWEST_TO_SEARCH or answers.search_trials == 0:
        taken = [triplet.id for triplet in annotated[: answers.shots]]
        why = "search_trials = 0" if answers.search_trials == 0 else f"{len(annotated)} annotated"
        return json.dumps({"examples": taken, "searched": False, "why": why, "trials": []})
    search = Search(
        generator, answers.shots, answers.search_trials, answers.search_items, settings.seed
    )
    trials = await search.run(annotated, language)
    return json.dumps(
        {
            "examples": trials[0].examples,
            "searched": True,
            "why": "",
            "trials": [asdict(trial) for trial in trials],
        }
    )
