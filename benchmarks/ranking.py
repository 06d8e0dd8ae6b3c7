"""How far every scorer agrees with people: rank correlation with human scores of questions.

    python -m benchmarks.ranking FOLDER [--data DIR] [--half test] [--passages N] [--roots N]
                                 [--pairs N ...] [--negatives KIND ...] [--only KIND ...]
                                 [--base-url URL --model NAME] [--json]

The rated questions are QGEval's, of 15 systems about each passage. A question that several systems
asked is one question with its mean rating.

answerability, relevance  as rated
overall                   mean of fluency, clarity, conciseness, relevance, consistency and
                          answerability: all that is said of the question without a given answer
within                    mean over passages of the correlation among a passage's questions: what
                          the selection needs, which ranks the questions of one root. A passage
                          whose questions are all rated alike orders nothing and is left out; a
                          scorer that gives all of them the same number gets 0
pooled                    over the questions of all passages together
intervals                 95 %, of resampled passages
asked                     seconds and tokens for a thousand questions, without fitting; read from
                          FOLDER they are those of the first time

Choices (measures, weights, negatives) were made on the half "development"; "test" is the other.

The linear scorers are fitted as a run fits them: the trees of a pilot over SQuAD paragraphs that
nobody rated, with worse questions beside theirs, `weakened` or `spoilt`. Replies and scores are
kept in FOLDER, so that a second start asks nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, rankdata

from augcon.assemble import assemble_tree, library_of
from augcon.config import Settings
from augcon.corpus import count_units
from augcon.llm.base import Message, Reply, Request, Sampling
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, Meter, Unusable
from augcon.llm.models import Models, open_models
from augcon.prompts import Weakening
from augcon.records import Context, Document, Question, content_id
from augcon.scorer import Contrast, HeuristicScorer, LinearScorer, contrast, features, fit
from augcon.scorer.base import Item, Score
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal
from augcon.together import together
from augcon.tree import Tree

SHARED = Path(__file__).parents[2] / "shared" / "data"
SEED = 5
RESAMPLINGS = 400
HELD_OUT = 0.2
AT_ONCE = 2  # roots
TOP = 10
JUDGE = (
    "Text: {context}\n\nQuestion: {question}\n\nIs this a good question about the text: clear by "
    "itself, and fully answered by the text? Answer yes or no."
)
SIX = ("fluency", "clarity", "conciseness", "relevance", "consistency", "answerability")
DIMENSIONS = ("answerability", "relevance", "overall")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rated:
    """A question with what people and the published metrics say of it."""

    item: Item
    people: dict[str, float]
    metrics: dict[str, float]


class ItemScorer(Protocol):
    """What is compared; every `augcon.scorer.base.Scorer` is one."""

    async def score(self, items: Sequence[Item]) -> list[Score]: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A scorer's numbers (n_items,), and what a thousand of them cost."""

    values: Floats
    seconds: float | None = None
    tokens: int | None = None


def read_rated(path: Path, half: str, passages: int | None) -> list[Rated]:
    """The distinct questions of the passages of one half, a passage's questions in a row."""
    rows: dict[Item, list[dict]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        rows[Item(row["context"], row["question"])].append(row)
    texts = sorted({item.context for item in rows}, key=_drawn)
    wanted = [text for text in texts if half == "all" or is_test(text) == (half == "test")]
    taken = set(wanted[:passages])
    found = [_rated(item, told) for item, told in rows.items() if item.context in taken]
    return sorted(found, key=lambda rated: _drawn(rated.item.context))


def is_test(context: str) -> bool:
    """Whether a passage is of the half that nothing was chosen on."""
    return _drawn(context) % 2 == 1


def _drawn(context: str) -> int:
    return int(hashlib.blake2b(context.encode(), digest_size=8).hexdigest(), 16)


def _rated(item: Item, rows: Sequence[dict]) -> Rated:
    named = [row["scores"] for row in rows]
    six = [name for name in SIX if name in named[0]]
    people = {name: fmean(scores[name] for scores in named) for name in DIMENSIONS[:2]}
    people["overall"] = fmean(scores[name] for scores in named for name in six)
    metrics = rows[0].get("auto_metrics", {})
    return Rated(item, people, {n: fmean(row["auto_metrics"][n] for row in rows) for n in metrics})


class RandomScorer:
    """A number that means nothing, the same for the same question."""

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(float(int(content_id("chance", i.context, i.question), 16))) for i in items]


