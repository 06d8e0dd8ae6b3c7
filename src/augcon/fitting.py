"""Stage 2's scorer, which a run needs before it chooses: fitted on a pilot, loaded, or neither.

    pilot roots ──tree──▶ questions ──contrast──▶ pairs ──▶ scorer, fitted and tested, in OUT/scorer

The fit is a step that is remembered: its output is JSON text in the run's database, with the
numbers that the report shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from augcon.config import Settings
from augcon.errors import ItemError, ModelError, RequestFailed, ScorerError, SettingsError
from augcon.llm.call import Caller
from augcon.llm.models import Models, Remember
from augcon.prompts import Library
from augcon.records import Context, Node
from augcon.scorer import (
    FEWEST_PAIRS,
    Accuracy,
    Contrast,
    Contrasts,
    HeuristicScorer,
    Item,
    LinearScorer,
    Scorer,
    chance_warning,
    contrast,
    draw_pilot,
    facts_of,
    features,
    fingerprint,
    fit,
    keep,
    report_of,
    tested_pairs,
)
from augcon.scorer.linear import Vectors
from augcon.scorers import load_scorer, plain_scorer
from augcon.sections import TORCH_KINDS, ScorerSettings
from augcon.together import together
from augcon.tree import Tree

if TYPE_CHECKING:
    from augcon.scorer.torch_bases import TorchKind
    from augcon.scorer.torch_scorer import TorchOptions

__all__ = ["choose_pilot", "prepare_scorer"]

Embed = Callable[[str, str], Coroutine[Any, Any, Vectors]]

ON_EMBEDDINGS = ("auto", "linear")
FALLS_BACK = (
    "the questions are ranked by the heuristic instead, which ranks {right} of these pairs right"
)
MEANS_LITTLE = "its ranks mean little"
UNFITTED = (
    "no {kind} scorer could be fitted ({why}): the questions are ranked by the heuristic instead"
)
NO_EMBEDDINGS = (
    "scorer.kind = 'linear' needs embeddings, and this model serves none: name one that does in "
    "model.embeddings, or begin with scorer.kind = 'auto' (and --fresh, in this folder)"
)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """What a scorer is fitted with, so many roots at once, and where it is kept."""

    settings: Settings
    tree: Tree
    pilot: Sequence[Context]
    remember: Remember
    folder: Path
    width: int

    async def remembered(self, do: Callable[[], Awaitable[str]]) -> dict[str, Any]:
        """What the step wrote down; the pilot is what goes into it."""
        ids = (root.id for root in self.pilot)
        told: dict[str, Any] = json.loads(await self.remember("scorer", do, *ids))
        return told


@dataclass(frozen=True, slots=True)
class _Gathered:
    """The pilot's trees, and the contrast pairs of their questions."""

    grown: Sequence[Sequence[Node]]
    contrasts: Contrasts


def choose_pilot(settings: Settings, models: Models, roots: Iterable[Context]) -> list[Context]:
    """The roots that stage 2's scorer is fitted on; none where nothing is fitted.

    Their ids are the scorer's identity: one that is fitted on others ranks otherwise.

    Raises SettingsError where the kind that is asked for can never be fitted here: a paid run that
    another ranker chose from is no surprise to end with.
    """
    chosen = settings.scorer
    if chosen.kind == "linear" and chosen.folder is None and models.embedder is None:
        raise SettingsError(NO_EMBEDDINGS)
    embeds = chosen.kind in ON_EMBEDDINGS and models.embedder is not None
    if chosen.folder is not None or not (embeds or chosen.kind in TORCH_KINDS):
        return []
    return draw_pilot(roots, chosen.pairs, chosen.pilot_share, settings.tree.min_units)


async def prepare_scorer(
    settings: Settings,
    models: Models,
    library: Library,
    tree: Tree,
    pilot: Sequence[Context],
    remember: Remember,
    folder: Path,
) -> Scorer:
    """Stage 2's scorer, saved into `folder` with what is known of it."""
    kind = settings.scorer.kind
    if settings.scorer.folder is not None:
        return await _taken(settings, models, library, remember, folder)
    fitting = _Fitting(settings, tree, pilot, remember, folder, models.contexts_at_once)
    if kind in TORCH_KINDS and pilot:
        return await _trained(fitting)
    if kind in ON_EMBEDDINGS and models.embedder is not None and pilot:
        return await _on_embeddings(fitting, models.embedder)
    missing = kind in ON_EMBEDDINGS and models.embedder is None
    why = "the model serves no embeddings" if missing else "chosen in the settings"
    ranker = kind if kind in ("judge", "random") else "heuristic"
    await remember("scorer", lambda: _stated(ranker=ranker, why=why))
    scorer = await plain_scorer(ranker, settings, models, library, remember)
    keep(scorer, folder, {})
    return scorer


