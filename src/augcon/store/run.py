"""A run's folder: its lock, its snapshot of the settings, its database.

OUT/run.db               journal, books, results
OUT/config.toml          the settings, without any key
OUT/report.html          what came of it
OUT/dataset/train.jsonl  the dataset
OUT/scorer/              what ranked the questions, to be used elsewhere too
OUT/examples/            the few-shot examples of the answers, to be used elsewhere too
OUT/run.1.db, …          an earlier run, set aside by --fresh, with its other files
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from augcon.config import BEFORE
from augcon.errors import OutputError
from augcon.records import content_id
from augcon.store.books import Books, read_books
from augcon.store.database import VERSION, Database, store_errors, version_of
from augcon.store.earlier import DATABASE, holds_run, set_aside, settle
from augcon.store.journal import SqliteJournal
from augcon.store.ledger import Ledger

__all__ = ["Run", "write_atomically"]

LOCK = ".lock"


class Run:
    """An open run. Use `Run.begin` to work on it and `Run.read` to look at it.

    earlier  the database of the run that was set aside for this one, if there was any
    """

    def __init__(self, folder: Path, lock: FileLock | None, earlier: Path | None = None) -> None:
        self.folder = folder
        self.earlier = earlier
        self._lock = lock
        self.database = Database(folder / DATABASE, read_only=lock is None)
        self.journal = SqliteJournal(self.database)
        self.ledger = Ledger(self.database)

    @classmethod
    def begin(
        cls,
        folder: Path,
        identity: Mapping[str, object],
        corpus: str,
        snapshot: str,
        fresh: bool = False,
    ) -> Run:
        """Create or resume the run in `folder`.

        identity  the settings that decide the output, by dotted key
        corpus    the id of the corpus
        snapshot  all settings, as TOML
        fresh     set aside what the folder holds, and begin anew

        Raises OutputError where the folder holds something else, another corpus, or other
        settings, or where another process is at work in it.
        """
        _check_folder(folder)
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder)
        try:
            with store_errors(folder):
                settle(folder)
                earlier = set_aside(folder) if fresh else None
            run = cls(folder, lock, earlier)
            try:
                run._claim(identity, corpus)
                write_atomically(folder / "config.toml", snapshot)
            except BaseException:
                run.database.close()
                raise
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Open a run to look at it; it may be at work meanwhile."""
        path = folder / DATABASE
        version = version_of(path) if path.is_file() else 0
        if not version:
            raise OutputError(f"{folder}: holds no run (no {DATABASE}); give the folder of -o")
        if version < VERSION:
            _bring_up_to_date(folder)
        return cls(folder, None)

    def books(self, prices: tuple[float, float] | None = None) -> Books:
        return read_books(self.database, prices)

    async def remember(self, name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
        """The output of a step: what was written down for it, or done now and written down.

        A step is known by its name, the run's settings and the ids of its inputs.
        """
        identity = content_id("step", name, self.ledger.fact("identity") or "", *inputs)
        known = self.ledger.step(identity)
        if known is None:
            known = await do()
            await self.ledger.finish_step(identity, name, known)
        return known

    def close(self, *, done: bool = False) -> None:
        """Let go of the folder. done: nothing is to come soon; see `Database.close`."""
        self.database.close(done=done)
        if self._lock is not None:
            self._lock.release()

    def _claim(self, identity: Mapping[str, object], corpus: str) -> None:
        known = self.ledger.fact("identity")
        if known is None or self.ledger.is_untouched():
            self.ledger.set_fact("corpus", corpus)
            self.ledger.set_fact("identity", json.dumps(identity, sort_keys=True))
            return
        if self.ledger.fact("corpus") != corpus:
            raise OutputError(
                f"{self.folder}: belongs to another corpus, or the documents have changed since; "
                "choose another folder with -o, or begin anew in this one with --fresh"
            )
        if changes := _differences(json.loads(known), identity):
            raise OutputError(
                f"{self.folder}: belongs to a run with other settings ({'; '.join(changes)}); "
                "choose another folder with -o, go back to those settings (the same --config?), "
                "or begin anew with --fresh"
            )


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a file, from a text or from its parts, so that it is there whole or not at all."""
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines([text] if isinstance(text, str) else text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file; -o takes a folder")
    names = {path.name for path in folder.iterdir()} - {LOCK}
    if names and not holds_run(folder):
        raise OutputError(
            f"{folder}: is not empty and holds no run; choose a new or an empty folder with -o"
        )


def locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another augcon is at work in it; wait for it, or choose another folder"
        ) from error
    return lock


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Every setting that is another one now, said in words.

    A run of an earlier version has no word on a setting that came later.
    """
    then = {**{key: value for key, value in BEFORE.items() if key in new}, **old}
    return [
        f"{key}: {_said(then, key)} then, {_said(new, key)} now"
        for key in sorted({*then, *new})
        if key not in then or key not in new or then[key] != new[key]
    ]


def _said(settings: Mapping[str, object], key: str) -> str:
    return repr(settings[key]) if key in settings else "nothing"


def _bring_up_to_date(folder: Path) -> None:
    """Migrate a database of an earlier version, so that it can be looked at."""
    try:
        lock = locked(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: made by an earlier version of augcon, and cannot be brought up to date "
            f"where it is ({error.strerror or error}); copy it to where it can be written"
        ) from error
    try:
        Database(folder / DATABASE).close()
    finally:
        lock.release()