class YesNoJudge:
    """The model is asked whether it is a good question: log-odds of yes against no."""

    def __init__(self, caller: Caller, grammar: bool) -> None:
        self._caller = caller
        self._grammar = 'root ::= "yes" | "no"' if grammar else ""

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(value) for value in await together(self._odds(item) for item in items)]

    async def _odds(self, item: Item) -> float:
        request = Request(
            "chat",
            (Message("user", JUDGE.format(context=item.context, question=item.question)),),
            sampling=Sampling(max_tokens=1),
            grammar=self._grammar,
            top_logprobs=TOP,
        )
        return await self._caller.ask(request, _yes_against_no)


def _yes_against_no(reply: Reply) -> float:
    if not reply.choices or not reply.choices[0].tokens:
        raise Unusable("the reply holds no log-probabilities")
    told = {word.strip().casefold(): p for word, p in reversed(reply.choices[0].tokens[0].top)}
    least = min(told.values(), default=0.0)
    return told.get("yes", least) - told.get("no", least)


def _root(name: str, text: str) -> Context:
    return Context.root(Document.of(name, text, "en"), 0, len(text), count_units(text), "en")


@dataclass(frozen=True, slots=True)
class Bench:
    """The open models, and what is kept of them."""

    folder: Path
    settings: Settings
    models: Models
    meter: Meter
    tree: Tree

    async def scored(self, name: str, scorer: ItemScorer, items: Sequence[Item]) -> Scored:
        known = content_id(name, *(part for i in items for part in (i.context, i.question)))
        kept = self.folder / f"scores-{known}.json"
        if not kept.exists():
            before, began = self._tokens(), time.monotonic()
            scores = await scorer.score(items)
            told = {
                "name": name,
                "values": [score.value for score in scores],
                "seconds": 1000 * (time.monotonic() - began) / len(items),
                "tokens": round(1000 * (self._tokens() - before) / len(items)),
            }
            kept.write_text(json.dumps(told), "utf-8")
        told = json.loads(kept.read_text("utf-8"))
        return Scored(np.array(told["values"]), told["seconds"], told["tokens"])

    def _tokens(self) -> int:
        return self.meter.prompt_tokens + self.meter.completion_tokens

    async def pilot(self, data: Path, roots: int) -> list[Question]:
        """The questions that a run's trees give for so many paragraphs."""
        places = asyncio.Semaphore(AT_ONCE)

        async def grow(root: Context) -> list[Question]:
            async with places:
                nodes = await self.tree.grow(root, 0)
            return [node.question for node in nodes if node.question]

        grown = await together(grow(root) for root in read_roots(data, roots))
        return [question for questions in grown for question in questions]

    async def linear(self, pairs: Sequence[Contrast]) -> tuple[ItemScorer, dict[str, object]]:
        """The scorer fitted on these pairs, and what is known of its fit."""
        assert self.models.embedder is not None
        embed = features(self.models.embedder)

        async def difference(pair: Contrast) -> Floats:
            better = await embed(pair.context.text, pair.better)
            return better - await embed(pair.context.text, pair.worse)

        found = fit(pairs, np.stack(await together(difference(p) for p in pairs)), HELD_OUT)
        held_out = {kind: round(accuracy.share, 3) for kind, accuracy in found.held_out.items()}
        told = {"pairs": len(pairs), "strength": found.strength, "held_out": held_out}
        return LinearScorer(embed, found.head, ""), told


