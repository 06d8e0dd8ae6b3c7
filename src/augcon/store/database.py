"""One SQLite file, one writer.

Writes are handed to a single thread that commits them in batches (WAL, synchronous=FULL): what a
caller has awaited is on disk, and the price of the sync is shared by everything that was waiting.
Reads go through a connection of their own and see what has been committed.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib import resources
from pathlib import Path

from augcon.errors import OutputError, StoreError

__all__ = ["Database", "Write"]

VERSION = 1
LARGEST_BATCH = 128
BUSY_SECONDS = 30.0
CHECKPOINT_PAGES = 4000

Write = Callable[[sqlite3.Connection], None]


class Database:
    """The run's database. `write` is thread-safe; reading belongs to the thread that opened it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._writes: queue.SimpleQueue[tuple[Write, Future[None]] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        with store_errors(path):
            if not read_only:
                self._open_for_writing()
            self._reader = _connect(path, read_only=True)
            found = self._reader.execute("PRAGMA user_version").fetchone()[0]
        if found != VERSION:
            self.close()
            raise OutputError(
                f"{path}: made by another version of augcon (database {found}, this one {VERSION});"
                " choose another output folder"
            )

    def _open_for_writing(self) -> None:
        connection = _connect(self.path, read_only=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        _create(connection)
        self._writer = threading.Thread(
            target=self._write_all, args=(connection,), name="augcon-store", daemon=True
        )
        self._writer.start()

    def write(self, change: Write) -> Future[None]:
        """Have the writer make this change; the future is done once it is committed."""
        done: Future[None] = Future()
        self._writes.put((change, done))
        return done

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> Iterator[sqlite3.Row]:
        """The committed rows of a query, one at a time."""
        with store_errors(self.path):
            yield from self._reader.execute(sql, parameters)

    def row(self, sql: str, parameters: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """The first committed row of a query."""
        with store_errors(self.path):
            found: sqlite3.Row | None = self._reader.execute(sql, parameters).fetchone()
            return found

    def close(self) -> None:
        """Finish every write that was handed over, then close.

        The writer goes last: the last to leave moves the WAL into the file, and a reader cannot.
        """
        if hasattr(self, "_reader"):
            self._reader.close()
        if self._writer is not None:
            self._writes.put(None)
            self._writer.join()
            self._writer = None

    def _write_all(self, connection: sqlite3.Connection) -> None:
        open_for_more = True
        while open_for_more:
            batch = [self._writes.get()]
            with contextlib.suppress(queue.Empty):
                while batch[-1] is not None and len(batch) < LARGEST_BATCH:
                    batch.append(self._writes.get_nowait())
            open_for_more = batch[-1] is not None
            self._commit(connection, [work for work in batch if work is not None])
        connection.close()

    def _commit(
        self, connection: sqlite3.Connection, batch: list[tuple[Write, Future[None]]]
    ) -> None:
        batch = [(change, done) for change, done in batch if done.set_running_or_notify_cancel()]
        try:
            with store_errors(self.path), connection:
                for change, _ in batch:
                    change(connection)
        except Exception as error:
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with what to do about them."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise StoreError(
                f"{path}: cannot be written, the disk is full or failing ({error}). Everything "
                "committed so far is kept; make room and give the same command again."
            ) from error
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise StoreError(f"{path}: not a run's database, or damaged ({error})") from error
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    if read_only:
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # A folder that cannot be written holds no writer either.
            connection.close()
            return _frozen(path)
    return connection


def _frozen(path: Path) -> sqlite3.Connection:
    url = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(url, uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _create(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] != 0:
        return
    schema = resources.files("augcon.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN;\n{schema}\nPRAGMA user_version={VERSION};\nCOMMIT;")
