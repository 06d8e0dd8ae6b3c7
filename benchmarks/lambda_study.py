"""How λ and l move granularity, diversity, depth and cost.

    python -m benchmarks.lambda_study [PATH...] --folder DIR [--units 4000] [--json]
        [--base-url URL --model NAME] [--min-units 10,20,40,80] [--max-units 125,250,500,1000]
        [--passes 1] [--quota] [--mix 0.2,0.3,0.5]

PATH     .txt and .md files, or folders of them; without any, the generated texts of the tests
folder   holds what was asked so far: the same command goes on where it was stopped
units    of each language that are taken, the same from every document, from its beginning on
model    "simulated" (the tests' server, the default), "embedded", or one at --base-url
passes   over each root
quota    keep one question for every 35 units, as a run does; without, all that repeat none
mix      macro,concept,detail, with --quota

Every setting grows the trees of the same texts and selects as a run does, with the heuristic
ranking, in which nothing is fitted; answers are not asked for. Settings of one l share their roots
and so the upper part of their trees, and a reply that two settings need is asked for once.
`--model embedded --units 3000 --max-units 250,500` takes five minutes on two idle cores. A row of
the table is one setting:

per root, per 100 u.     questions kept for each root context, and for each 100 units of text
macro, concept, detail   their shares of the kept questions, in %
depth                    of the kept questions in their tree, in the mean, and the deepest
near P, near F1          the ROUGE-L precision, and F1, of a kept question against the other kept
                         one of its root to which it is largest, in the mean; 0 is unlike any
all P, all F1            the same against the kept ones of all roots
tokens in, out           of prompts and of replies, for each kept question, as if this setting had
                         asked alone
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq
from tests.simulated_server import MODEL, simulated_server
from tests.small_corpora import chinese, english

from augcon.admission import cut_roots
from augcon.answer import Checking
from augcon.assemble import assemble_tree, library_of
from augcon.augment import Stages, augment
from augcon.config import Settings, load_settings
from augcon.corpus import count_units, read_corpus
from augcon.llm.base import Reply, Request
from augcon.llm.budget import Budget
from augcon.llm.call import Journal, Meter
from augcon.llm.models import Models, open_models
from augcon.records import Augmented, Context, Granularity, Question
from augcon.rouge import tokens
from augcon.scorer import HeuristicScorer
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal

SIMULATED = "simulated"
NO_QUOTA = 1_000_000
GENERATED = 12  # documents of each language


@dataclass(frozen=True, slots=True)
class Row:
    """One setting's line of the table."""

    min_units: int
    max_units: int
    languages: str
    roots: int
    units: int
    asked: int
    kept: int
    per_root: float
    per_100_units: float
    shares: dict[str, float]
    depth: float
    deepest: int
    near_precision: float
    near_f1: float
    all_precision: float
    all_f1: float
    tokens_in: float
    tokens_out: float


@dataclass(slots=True)
class Counted:
    """A journal that notes what one setting took from it or put into it, each reply once."""

    journal: Journal
    replies: dict[str, Reply] = field(default_factory=dict)

    def get(self, identity: str) -> Reply | None:
        reply = self.journal.get(identity)
        if reply is not None:
            self.replies[identity] = reply
        return reply

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        await self.journal.put(identity, model, request, reply, accepted)
        self.replies[identity] = reply


class Unanswered:
    """In place of answers, which are no part of the study."""

    languages: frozenset[str] | None = None

    async def respond(self, question: Question, sample: int = 0) -> str:
        return question.context.text

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        return ""