def read_roots(data: Path, number: int) -> list[Context]:
    """Paragraphs of SQuAD articles, drawn by their content."""
    rows = map(json.loads, (data / "dev" / "squad.jsonl").read_text("utf-8").splitlines())
    titles = {row["context"]: row["title"] for row in rows}
    drawn = sorted(titles, key=lambda text: hashlib.blake2b(text.encode()).hexdigest())
    return [_root(titles[text], text) for text in drawn[:number]]


@asynccontextmanager
async def bench(folder: Path, settings: Settings) -> AsyncIterator[Bench]:
    async def remember(step: str, do: Callable[[], object]) -> object:
        return await do()  # type: ignore[misc]

    database, meter = Database(folder / "ranking.db"), Meter()
    told = (SqliteJournal(database), SEED, remember, meter, lambda *_: None, 0, Budget())
    async with open_models(settings.model, *told) as models:
        tree = assemble_tree(settings, models, library_of(settings))
        yield Bench(folder, settings, models, meter, tree)
    database.close(done=True)


async def score_all(
    made: Bench, rated: Sequence[Rated], chosen: argparse.Namespace
) -> tuple[dict[str, Scored], dict[str, object]]:
    """Every scorer that is asked for, by name, and what is known of those that were fitted."""
    items = [one.item for one in rated]
    plain: dict[str, ItemScorer] = {
        "random": RandomScorer(),
        "heuristic": HeuristicScorer(),
        "judge": YesNoJudge(made.models.generator, made.settings.model.kind != "server"),
    }
    if made.settings.model.kind == "embedded" and made.models.embedder is not None:
        plain["judge"] = YesNoJudge(made.models.embedder, grammar=True)
    wanted = set(chosen.only or [*plain, "linear"])
    found = {
        name: await made.scored(name, scorer, items)
        for name, scorer in plain.items()
        if name in wanted
    }
    fits: dict[str, object] = {}
    for name, pairs in (await _sets_of_pairs(made, chosen) if "linear" in wanted else {}).items():
        scorer, fits[name] = await made.linear(pairs)
        found[name] = await made.scored(f"{name} {chosen.roots}", scorer, items)
    return found, fits


async def _sets_of_pairs(made: Bench, chosen: argparse.Namespace) -> dict[str, list[Contrast]]:
    """What the linear scorers are fitted on."""
    questions = await made.pilot(chosen.data, chosen.roots)
    weak = made.tree.divider.weak_question
    gathered = await contrast(questions, weak, len(questions))
    weakened = [pair for pair in gathered.pairs if isinstance(pair.kind, Weakening)]
    spoilt = [pair for pair in gathered.pairs if not isinstance(pair.kind, Weakening)]
    sets = {"both": gathered.pairs, "weakened": weakened, "spoilt": spoilt}
    found = {f"linear, {name}": pairs for name, pairs in sets.items() if name in chosen.negatives}
    # So many pairs at random, in an order that their content decides.
    drawn = sorted(spoilt, key=lambda p: content_id("pair", p.context.id, p.better, p.worse))
    return found | {f"linear, {n} spoilt": drawn[:n] for n in chosen.pairs if n < len(drawn)}


Ranks = tuple[Floats, Floats]


def agreement(values: Floats, people: Floats, passages: Floats) -> dict[str, list[float]]:
    """Each correlation with its 95 % interval: [value, lower, upper]."""
    rows = [np.flatnonzero(passages == one) for one in np.unique(passages)]
    ordering = [row for row in rows if np.ptp(people[row]) > 0]
    draw = np.random.default_rng(SEED)
    drawn = [draw.integers(len(rows), size=len(rows)) for _ in range(RESAMPLINGS)]
    told = {}
    for name, measure in (("spearman", spearman), ("kendall", kendall)):
        inside = np.array([measure(values[row], people[row]) for row in ordering])
        means = [inside[draw.integers(len(inside), size=len(inside))].mean() for _ in drawn]
        told[f"within {name}"] = _told(float(inside.mean()), means)
        everything = [np.concatenate([rows[i] for i in picked]) for picked in drawn]
        pooled = [measure(values[every], people[every]) for every in everything]
        told[f"pooled {name}"] = _told(measure(values, people), pooled)
    return told


