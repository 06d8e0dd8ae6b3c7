"""One SQLite file, one writer.

Writes are handed to a single thread that commits them in batches (WAL, synchronous=FULL): what a
caller has awaited is on disk, and the price of the sync is shared by everything that was waiting,
and so is the waking of the event loop. A change that cannot be made, for what it holds and not for
the disk, is left out of its batch and costs only itself. Reads go through a connection of their own
and see what has been committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib import resources
from pathlib import Path

from augcon.errors import OutputError, StoreError
from augcon.store.migrations import migrate

__all__ = ["VERSION", "Database", "Write", "version_of"]

VERSION = 4
LARGEST_BATCH = 128
BUSY_SECONDS = 30.0
CHECKPOINT_PAGES = 4000
FREE_SHARE = 0.25  # of all pages: with more, the file is made smaller when it is closed
FREE_PAGES = 256  # with fewer it is not worth the while
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CHEAP_PAGES = 16_000  # in use: so many are written anew in a moment
# Of SQLite's errors, those that the values of a change bring about, whatever the database is like.
OF_THE_VALUES = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError)

Write = Callable[[sqlite3.Connection], None]
Done = Future[None] | asyncio.Future[None]
Outcome = tuple[Done, Exception | None]  # what is wrong, if anything is


class Database:
    """The run's database. `write` is thread-safe; reading belongs to the thread that opened it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._writes: queue.SimpleQueue[tuple[Write, Done] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._compact_at_any_size = False
        with store_errors(path):
            if not read_only:
                self._open_for_writing()
            self._reader = _connect(path, read_only=True)
            found = _version(self._reader)
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
        found = _version(connection)
        if found == 0:
            _create(connection)
        else:
            migrate(connection, found, VERSION)
        self._writer = threading.Thread(
            target=self._write_all, args=(connection,), name="augcon-store", daemon=True
        )
        self._writer.start()

    def write(self, change: Write) -> Future[None]:
        """Have the writer make this change; the future is done once it is committed."""
        done: Future[None] = Future()
        self._writes.put((change, done))
        return done

    async def written(self, change: Write) -> None:
        """Have the writer make this change, and wait until it is committed.

        It is made even when the waiting task is cancelled.
        """
        done = asyncio.get_running_loop().create_future()
        self._writes.put((change, done))
        await done

    def settle(self) -> None:
        """Wait until everything that was handed over is committed, and can be read."""
        self.write(lambda _: None).result()

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> Iterator[sqlite3.Row]:
        """The committed rows of a query, one at a time."""
        with store_errors(self.path):
            yield from self._reader.execute(sql, parameters)

    def row(self, sql: str, parameters: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """The first committed row of a query."""
        with store_errors(self.path):
            found: sqlite3.Row | None = self._reader.execute(sql, parameters).fetchone()
            return found

    def size(self) -> int:
        """Bytes of the file, once all that is committed is in it."""
        pages, page = self.row("PRAGMA page_count"), self.row("PRAGMA page_size")
        return 0 if pages is None or page is None else int(pages[0] * page[0])

    def close(self, *, done: bool = False) -> None:
        """Finish every write that was handed over, give free room back, then close.

        done: nothing is to come soon, so that a large file may take its time to be made smaller

        The writer goes last: the last to leave moves the WAL into the file, and a reader cannot.
        """
        self._compact_at_any_size = done
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
        _compact(connection, self._compact_at_any_size)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[tuple[Write, Done]]) -> None:
        batch = [(change, done) for change, done in batch if _is_wanted(done)]
        problems: list[Exception | None]
        try:
            with store_errors(self.path), connection:
                connection.execute("BEGIN")
                problems = [self._make(connection, change) for change, _ in batch]
        except Exception as error:
            problems = [error] * len(batch)
        _tell([(done, problem) for (_, done), problem in zip(batch, problems, strict=True)])

    def _make(self, connection: sqlite3.Connection, change: Write) -> Exception | None:
        """Make a change in the batch's transaction; what is wrong with it alone, and it is undone.

        It is made once only, because it may have drawn what it writes from an iterator. Raises
        what is the database's fault or the disk's.
        """
        problem = None
        connection.execute("SAVEPOINT change")
        try:
            with store_errors(self.path):
                change(connection)
        except Exception as error:
            if not _is_of_the_change(error):
                raise
            connection.execute("ROLLBACK TO change")
            problem = error
        connection.execute("RELEASE change")
        return problem


def version_of(path: Path) -> int:
    """The version of the database in a file; 0 where it is still empty."""
    with store_errors(path), contextlib.closing(_connect(path, read_only=True)) as connection:
        return _version(connection)


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with what to do about them."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise StoreError(_full(path, error)) from error
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise StoreError(
                f"{path}: not a run's database, or damaged ({error}); `augcon run --fresh` sets it "
                "aside and begins anew"
            ) from error
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        if error.errno in FULL:
            raise StoreError(_full(path, error.strerror)) from error
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _full(path: Path, problem: object) -> str:
    return (
        f"{path}: cannot be written, the disk is full or failing ({problem}). Everything "
        "committed so far is kept; make room and give the same command again."
    )


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


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    schema = resources.files("augcon.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN;\n{schema}\nPRAGMA user_version={VERSION};\nCOMMIT;")


def _is_wanted(done: Done) -> bool:
    """Whether the write is still to be made; one that a task waited for always is."""
    return not isinstance(done, Future) or done.set_running_or_notify_cancel()


def _is_of_the_change(error: Exception) -> bool:
    return not isinstance(error, StoreError) or isinstance(error.__cause__, OF_THE_VALUES)


def _tell(outcomes: list[Outcome]) -> None:
    """Each event loop is woken once, for all that wait in it."""
    in_loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for done, problem in outcomes:
        if isinstance(done, Future):
            _settle([(done, problem)])
        else:
            in_loops.setdefault(done.get_loop(), []).append((done, problem))
    for loop, many in in_loops.items():
        with contextlib.suppress(RuntimeError):  # closed: nobody waits in it any more
            loop.call_soon_threadsafe(_settle, many)


def _settle(outcomes: list[Outcome]) -> None:
    for done, problem in outcomes:
        if done.done():
            continue
        if problem is None:
            done.set_result(None)
        else:
            done.set_exception(problem)


def _compact(connection: sqlite3.Connection, at_any_size: bool) -> None:
    """Give free pages back, and leave no WAL. What cannot be done now waits for the next time.

    Both are transactions: whenever they end, nothing is lost. They need room on the disk, so that
    failing at it must not fail a run.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout=0")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free >= max(FREE_PAGES, FREE_SHARE * pages) and (
            at_any_size or pages - free <= CHEAP_PAGES
        ):
            connection.execute("VACUUM")
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
