"""Everything the command line does, from Python: in a script, or in a notebook."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from augcon.assemble import library_of, longest_request, principle_tokens
from augcon.checkup import Check, examine
from augcon.config import Settings, load_settings, read_budget, read_prices
from augcon.corpus import read_corpus
from augcon.errors import (
    CorpusError,
    MissingExtraError,
    ModelError,
    OutputError,
    SettingsError,
)
from augcon.export import as_record, write_dataset
from augcon.forecast import Plan, make_plan
from augcon.pipeline import generate
from augcon.provenance import show
from augcon.records import Pair
from augcon.scorers import check_scorer
from augcon.scoring import Scored, score_file
from augcon.sections import HUB, OF_TORCH
from augcon.store import Books, Run
from augcon.watch import Watch

if TYPE_CHECKING:
    from datasets import Dataset
    from pandas import DataFrame

__all__ = ["Check", "Result", "Scored", "Watch", "doctor", "open_result", "plan", "run", "score"]

T = TypeVar("T")
PathLike = str | os.PathLike[str]
Paths = PathLike | Sequence[PathLike]


class Result:
    """A run's outcome: iterate over its pairs, count them, or turn them into a table.

    Reads the run's folder when it is asked, so that it is cheap to hold and never stale.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def dataset_path(self) -> Path:
        """The JSONL file, one full record a line."""
        return self.folder / "dataset" / "train.jsonl"

    @property
    def books(self) -> Books:
        """The accounting of every stage, counted anew."""
        run = Run.read(self.folder)
        try:
            return run.books(_prices(self.folder))
        finally:
            run.close()

    def __iter__(self) -> Iterator[Pair]:
        run = Run.read(self.folder)
        try:
            yield from run.ledger.pairs()
        finally:
            run.close()

    def __len__(self) -> int:
        return self.books.pairs

    def records(self) -> list[dict[str, object]]:
        """The pairs as plain dictionaries, as in the JSONL file."""
        return [as_record(pair) for pair in self]

    def to_dataset(self) -> Dataset:
        """As a `datasets.Dataset`. Raises MissingExtraError without that library."""
        try:
            from datasets import Dataset
        except ImportError as error:
            raise MissingExtraError("Result.to_dataset", "datasets") from error
        return Dataset.from_list(self.records())

    def to_pandas(self) -> DataFrame:
        """As a pandas frame, `source` spread over columns. Raises MissingExtraError without it."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("Result.to_pandas", "pandas") from error
        return pandas.json_normalize(self.records(), sep="_")

    def export(
        self,
        to: PathLike,
        format: str = "messages",  # noqa: A002
        turns: int | None = None,
        *,
        unknown: bool = True,
    ) -> int:
        """Write the pairs to a file (.jsonl or .parquet) in another format; returns its rows.

        format   "augcon", "messages", "alpaca", "sharegpt" or "prompt-completion", a row for each
                 pair; "dpo", for each draft that its pair's answer is better than;
                 "conversations", the pairs of a root context joined
        turns    most questions of a conversation (10)
        unknown  with the pairs that say that something is not known
        """
        if Path(to).absolute() == self.dataset_path.absolute() and format != "augcon":
            raise OutputError(f"{to}: is the run's own dataset; write {format} to another file")
        pairs = self if unknown else (pair for pair in self if not pair.unknown)
        return write_dataset(pairs, Path(to), format, turns)

    def show(self, item: str = "") -> str:
        """A root's tree or a pair with its source, by id; without one, every root context."""
        return show(self.folder, item)

    def __repr__(self) -> str:
        return f"Result({str(self.folder)!r}, {len(self)} pairs)"