def _told(value: float, resampled: Sequence[float]) -> list[float]:
    return [round(float(v), 3) for v in (value, *np.percentile(resampled, [2.5, 97.5]))]


def spearman(one: Floats, other: Floats) -> float:
    """0 where either is constant, which orders nothing."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def kendall(one: Floats, other: Floats) -> float:
    """tau-b; 0 where either is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(kendalltau(one, other).statistic)


def compare(rated: Sequence[Rated], found: dict[str, Scored]) -> dict[str, dict[str, object]]:
    """By scorer: every agreement by dimension, and the cost of a thousand questions."""
    names = sorted(rated[0].metrics)
    metrics = {n: Scored(np.array([one.metrics[n] for one in rated])) for n in names}
    passages = np.unique([one.item.context for one in rated], return_inverse=True)[1]
    people = {d: np.array([one.people[d] for one in rated]) for d in DIMENSIONS}
    told: dict[str, dict[str, object]] = {}
    for name, scored in (found | metrics).items():
        values = np.nan_to_num(scored.values, neginf=np.nanmin(scored.values) - 1)
        told[name] = {d: agreement(values, people[d], passages) for d in DIMENSIONS}
        told[name] |= {"seconds": scored.seconds, "tokens": scored.tokens}
    return told


def table(told: dict[str, dict]) -> str:
    """Within-passage Spearman with its interval, and pooled, for every scorer."""
    lines = [
        "| scorer | " + " | ".join(f"{d}, within | pooled" for d in DIMENSIONS) + " | s | tokens |",
        "|---|" + "---|" * (2 * len(DIMENSIONS) + 2),
    ]
    for name, row in told.items():
        cells = []
        for dimension in DIMENSIONS:
            value, low, high = row[dimension]["within spearman"]
            cells += [f"{value:.2f} ({low:.2f} to {high:.2f})"]
            cells += [f"{row[dimension]['pooled spearman'][0]:.2f}"]
        cost = [("-" if c is None else f"{c:.0f}") for c in (row["seconds"], row["tokens"])]
        lines.append("| " + " | ".join([name, *cells, *cost]) + " |")
    return "\n".join(lines)


async def measure(chosen: argparse.Namespace) -> dict[str, object]:
    chosen.folder.mkdir(parents=True, exist_ok=True)
    model = {"name": chosen.model, "base_urls": chosen.base_url} if chosen.base_url else {}
    settings = Settings.model_validate({"model": model})
    rated = read_rated(chosen.data / "ratings" / "qgeval.jsonl", chosen.half, chosen.passages)
    async with bench(chosen.folder, settings) as made:
        found, fits = await score_all(made, rated, chosen)
    passages = len({one.item.context for one in rated})
    size = {"half": chosen.half, "passages": passages, "questions": len(rated)}
    return {**size, "fits": fits, "scorers": compare(rated, found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=SHARED, help="with dev/ and ratings/")
    parser.add_argument("--half", choices=("test", "development", "all"), default="test")
    parser.add_argument("--passages", type=int, help="at most so many of the half")
    parser.add_argument("--roots", type=int, default=40, help="of the pilot")
    parser.add_argument(
        "--negatives", nargs="+", choices=("both", "weakened", "spoilt"), default=["both"]
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[], help="fit on fewer, too")
    parser.add_argument("--base-url", action="append", help="a server in place of the embedded")
    parser.add_argument("--model", help="its model's name")
    parser.add_argument("--only", nargs="+", choices=("random", "heuristic", "judge", "linear"))
    parser.add_argument("--json", action="store_true", help="everything, Kendall's tau-b too")
    chosen = parser.parse_args()
    told = asyncio.run(measure(chosen))
    if chosen.json:
        print(json.dumps(told, indent=1))
        return
    print(json.dumps({name: told[name] for name in ("half", "passages", "questions", "fits")}))
    print(table(told["scorers"]))


if __name__ == "__main__":
    main()
