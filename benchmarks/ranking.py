"""How far every scorer agrees with people: rank correlation with human scores of questions.

    python -m benchmarks.ranking FOLDER [--data DIR] [--half test] [--passages N] [--roots N]
                                 [--negatives KIND ...] [--pairs N ...] [--only KIND ...]
                                 [--base-url URL --model NAME] [--json]

Two sets of rated questions: QGEval's, of 15 systems about each passage, and SimQG's, most of them
alone with their passage. What several systems asked is one question with its mean rating.

overall      mean of those of fluency, clarity, conciseness, relevance, consistency and
             answerability that were rated: all that is said of the question without an answer
within       mean over passages of the correlation among a passage's questions: what the selection
             needs, which ranks the questions of one root. A passage whose questions are all rated
             alike orders nothing and is left out; a scorer that gives all of them the same number
             gets 0. Not told of a set where fewer than ten passages order anything
pooled       over the questions of all passages together
intervals    95 %, of resampled passages
unscored     questions that the scorer gave no score, which rank last, as in a run
s, tokens    for a thousand questions, without fitting: of the first hundred, asked alone

half         of QGEval's passages: choices (measures, weights, negatives) were made on
             "development", "test" is the other; SimQG is taken whole
negatives    worse questions to fit the linear scorers on; those on torch learn from the first
pairs        further linear scorers, on so many of the spoilt pairs

What is fitted is fitted as a run does it: on the trees of a pilot over SQuAD paragraphs that nobody
rated. Without torch the scorers on it are left out, and the linear ones where no embeddings are
served. Replies, trained scorers and scores are kept in FOLDER, so that a second start asks and
trains nothing; after a change of the scorers begin with another FOLDER.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.ranking_measures import SEED, Ranked, compare, read_rated, table
from scipy.stats import rankdata

from augcon.assemble import assemble_tree, library_of, longest_request
from augcon.config import Settings
from augcon.corpus import count_units
from augcon.llm.base import Reply, Request
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, Meter
from augcon.llm.models import Models, open_models
from augcon.prompts import Weakening
from augcon.records import Context, Document, Question, content_id
from augcon.scorer import (
    Accuracy,
    Contrast,
    HeuristicScorer,
    LinearScorer,
    RandomScorer,
    contrast,
    features,
    fit,
    tested_pairs,
)
from augcon.scorer.base import Item, Scorer
from augcon.scorer.torch_bases import TorchKind
from augcon.scorers import judge_of
from augcon.sections import TORCH_KINDS
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal
from augcon.together import together

SHARED = Path(__file__).parents[2] / "shared" / "data"
TIMED = 100
DIMENSIONS = {
    "qgeval": ("answerability", "relevance", "overall"),
    "simqg": ("answerability", "relevance", "overall", "fluency", "similarity"),
}
KINDS = ("random", "heuristic", "linear", "judge", *TORCH_KINDS)
NEGATIVES = ("both", "weakened", "spoilt")


def read_roots(data: Path, number: int) -> list[Context]:
    """Paragraphs of SQuAD articles, drawn by their content."""
    rows = map(json.loads, (data / "dev" / "squad.jsonl").read_text("utf-8").splitlines())
    titles = {row["context"]: row["title"] for row in rows}
    order = sorted(titles, key=lambda text: hashlib.blake2b(text.encode()).hexdigest())
    return [
        Context.root(Document.of(titles[text], text, "en"), 0, len(text), count_units(text), "en")
        for text in order[:number]
    ]


@dataclass(slots=True)
class Journal:
    """The folder's journal; put aside, it takes down replies and gives none."""

    kept: SqliteJournal
    aside: bool = False

    def get(self, identity: str) -> Reply | None:
        return None if self.aside else self.kept.get(identity)

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        await self.kept.put(identity, model, request, reply, accepted)