def texts_of(paths: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """Language, name and text of every document."""
    if paths:
        for document in read_corpus(list(paths)):
            yield document.language, document.name, document.text
        return
    for number, (language, make) in itertools.product(
        range(GENERATED), (("en", english), ("zh", chinese))
    ):
        paragraphs = [make(100 * number + part, 8 + part % 5) for part in range(12)]
        yield language, f"{language}-{number}.md", "\n\n".join(paragraphs)


def write_corpus(folder: Path, paths: Sequence[Path], units: int) -> Path:
    """The beginnings of the documents, as many units of each language as were asked for."""
    if folder.exists():
        return folder
    by_language: dict[str, list[tuple[str, str]]] = {}
    for language, name, text in texts_of(paths):
        by_language.setdefault(language, []).append((name, text))
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for language, found in by_language.items():
        for number, (name, text) in enumerate(found):
            beginning = beginning_of(text, units // len(found))
            target = part / f"{language}-{number:03}-{Path(name).stem}.md"
            target.write_text(beginning, encoding="utf-8")
    return part.rename(folder)


def beginning_of(text: str, units: int) -> str:
    """Whole lines, the last of which brings the text to so many units."""
    taken, held = [], 0
    for line in text.splitlines(keepends=True):
        if held >= units:
            break
        taken.append(line)
        held += count_units(line)
    return "".join(taken)


async def grown(settings: Settings, models: Models, given: argparse.Namespace) -> list[Augmented]:
    """What came of every root, so many roots at once as a run would have."""
    scorer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    scorer.set_result(HeuristicScorer())
    responder: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    responder.set_result(Unanswered())
    tree = assemble_tree(settings, models, library_of(settings))
    selection, passes = settings.selection, settings.tree.max_passes
    stages = Stages(tree, scorer, responder, Checking(None), selection, passes)
    places = asyncio.Semaphore(models.contexts_at_once)

    async def one(root: Context, quota: int) -> Augmented:
        async with places:
            return await augment(root, quota if given.quota else NO_QUOTA, stages)

    roots = [
        (root.context, root.quota)
        for _, cut in cut_roots(read_corpus([given.folder / "corpus"]), settings)
        for root in cut
        if root.admitted
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*root)) for root in roots]
    return [task.result() for task in tasks]


def measured(settings: Settings, results: Sequence[Augmented], replies: Iterable[Reply]) -> Row:
    kept = [[j.question for j in r.questions if j.verdict.kept] for r in results]
    questions = [question for of_root in kept for question in of_root]
    number = max(1, len(questions))
    units = sum(result.context.units for result in results)
    kinds = Counter(question.granularity for question in questions)
    depths = [question.context.depth for question in questions] or [0]
    near = [pair for of_root in kept for pair in nearest(of_root)] or [(0.0, 0.0)]
    everywhere = nearest(questions) or [(0.0, 0.0)]
    usage = [reply.usage for reply in replies]
    return Row(
        min_units=settings.tree.min_units,
        max_units=settings.tree.max_units,
        languages="+".join(sorted({result.context.language for result in results})),
        roots=len(results),
        units=units,
        asked=sum(len(result.questions) for result in results),
        kept=len(questions),
        per_root=len(questions) / max(1, len(results)),
        per_100_units=100 * len(questions) / max(1, units),
        shares={kind.value: kinds[kind] / number for kind in Granularity},
        depth=fmean(depths),
        deepest=max(depths),
        near_precision=fmean(precision for precision, _ in near),
        near_f1=fmean(f1 for _, f1 in near),
        all_precision=fmean(precision for precision, _ in everywhere),
        all_f1=fmean(f1 for _, f1 in everywhere),
        tokens_in=sum(u.prompt_tokens for u in usage) / number,
        tokens_out=sum(u.completion_tokens for u in usage) / number,
    )


def nearest(questions: Sequence[Question]) -> list[tuple[float, float]]:
    """For each question the largest ROUGE-L precision and the largest F1 against another."""
    numbers: dict[str, int] = {}
    words = [tokens(question.text) for question in questions]
    texts = ["".join(chr(numbers.setdefault(w, len(numbers))) for w in text) for text in words]
    lengths = np.array([max(1, len(text)) for text in texts])
    found = []
    for at, text in enumerate(texts):
        common = process.cdist([text], texts, scorer=LCSseq.similarity)[0].astype(float)
        common[at] = 0.0
        f1 = 2 * common / (lengths + lengths[at])
        found.append((float(common.max()) / float(lengths[at]), float(f1.max())))
    return found