def run(
    paths: Paths,
    out: PathLike,
    *,
    model: str | None = None,
    base_url: str | Sequence[str] | None = None,
    config: PathLike | None = None,
    seed: int | None = None,
    limit: int | None = None,
    concurrency: int | None = None,
    budget: str | float | None = None,
    settings: Mapping[str, object] | None = None,
    fresh: bool = False,
    watch: Watch | None = None,
) -> Result:
    """Make a dataset from documents; go on where an earlier run into `out` was stopped.

    paths     .txt and .md files and folders of them
    out       the run's folder, created where it is not there
    model     "embedded", a GGUF file (its path, or "hf:ORG/REPO:FILE"), or the name of a model
              that the server(s) at `base_url` serve
    budget    what all starts of the run together may take: money in the currency of the prices
              in the settings (2.5), or "300k tokens", or "1000 calls"
    settings  any setting by its dotted name, as {"tree.min_units": 30}; beats `config`
    fresh     begin anew: an earlier run in `out` is set aside there, as run.1.db and so on

    Raises augcon.errors.UserError for what only the caller can mend, RunError for what stopped
    the run (which can be resumed with the same call), KeyboardInterrupt as any call does.
    """
    more = {**_bounds(budget), **(settings or {})}
    chosen = settings_from(model, base_url, config, seed, limit, concurrency, more)
    library = library_of(chosen)
    corpus = read_corpus(_as_paths(paths))
    folder = Path(out)
    if fresh or not folder.exists():
        _demand_model(chosen)
    files = {**library.identity(), **check_scorer(chosen)}
    identity = {**chosen.identity(), **files}
    watch = watch or Watch()
    opened, done = Run.begin(folder, identity, corpus.id, chosen.to_toml(), fresh), False
    try:
        if opened.earlier is not None:
            watch.say(
                f"the earlier run is kept as {opened.earlier}; to go on with the new one should it "
                "be stopped, leave --fresh out"
            )
        _in_a_loop(_stoppable(generate(corpus, chosen, opened, watch), watch), watch)
        done = True
        _demand_pairs(opened)
    finally:
        opened.close(done=done)
    return Result(folder)


def _demand_model(settings: Settings) -> None:
    """A file that cannot be run is told before a run's folder is made."""
    if settings.model.kind == "file" and not settings.model.name.startswith(HUB):
        from augcon.llm.gguf_model import check_file

        told = principle_tokens(settings)
        check_file(settings.model, longest_request(settings), principle_tokens=told)


def _demand_pairs(run: Run) -> None:
    """A run that ends with nothing says why. A corpus that gives no question is not an error."""
    books = run.books()
    if books.pairs:
        return
    if left := run.ledger.why_no_context():
        raise CorpusError(f"nothing was asked: {left}")
    if failures := run.ledger.why_failed():
        raise ModelError(
            f"not one pair: {failures}. See `augcon status {run.folder}`; the same command asks "
            "again for what the server stumbled over, --fresh for everything"
        )
    if rejected := books.stages["answers"].rejected:
        told = ", ".join(f"{n} {reason}" for reason, n in sorted(rejected.items()))
        raise ModelError(
            f"not one pair: no answer may stand ({told}); `augcon show {run.folder}` shows them, "
            "and docs/verification.md says what the reasons mean"
        )


def score(
    path: PathLike,
    out: PathLike,
    *,
    scorer: PathLike | None = None,
    kind: str | None = None,
    model: str | None = None,
    base_url: str | Sequence[str] | None = None,
    config: PathLike | None = None,
    seed: int | None = None,
    concurrency: int | None = None,
    settings: Mapping[str, object] | None = None,
    key: str = "score",
    watch: Watch | None = None,
) -> Scored:
    """Score the questions of a JSONL file whose lines hold `context` and `question`.

    out     the file to write: every line as it was, with its score under `key`, or null and why
            under `key`_error; higher is better, and only the order of scores means anything
    scorer  the folder of a saved scorer, as OUT/scorer of a run
    kind    "judge", "heuristic" or "random", in place of a saved scorer

    The model matters where the scorer asks one, as `linear` and `judge` do. The same call goes on
    where an earlier one was stopped. Raises UserError for what the caller can mend, RunError for
    what stopped it.
    """
    if scorer is not None and kind is not None:
        raise SettingsError("give a saved scorer or a kind, not both")
    chosen: dict[str, object] = {}
    if scorer is not None:
        chosen = {"scorer.folder": scorer, "scorer.kind": "auto"}
    elif kind is not None:
        chosen = {"scorer.folder": None, "scorer.kind": kind}
    if chosen:  # a run's settings will do, whatever they say of its training
        chosen |= {f"scorer.{name}": None for name in OF_TORCH}
    told = settings_from(
        model, base_url, config, seed, None, concurrency, {**(settings or {}), **chosen}
    )
    watch = watch or Watch()
    done: list[Scored] = []

    async def work() -> None:
        done.append(await score_file(Path(path), Path(out), told, key, watch))

    _in_a_loop(_stoppable(work(), watch), watch)
    return done[0]