@dataclass(frozen=True, slots=True)
class Compared:
    """A scorer, the id of the pairs that it learned from, and what is known of its fit."""

    name: str
    scorer: Scorer
    pairs: str = ""
    fit: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """The open models, and what is kept of them."""

    folder: Path
    settings: Settings
    journal: Journal
    meter: Meter

    async def remember(self, step: str, do: Callable[[], Awaitable[str]], *ids: str) -> str:
        """The step's output, from its file in the folder once it was done."""
        known = content_id(step, self.settings.model.name, *ids)
        kept = self.folder / f"{step.replace(' ', '-')}-{known}.json"
        if not kept.exists():
            kept.write_text(await do(), "utf-8")
        return kept.read_text("utf-8")

    async def ranked(self, one: Compared, items: Sequence[Item]) -> Ranked:
        scorer, timed = one.scorer, items[:TIMED]
        about = [part for item in items for part in (item.context, item.question)]
        cost = await self.remember("cost", lambda: self._cost(scorer, timed), scorer.kind, *about)
        known = one.name, one.pairs, *about
        told = await self.remember("scores", lambda: scores_of(scorer, items), *known)
        print(f"{one.name}: {len(items)} questions scored", file=sys.stderr, flush=True)
        scores = json.loads(told)
        values = [-np.inf if score is None else score for score in scores]
        return Ranked(rankdata(values), scores.count(None), **json.loads(cost))

    async def _cost(self, scorer: Scorer, items: Sequence[Item]) -> str:
        tokens, began = self._tokens(), time.monotonic()
        self.journal.aside = True
        await scorer.score(items)
        self.journal.aside = False
        told = {"seconds": time.monotonic() - began, "tokens": self._tokens() - tokens}
        return json.dumps({name: 1000 * spent / len(items) for name, spent in told.items()})

    def _tokens(self) -> int:
        return self.meter.prompt_tokens + self.meter.completion_tokens


async def scores_of(scorer: Scorer, items: Sequence[Item]) -> str:
    scores = await scorer.score(items)
    return json.dumps([score.value if np.isfinite(score.value) else None for score in scores])


@asynccontextmanager
async def opened(folder: Path, settings: Settings) -> AsyncIterator[tuple[Bench, Models]]:
    database, meter = Database(folder / "ranking.db"), Meter()
    made = Bench(folder, settings, Journal(SqliteJournal(database)), meter)
    try:
        async with open_models(
            settings.model,
            made.journal,
            SEED,
            made.remember,
            meter,
            lambda *_: None,
            longest_request(settings),
            Budget(),
        ) as models:
            yield made, models
    finally:
        database.close(done=True)


async def gathered(settings: Settings, models: Models, roots: Sequence[Context]) -> list[Contrast]:
    """The contrast pairs of a pilot over these roots, of all kinds."""
    tree = assemble_tree(settings, models, library_of(settings))
    places = asyncio.Semaphore(models.contexts_at_once)

    async def grow(root: Context) -> list[Question]:
        async with places:
            return [node.question for node in await tree.grow(root, 0) if node.question]

    grown = await together(grow(root) for root in roots)
    questions = [question for some in grown for question in some]
    return (await contrast(questions, tree.divider.weak_question, len(questions))).pairs


def of_negatives(pairs: Sequence[Contrast], negatives: str) -> list[Contrast]:
    """The pairs that a run takes with `scorer.negatives` so."""
    weakened = {pair for pair in pairs if isinstance(pair.kind, Weakening)}
    chosen = {"both": set(pairs), "weakened": weakened, "spoilt": set(pairs) - weakened}[negatives]
    return [pair for pair in pairs if pair in chosen]


def id_of(pairs: Sequence[Contrast]) -> str:
    told = [part for p in pairs for part in (p.context.id, p.better, p.worse, p.kind)]
    return content_id("pairs", *told)


async def linear(
    name: str, pairs: Sequence[Contrast], embedder: Caller, held_out: float
) -> Compared:
    """A linear head, fitted on these pairs."""
    embed = features(embedder)

    async def difference(pair: Contrast) -> npt.NDArray[np.float32]:
        better = await embed(pair.context.text, pair.better)
        return better - await embed(pair.context.text, pair.worse)

    found = fit(pairs, np.stack(await together(difference(p) for p in pairs)), held_out)
    told = {"strength": found.strength, **told_of(pairs, found.held_out)}
    scorer = LinearScorer(embed, found.head, embedder.model.name)
    return Compared(f"linear, {name}", scorer, id_of(pairs), told)


def on_torch(
    kind: TorchKind, name: str, pairs: Sequence[Contrast], folder: Path, held_out: float
) -> Compared:
    """A scorer trained on these pairs, now or at an earlier start."""
    from augcon.scorer.torch_scorer import default_options, load_torch_scorer, train_torch_scorer

    kept = folder / f"{kind}-{id_of(pairs)}"
    if (kept / "scorer.json").exists():
        scorer = load_torch_scorer(kept)
    else:
        out = tested_pairs(pairs, held_out)
        learned = [pair for pair, is_out in zip(pairs, out, strict=True) if not is_out]
        tested = [pair for pair, is_out in zip(pairs, out, strict=True) if is_out]
        scorer = train_torch_scorer(kind, learned, tested, default_options(kind), kept)
    told = {"best_epoch": scorer.history.best, **told_of(pairs, scorer.accuracy)}
    return Compared(f"{kind}, {name}", scorer, id_of(pairs), told)