async def _taken(
    settings: Settings, models: Models, library: Library, remember: Remember, folder: Path
) -> Scorer:
    """The saved scorer that the settings name."""
    source = settings.scorer.folder
    if source is None:
        raise AssertionError("asked for only where the settings name one")
    scorer = await load_scorer(source, settings, models, library, remember)
    known = fingerprint(source)
    told = {**_report(facts_of(source)), "ranker": scorer.kind, "saved": known}
    output = await remember("scorer", lambda: _stated(**told), known)
    keep(scorer, folder, _report(json.loads(output)))
    return scorer


def _report(told: Mapping[str, Any]) -> dict[str, object]:
    """What is kept with a scorer of what is known of its fit."""
    return {key: told[key] for key in ("trained_on", "held_out", "warning") if key in told}


async def _stated(**told: object) -> str:
    return json.dumps({"why": "", "head": [], **told})


async def _on_embeddings(fitting: _Fitting, embedder: Caller) -> Scorer:
    """A linear head, or the heuristic where none could be fitted that is worth its name."""
    embed = features(embedder)
    told = await fitting.remembered(lambda: _fitted(fitting, embed))
    head = tuple(told["head"])
    scorer = LinearScorer(embed, head, embedder.model.name) if head else HeuristicScorer()
    keep(scorer, fitting.folder, _report(told))
    return scorer


async def _fitted(fitting: _Fitting, embed: Embed) -> str:
    """Fit a head on the pilot's contrast pairs, and say whether it is worth its name."""
    gathered = await _gathered(fitting)
    contrasts, chosen = gathered.contrasts, fitting.settings.scorer
    differences = await _differences(contrasts, embed)
    if len(contrasts.pairs) < FEWEST_PAIRS:
        return await _too_few(gathered, chosen.kind)
    found = await asyncio.to_thread(fit, contrasts.pairs, np.stack(differences), chosen.held_out)
    told: dict[str, object] = {
        "ranker": "linear",
        "contrasts": _books(contrasts),
        "pilot_roots": len(fitting.pilot),
        "strength": found.strength,
        "head": found.head,
        **report_of(found.held_out, found.trained_on),
    }
    if not found.held_out["all"].beats_chance:
        told |= await _doubted(found.held_out["all"], contrasts.pairs, chosen)
    return await _stated(**told)


async def _doubted(
    fitted: Accuracy, pairs: Sequence[Contrast], chosen: ScorerSettings
) -> dict[str, object]:
    """What becomes of a head that is no better than chance: a warning, and the better ranker.

    Few held-out pairs leave a good head in doubt as much as a bad one. So `auto` takes the
    heuristic where that ranks as many of the same pairs right, and the head where it does not.
    """
    _, tested = _parted(pairs, chosen.held_out)
    right = int((await _ranked_right(HeuristicScorer(), tested)).sum())
    if chosen.kind != "auto" or right < fitted.right:
        return {"warning": chance_warning(fitted, MEANS_LITTLE)}
    warning = chance_warning(fitted, FALLS_BACK.format(right=right))
    why = "the fitted one is no better than chance"
    return {"ranker": "heuristic", "head": [], "why": why, "warning": warning}


async def _trained(fitting: _Fitting) -> Scorer:
    """A scorer trained with torch, or the one that an earlier start of the run has trained."""
    from augcon.scorer.torch_scorer import load_torch_scorer

    folder, trained = fitting.folder, list[Scorer]()

    async def train() -> str:
        gathered = await _gathered(fitting)
        if len(gathered.contrasts.pairs) < FEWEST_PAIRS:
            return await _too_few(gathered, fitting.settings.scorer.kind)
        scorer, told = await _train(fitting, gathered.contrasts)
        trained.append(scorer)
        return told

    told = await fitting.remembered(train)
    if trained:
        return trained[0]
    if "trained" not in told:
        keep(HeuristicScorer(), folder, _report(told))
        return HeuristicScorer()
    if fingerprint(folder) != told["trained"]:
        raise ScorerError(
            f"{folder}: is not the scorer that this run has trained; bring that back, or begin "
            "anew with --fresh"
        )
    return await asyncio.to_thread(load_torch_scorer, folder)


