"""Scoring a file of questions: every line comes out as it went in, with its score.

    {"context": …, "question": …, …} ──▶ batches, many at once ──▶ {…, "score": …}, in order

The file is read twice and never held: once to see that every line can be scored before anything is
asked, once to score it. Replies are journalled beside the output (`augcon.store.unfinished`), so
that a call is paid for once however often the command is stopped.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from augcon.assemble import library_of, longest_request, readable_languages
from augcon.characters import whole
from augcon.config import Settings
from augcon.corpus.language import guess_language
from augcon.errors import CorpusError, OutputError, ScorerError, SettingsError
from augcon.llm.budget import Budget, Spent
from augcon.llm.models import Models, open_models
from augcon.llm.places import TURN
from augcon.records import content_id
from augcon.scorer import Item, Score, Scorer, card_of
from augcon.scorers import asks_a_model, check_scorer, load_scorer, plain_scorer
from augcon.store.database import store_errors
from augcon.store.unfinished import Unfinished
from augcon.together import single_fault
from augcon.watch import Watch

__all__ = ["Scored", "score_file"]

BATCH = 64  # lines that a scorer is given at once
PLAIN = ("judge", "heuristic", "random")  # kinds that need no fitting
SURE = 0.8  # of a language: short texts are guessed wrong with less
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of scoring a file: `unscored` lines have null, and beside it why."""

    path: Path
    scored: int
    unscored: int


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it was read, without its line end, and what of it is scored."""

    text: str
    item: Item


async def score_file(source: Path, out: Path, settings: Settings, key: str, watch: Watch) -> Scored:
    """Write `out`: the lines of `source`, each with its score under `key`.

    The settings' saved scorer scores, or else their kind, which must be one that needs no fitting.
    Raises CorpusError for a line that cannot be scored, with its number, before anything is asked.
    """
    kind = _kind(settings)
    _check(source, out, key)
    watch.unit = "lines"
    watch.contexts = sum(1 for _ in _lines(source, key))
    if not watch.contexts:
        raise CorpusError(f"{source}: holds no line")
    settings = _lean(settings, kind)
    _demand_a_model(settings, kind)
    identity = content_id("scoring", json.dumps(settings.identity(), sort_keys=True))
    try:
        with Unfinished(out, source, identity) as work:
            async with _scorer(settings, kind, work, watch) as (scorer, at_once):
                scored = await _write(scorer, _lines(source, key), work.lines, key, at_once, watch)
            work.finish()
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults
    return Scored(out, scored, watch.contexts - scored)


def _check(source: Path, out: Path, key: str) -> None:
    if out.absolute() == source.absolute():
        raise OutputError(f"{out}: is the file that is read; choose another file with -o")
    if not key:
        raise SettingsError("--key: the score needs a name")


def _kind(settings: Settings) -> str:
    check_scorer(settings)  # raises for one that cannot be used
    chosen = settings.scorer
    if chosen.folder is not None:
        return card_of(chosen.folder).kind
    if chosen.kind not in PLAIN:
        raise SettingsError(
            "nothing to score with: give a saved scorer (--scorer DIR, as OUT/scorer of a run) or "
            f"a kind that needs no fitting (--kind {', '.join(PLAIN)})"
        )
    return chosen.kind


def _lean(settings: Settings, kind: str) -> Settings:
    """The model is asked only for what this kind needs, and so only that is looked for at it."""
    unused = {"structure": "marked"} if kind == "linear" else {"embeddings": "off"}
    if settings.model.kind == "embedded":
        return settings
    return settings.model_copy(update={"model": settings.model.model_copy(update=unused)})


def _demand_a_model(settings: Settings, kind: str) -> None:
    """Raise before the embedded model is fetched and started for a scorer that is not of it."""
    folder = settings.scorer.folder
    if folder is None or not asks_a_model(kind) or settings.model.kind != "embedded":
        return
    from augcon.llm.assets import GENERATOR

    if (base := card_of(folder).base) != GENERATOR.model_name:
        raise ScorerError(
            f"{folder}: goes with the model {base!r}; say where that is with --model and --base-url"
        )


@asynccontextmanager
async def _scorer(
    settings: Settings, kind: str, work: Unfinished, watch: Watch
) -> AsyncIterator[tuple[Scorer, int]]:
    """The scorer, and how many batches may be open at once."""
    library = library_of(settings)

    async def made(models: Models | None) -> Scorer:
        if (folder := settings.scorer.folder) is not None:
            return await load_scorer(folder, settings, models, library, work.remember)
        return await plain_scorer(kind, settings, models, library, work.remember)

    if not asks_a_model(kind):
        watch.step = "scoring"
        yield await made(None), 1
        return
    watch.step = "starting or reaching the model"
    watch.budget = _budget(settings, work)
    async with open_models(
        settings.model,
        work.journal,
        settings.seed,
        work.remember,
        watch.meter,
        watch.download,
        longest_request(settings),
        watch.budget,
    ) as models:
        watch.places = models.generator.places
        scorer = await made(models)
        if (languages := readable_languages(settings)) is not None:
            scorer = _OfLanguages(scorer, languages)
        watch.step = "scoring"
        yield scorer, 2 + models.contexts_at_once // BATCH


@dataclass(frozen=True, slots=True)
class _OfLanguages:
    """A scorer whose model reads these languages only: of others it would say anything."""

    scorer: Scorer
    languages: frozenset[str]

    @property
    def kind(self) -> str:
        return self.scorer.kind

    async def score(self, items: Sequence[Item]) -> list[Score]:
        readable = [item for item in items if not self._objection(item)]
        scores = iter(await self.scorer.score(readable))
        return [
            Score(why_none=why) if (why := self._objection(item)) else next(scores)
            for item in items
        ]

    def save(self, folder: Path) -> None:
        self.scorer.save(folder)

    def _objection(self, item: Item) -> str:
        guess = guess_language(f"{item.context}\n{item.question}")
        if guess.language in self.languages or guess.confidence < SURE:
            return ""
        read = ", ".join(sorted(self.languages))
        return f"language_not_supported: the model reads {read}, not {guess.language}"


def _budget(settings: Settings, work: Unfinished) -> Budget:
    allowed, before = settings.budget, work.journal.totals()
    spent = Spent(before.calls, before.prompt_tokens, before.completion_tokens)
    return Budget(allowed.calls, allowed.tokens, allowed.cost, settings.model.prices, spent)


async def _write(
    scorer: Scorer, lines: Iterator[_Line], path: Path, key: str, at_once: int, watch: Watch
) -> int:
    """Score so many batches at once and write them in order; returns how many lines have a score.

    The requests of an earlier batch go first, so that what can be written waits for little.
    """
    scored = 0
    waiting: deque[tuple[list[_Line], asyncio.Task[list[Score]]]] = deque()

    async def score(number: int, batch: list[_Line]) -> list[Score]:
        TURN.set(number)
        return await scorer.score([line.item for line in batch])

    async def write_first(file: BinaryIO) -> int:
        batch, task = waiting.popleft()
        scores = await task
        pairs = list(zip(batch, scores, strict=True))
        with store_errors(path):
            file.writelines(_scored_line(line.text, key, score) for line, score in pairs)
        watch.contexts_done += len(batch)
        watch.done_here += len(batch)
        return sum(math.isfinite(score.value) for score in scores)

    watch.augmenting_since = time.monotonic()
    with path.open("wb") as file:
        async with asyncio.TaskGroup() as group:
            for number, batch in enumerate(iter(lambda: list(islice(lines, BATCH)), [])):
                waiting.append((batch, group.create_task(score(number, batch))))
                if len(waiting) >= at_once:
                    scored += await write_first(file)
            while waiting:
                scored += await write_first(file)
    return scored


def _scored_line(text: str, key: str, score: Score) -> bytes:
    """The line as it was, and the score as its last key, or null and why there is none."""
    added: dict[str, object] = {key: score.value}
    if not math.isfinite(score.value):
        added = {key: None, f"{key}_error": score.why_none or "the score is not a number"}
    told = json.dumps(added, ensure_ascii=False)[1:]
    # Characters that have no UTF-8 came as escapes of JSON, and only `why_none` may hold them bare.
    return f"{text.removesuffix('}').rstrip()}, {told}\n".encode("utf-8", "backslashreplace")


def _lines(path: Path, key: str) -> Iterator[_Line]:
    """The lines that hold something. Raises CorpusError with the number of one that is wrong."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                held = (raw.removeprefix(BOM) if number == 1 else raw).strip()
                if held:
                    yield _line(held, f"{path}, line {number}", key)
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise CorpusError(f"{path}: {problem}") from error


def _line(raw: bytes, where: str, key: str) -> _Line:
    try:
        text = raw.decode("utf-8")
        row = json.loads(text)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where}: not UTF-8 text ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not a line of JSON ({error})") from error
    if not isinstance(row, dict):
        raise CorpusError(f"{where}: not a JSON object")
    for name in ("context", "question"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise CorpusError(f"{where}: needs a text {name!r}")
    for name in (key, f"{key}_error"):
        if name in row:
            raise CorpusError(f"{where}: has a {name!r} already; choose another name with --key")
    return _Line(text, Item(whole(row["context"]), whole(row["question"])))