def told_of(pairs: Sequence[Contrast], held_out: dict[str, Accuracy]) -> dict[str, object]:
    shares = {kind: f"{accuracy.right}/{accuracy.pairs}" for kind, accuracy in held_out.items()}
    return {"pairs": len(pairs), "held_out": shares}


async def compared(
    made: Bench, models: Models, chosen: argparse.Namespace
) -> AsyncIterator[Compared]:
    """Every scorer that is asked for and can be had."""
    if "random" in chosen.only:
        yield Compared("random", RandomScorer(SEED))
    if "heuristic" in chosen.only:
        yield Compared("heuristic", HeuristicScorer())
    if "judge" in chosen.only:
        library = library_of(made.settings)
        yield Compared("judge", await judge_of(made.settings, models, library, made.remember))
    if {"linear", *TORCH_KINDS} & set(chosen.only):
        roots = read_roots(chosen.data, chosen.roots)
        pairs = await gathered(made.settings, models, roots)
        async for one in fitted(made, models, pairs, chosen):
            yield one


async def fitted(
    made: Bench, models: Models, pairs: Sequence[Contrast], chosen: argparse.Namespace
) -> AsyncIterator[Compared]:
    """The scorers that learn from these pairs."""
    held_out = made.settings.scorer.held_out
    sets = sets_of(pairs, chosen) if "linear" in chosen.only else {}
    if models.embedder is not None:
        for name, some in sets.items():
            yield await linear(name, some, models.embedder, held_out)
    elif sets:
        print("linear: left out: the model serves no embeddings", file=sys.stderr)
    for kind in TORCH_KINDS:
        if kind in chosen.only and find_spec("torch") is None:
            print(f"{kind}: left out: torch is not installed", file=sys.stderr)
        elif kind in chosen.only:
            some = of_negatives(pairs, chosen.negatives[0])
            yield await to_thread(on_torch, kind, chosen.negatives[0], some, made.folder, held_out)


def sets_of(pairs: Sequence[Contrast], chosen: argparse.Namespace) -> dict[str, list[Contrast]]:
    """What the linear scorers are fitted on."""
    sets = {name: of_negatives(pairs, name) for name in chosen.negatives}
    spoilt = sorted(of_negatives(pairs, "spoilt"), key=lambda pair: id_of([pair]))
    return sets | {f"{n} spoilt": spoilt[:n] for n in chosen.pairs if n < len(spoilt)}


async def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    chosen.folder.mkdir(parents=True, exist_ok=True)
    model = {"name": chosen.model, "base_urls": chosen.base_url} if chosen.base_url else {}
    settings = Settings.model_validate({"model": model})
    halves = {"qgeval": chosen.half, "simqg": "all"}
    rated = {
        name: read_rated(chosen.data / "ratings" / f"{name}.jsonl", half, chosen.passages)
        for name, half in halves.items()
    }
    items = {name: [one.item for one in some] for name, some in rated.items()}
    found: dict[str, dict[str, Ranked]] = {name: {} for name in rated}
    fits: dict[str, object] = {}
    async with opened(chosen.folder, settings) as (made, models):
        async for one in compared(made, models, chosen):
            fits |= {one.name: one.fit} if one.fit else {}
            for name, some in items.items():
                found[name][one.name] = await made.ranked(one, some)
    sizes = {
        name: {"passages": len({item.context for item in some}), "questions": len(some)}
        for name, some in items.items()
    }
    told = {name: compare(some, DIMENSIONS[name], found[name]) for name, some in rated.items()}
    return {"half": chosen.half, "sizes": sizes, "fits": fits, "scorers": told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED, help="with dev/ and ratings/")
    parser.add_argument("--half", choices=("test", "development", "all"), default="test")
    parser.add_argument("--passages", type=int, help="at most so many of each set")
    parser.add_argument("--roots", type=int, default=38, help="of the pilot")
    parser.add_argument("--negatives", nargs="+", choices=NEGATIVES, default=["both"])
    parser.add_argument("--pairs", type=int, nargs="+", default=[], help="fit on fewer, too")
    parser.add_argument("--base-url", action="append", help="a server in place of the embedded")
    parser.add_argument("--model", help="its model's name")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", action="store_true", help="everything, Kendall's tau-b too")
    chosen = parser.parse_args()
    told = asyncio.run(measure(chosen))
    if chosen.json:
        print(json.dumps(told, indent=1))
        return
    for name, scorers in told.pop("scorers").items():
        print(f"\n{name}\n\n{table(scorers, DIMENSIONS[name])}")
    print(f"\n{json.dumps(told)}")


if __name__ == "__main__":
    main()