def plan(
    paths: Paths,
    *,
    model: str | None = None,
    base_url: str | Sequence[str] | None = None,
    config: PathLike | None = None,
    limit: int | None = None,
    concurrency: int | None = None,
    budget: str | float | None = None,
    probes: int = 3,
    settings: Mapping[str, object] | None = None,
) -> Plan:
    """What `run` with the same arguments would ask, cost and take.

    probes  root contexts that a server is asked about first, with three calls each, to learn what
            its calls take; 0 asks nothing, and a model on this machine is never asked
    """
    chosen = settings_from(
        model, base_url, config, None, limit, concurrency, {**_bounds(budget), **(settings or {})}
    )
    library_of(chosen).check()
    _demand_model(chosen)
    return _in_a_loop(make_plan(read_corpus(_as_paths(paths)), chosen, probes))


def doctor(
    *,
    model: str | None = None,
    base_url: str | Sequence[str] | None = None,
    config: PathLike | None = None,
    settings: Mapping[str, object] | None = None,
) -> list[Check]:
    """Whether everything is there that `run` with the same arguments needs."""
    chosen = settings_from(model, base_url, config, settings=settings)
    library_of(chosen).check()
    return _in_a_loop(examine(chosen))


def open_result(out: PathLike) -> Result:
    """The result of a run that was made before, finished or not."""
    Run.read(Path(out)).close()
    return Result(Path(out))


def settings_from(
    model: str | None,
    base_url: str | Sequence[str] | None,
    config: PathLike | None,
    seed: int | None = None,
    limit: int | None = None,
    concurrency: int | None = None,
    settings: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from a file and whatever is said beside it."""
    urls = (base_url,) if isinstance(base_url, str) else base_url
    said = {
        "model.name": model,
        "model.base_urls": tuple(urls) if urls else None,
        "seed": seed,
        "limit": limit,
        "model.concurrency": concurrency,
    }
    overrides = {key: value for key, value in said.items() if value is not None}
    return load_settings(Path(config) if config else None, {**overrides, **(settings or {})})


def _bounds(budget: str | float | None) -> Mapping[str, object]:
    """A budget as settings."""
    return {} if budget is None else read_budget(str(budget))


def _as_paths(paths: Paths) -> list[Path]:
    many = [paths] if isinstance(paths, str | os.PathLike) else paths
    if any(not os.fspath(path) for path in many):
        raise CorpusError("an empty path; name the files or folders to read")
    return [Path(path) for path in many]


def _prices(folder: Path) -> tuple[float, float] | None:
    """Those of the run's snapshot; none without it, which only costs the cost."""
    snapshot = folder / "config.toml"
    return read_prices(snapshot) if snapshot.is_file() else None


async def _stoppable(work: Coroutine[Any, Any, None], watch: Watch) -> None:
    """The work, which `watch.stop` cancels from any thread."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if watch.places is not None:
            watch.places.close()
        if task is not None:
            task.cancel()

    watch.stop = lambda: loop.call_soon_threadsafe(stop)
    try:
        await work
    finally:
        watch.stop = None


def _in_a_loop(work: Coroutine[Any, Any, T], watch: Watch | None = None) -> T:
    """Run to the end, in a thread with a loop of its own where this one's loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "augcon") as pool:
        ended = pool.submit(asyncio.run, work)
        try:
            return ended.result()
        except KeyboardInterrupt:
            if watch is not None and watch.stop is not None:
                watch.stop()
            raise
