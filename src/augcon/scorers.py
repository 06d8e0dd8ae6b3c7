"""A scorer by its kind or from its folder, with the model that it asks, where it asks one.

    kind, or folder ──▶ checked before anything is asked ──▶ a scorer that can score

What is fitted first is made in `augcon.fitting`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from augcon.assemble import assemble_judge
from augcon.config import Settings
from augcon.errors import MissingExtraError, ScorerError
from augcon.llm.models import Models, Remember
from augcon.prompts import Library
from augcon.records import Context
from augcon.scorer import (
    HeuristicScorer,
    JudgeScorer,
    RandomScorer,
    Scorer,
    card_of,
    fingerprint,
    gives_logprobs,
    load_judge,
    load_linear,
    read_card,
)
from augcon.sections import TORCH_KINDS

__all__ = [
    "asks_a_model",
    "check_scorer",
    "load_scorer",
    "plain_scorer",
    "scorer_id",
]


def check_scorer(settings: Settings) -> dict[str, object]:
    """Raise where the scorer cannot be used, before anything is asked for it.

    Returns what a saved one adds to a run's identity: what it is, not where it lies.
    """
    chosen = settings.scorer
    kind = chosen.kind if chosen.folder is None else card_of(chosen.folder).kind
    if kind in TORCH_KINDS and find_spec("torch") is None:
        raise MissingExtraError(f"a scorer of the kind {kind}", "train")
    if chosen.folder is None:
        return {}
    if chosen.kind not in ("auto", kind):
        raise ScorerError(
            f"{chosen.folder}: holds a {kind} scorer, and scorer.kind is {chosen.kind!r}; "
            "leave scorer.kind out"
        )
    return {"saved scorer": fingerprint(chosen.folder)}


def scorer_id(settings: Settings, pilot: Sequence[Context]) -> str:
    """What a run's scorer is known by: contexts that another one ranked are ranked again."""
    if settings.scorer.folder is not None:
        return fingerprint(settings.scorer.folder)
    if settings.scorer.kind in ("judge", "random"):
        return settings.scorer.kind
    return " ".join(root.id for root in pilot) or "heuristic"


async def load_scorer(
    folder: Path,
    settings: Settings,
    models: Models | None,
    library: Library,
    remember: Remember,
) -> Scorer:
    """The scorer of a folder, with the model that it goes with.

    models  None where the scorer asks none; see `asks_a_model`

    Raises ScorerError where the folder holds none, or one that goes with another model.
    """
    if card_of(folder).kind in TORCH_KINDS:  # which sees for itself whether the folder is whole
        from augcon.scorer.torch_scorer import load_torch_scorer

        return await asyncio.to_thread(load_torch_scorer, folder)
    card = read_card(folder)
    if card.kind == "heuristic":
        return HeuristicScorer()
    if card.kind == "random":
        return RandomScorer(card.seed)
    if models is None:
        raise ScorerError(f"{folder}: a {card.kind} scorer asks a model, and none is here")
    if card.kind == "linear":
        return await load_linear(folder, card, models.embedder)
    return load_judge(folder, card, await judge_of(settings, models, library, remember))


def asks_a_model(kind: str) -> bool:
    """Whether a scorer of this kind is nothing without a model to ask."""
    return kind in ("linear", "judge")


async def judge_of(
    settings: Settings, models: Models, library: Library, remember: Remember
) -> JudgeScorer:
    """The model as a judge, with log-probabilities where they are to be had."""
    judge = assemble_judge(settings, models, library, logprobs=True)
    if settings.model.kind == "server":
        told = await remember("log-probabilities", lambda: _logprobs_of(judge))
        judge = replace(judge, logprobs=json.loads(told)["given"])
    return judge


async def _logprobs_of(judge: JudgeScorer) -> str:
    chat = judge.endpoint == "chat"
    return json.dumps({"given": chat and await gives_logprobs(judge.caller)})


async def plain_scorer(
    kind: str, settings: Settings, models: Models | None, library: Library, remember: Remember
) -> Scorer:
    """A scorer that is neither fitted nor loaded."""
    if kind == "judge" and models is not None:
        return await judge_of(settings, models, library, remember)
    return RandomScorer(settings.seed) if kind == "random" else HeuristicScorer()