async def _train(fitting: _Fitting, contrasts: Contrasts) -> tuple[Scorer, str]:
    """Train on the pilot's contrast pairs, and test on those of the roots held out."""
    from augcon.scorer.torch_scorer import train_torch_scorer

    chosen = fitting.settings.scorer
    learned, tested = _parted(contrasts.pairs, chosen.held_out)
    kind: TorchKind = "lora" if chosen.kind == "lora" else "cross-encoder"
    scorer = await asyncio.to_thread(
        train_torch_scorer, kind, learned, tested, _torch_options(fitting, kind), fitting.folder
    )
    report = report_of(scorer.accuracy, len(learned))
    if warning := chance_warning(scorer.accuracy["all"], MEANS_LITTLE):
        report["warning"] = warning
    keep(scorer, fitting.folder, report)
    return scorer, await _stated(
        ranker=chosen.kind,
        trained=fingerprint(fitting.folder),
        contrasts=_books(contrasts),
        pilot_roots=len(fitting.pilot),
        **report,
    )


def _torch_options(fitting: _Fitting, kind: TorchKind) -> TorchOptions:
    """Those that suit the kind, less what the settings say."""
    from augcon.scorer.torch_scorer import default_options

    usual, chosen = default_options(kind), fitting.settings.scorer
    return replace(
        usual,
        base=chosen.base or usual.base,
        epochs=chosen.epochs or usual.epochs,
        learning_rate=chosen.learning_rate or usual.learning_rate,
        seed=fitting.settings.seed,
    )


def _parted(pairs: Sequence[Contrast], held_out: float) -> tuple[list[Contrast], list[Contrast]]:
    """The pairs to learn from, and those of the roots held out to test on."""
    out = tested_pairs(pairs, held_out)
    learned = [pair for pair, is_out in zip(pairs, out, strict=True) if not is_out]
    return learned, [pair for pair, is_out in zip(pairs, out, strict=True) if is_out]


async def _ranked_right(scorer: Scorer, pairs: Sequence[Contrast]) -> npt.NDArray[np.bool_]:
    """Whether the better question of each pair got the higher score, (n_pairs,)."""
    better = await scorer.score([Item(p.context.text, p.better) for p in pairs])
    worse = await scorer.score([Item(p.context.text, p.worse) for p in pairs])
    return np.array([b.value > w.value for b, w in zip(better, worse, strict=True)])


async def _too_few(gathered: _Gathered, kind: str) -> str:
    """The fallback, unless the server's faults alone are to blame; a warning where it was not to
    be."""
    contrasts = gathered.contrasts
    _demand_a_server(gathered.grown, contrasts)
    why = f"only {len(contrasts.pairs)} contrast pairs, {FEWEST_PAIRS} are needed"
    told: dict[str, object] = {"ranker": "heuristic", "why": why, "contrasts": _books(contrasts)}
    if kind != "auto":
        told["warning"] = UNFITTED.format(kind=kind, why=why)
    return await _stated(**told)


async def _gathered(fitting: _Fitting) -> _Gathered:
    """Grow the pilot's trees, and set worse questions against theirs.

    The pilot's replies are in the journal, so that its contexts cost nothing when their turn
    comes.
    """
    tree = fitting.tree
    grown = await _grown(tree, fitting.pilot, fitting.width)
    questions = [node.question for nodes in grown for node in nodes if node.question]
    chosen = fitting.settings.scorer
    contrasts = await contrast(
        questions,
        None if chosen.negatives == "spoilt" else tree.divider.weak_question,
        chosen.pairs,
        spoilt=chosen.negatives != "weakened",
    )
    return _Gathered(grown, contrasts)


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

    return await together(grow(root) for root in pilot)


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

    hidden_of = await together(difference(pair) for pair in contrasts.pairs)
    found = list(zip(contrasts.pairs, hidden_of, strict=True))
    contrasts.pairs = [pair for pair, hidden in found if hidden is not None]
    contrasts.failed += len(found) - len(contrasts.pairs)
    return [hidden for _, hidden in found if hidden is not None]