async def done_now(name: str, do: Callable[[], Awaitable[str]]) -> str:
    return await do()


def silently(label: str, done: int, total: int) -> None:
    """What is fetched is not shown."""


async def study(given: argparse.Namespace, model: dict[str, object]) -> list[Row]:
    rows = []
    with closing(Database(given.folder / "study.db")) as database:
        for largest, least in itertools.product(given.max_units, sorted(given.min_units)):
            if least >= largest:
                continue
            settings = load_settings(None, {**model, **settings_of(given, least, largest)})
            journal, meter = Counted(SqliteJournal(database)), Meter()
            started = time.monotonic()
            async with open_models(
                *(settings.model, journal, settings.seed, done_now, meter, silently, 0, Budget())
            ) as models:
                results = await grown(settings, models, given)
            rows.append(measured(settings, results, journal.replies.values()))
            told = f"l {largest}, λ {least}: {rows[-1].kept} kept, {meter.calls} calls"
            print(f"{told}, {time.monotonic() - started:.0f} s", flush=True)
    return rows


def settings_of(given: argparse.Namespace, least: int, largest: int) -> dict[str, object]:
    mix = dict(zip(Granularity, given.mix, strict=True)) if given.mix else {}
    return {
        "tree.min_units": least,
        "tree.max_units": largest,
        "tree.max_passes": given.passes,
        **{f"selection.mix.{kind}": share for kind, share in mix.items()},
    }


def table(rows: Sequence[Row]) -> str:
    headings = (
        *("l", "λ", "roots", "asked", "kept", "per root", "per 100 u."),
        *("macro", "concept", "detail", "depth", "near P", "near F1", "all P", "all F1"),
        *("tokens in", "out"),
    )
    lines = ["| " + " | ".join(headings) + " |", "|" + "---:|" * len(headings)]
    for row in rows:
        shares = [f"{100 * share:.0f}" for share in row.shares.values()]
        near = (row.near_precision, row.near_f1, row.all_precision, row.all_f1)
        cells = [
            *map(str, (row.max_units, row.min_units, row.roots, row.asked, row.kept)),
            *(f"{row.per_root:.1f}", f"{row.per_100_units:.1f}", *shares),
            f"{row.depth:.1f} ({row.deepest})",
            *(f"{value:.2f}" for value in near),
            *(f"{row.tokens_in:.0f}", f"{row.tokens_out:.0f}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@contextmanager
def model_of(given: argparse.Namespace) -> Iterator[dict[str, object]]:
    """The settings of the model, which is there while the block lasts."""
    local = simulated_server() if given.model == SIMULATED else nullcontext()
    with local as server:
        if server is not None:
            yield {"model.name": MODEL, "model.base_urls": (server.url,)}
        elif given.base_url:
            yield {"model.name": given.model, "model.base_urls": tuple(given.base_url)}
        else:
            yield {"model.name": given.model}


def numbers(said: str) -> list[int]:
    return [int(number) for number in said.split(",")]


def shares(said: str) -> list[float]:
    return [float(share) for share in said.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--units", type=int, default=4000)
    parser.add_argument("--base-url", action="append")
    parser.add_argument("--model", default=SIMULATED)
    parser.add_argument("--min-units", type=numbers, default=[10, 20, 40, 80])
    parser.add_argument("--max-units", type=numbers, default=[125, 250, 500, 1000])
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--quota", action="store_true")
    parser.add_argument("--mix", type=shares)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    write_corpus(given.folder / "corpus", given.paths, given.units)
    with model_of(given) as model:
        rows = asyncio.run(study(given, model))
    print(json.dumps([asdict(row) for row in rows], indent=2) if given.json else table(rows))


if __name__ == "__main__":
    main()
