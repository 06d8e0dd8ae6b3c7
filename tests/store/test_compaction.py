from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from augcon.llm.base import Reply, Request
from augcon.store import database as store
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal
from tests.e2e.program import environment

EMBED = Request("embedding", text="x")
REPLIES, VECTOR = 3000, tuple(float(n) for n in range(1000))
KILLS = 8
KILLED_WITHIN = 0.4  # seconds, about what it takes to close
CLOSE = """
import sys
from pathlib import Path
from augcon.store.database import Database
database = Database(Path(sys.argv[1]))
print(flush=True)
database.close()
"""


def filled(path: Path, free: int) -> Database:
    """A database with replies in it, and some free pages."""
    database = Database(path)
    journal = SqliteJournal(database)

    async def fill() -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(REPLIES):
                tasks.create_task(journal.put(str(n), "m", EMBED, Reply(embedding=VECTOR), True))

    asyncio.run(fill())
    page = b"x" * 4000
    database.write(lambda c: c.execute("CREATE TABLE filler (x)") and None)
    database.write(
        lambda c: c.executemany("INSERT INTO filler VALUES (?)", [(page,)] * free) and None
    )
    database.write(lambda c: c.execute("DROP TABLE filler") and None).result()
    return database


def all_there(path: Path) -> bool:
    database = Database(path, read_only=True)
    journal = SqliteJournal(database)
    found = [journal.get(str(n)) for n in range(REPLIES)]
    (sound,) = database.rows("PRAGMA integrity_check")
    database.close()
    return found == [Reply(embedding=VECTOR)] * REPLIES and sound[0] == "ok"


def free_pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA freelist_count").fetchone()[0])


def test_a_closed_file_gives_back_what_was_free_in_a_good_part_of_it(tmp_path: Path) -> None:
    database = filled(tmp_path / "run.db", 3000)
    before = database.size()
    database.close()
    assert (tmp_path / "run.db").stat().st_size < 0.6 * before
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    assert free_pages(tmp_path / "run.db") == 0
    assert all_there(tmp_path / "run.db")


def test_a_file_with_little_free_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path / "run.db", 300).close()
    assert free_pages(tmp_path / "run.db") >= 300


def test_a_large_file_is_made_smaller_only_when_the_run_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHEAP_PAGES", 1000)
    filled(tmp_path / "run.db", 3000).close()
    assert free_pages(tmp_path / "run.db") >= 3000
    Database(tmp_path / "run.db").close(done=True)
    assert free_pages(tmp_path / "run.db") == 0


def test_a_reader_neither_hinders_closing_nor_loses_its_place(tmp_path: Path) -> None:
    database = filled(tmp_path / "run.db", 3000)
    reader = Database(tmp_path / "run.db", read_only=True)
    rows = reader.rows("SELECT identity FROM journal")
    next(rows)
    since = time.monotonic()
    database.close()
    assert time.monotonic() - since < 10
    assert sum(1 for _ in rows) == REPLIES - 1
    reader.close()
    Database(tmp_path / "run.db").close()
    assert all_there(tmp_path / "run.db")


def test_a_compaction_that_is_killed_anywhere_loses_nothing(tmp_path: Path) -> None:
    database = filled(tmp_path / "run.db", 3000)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("run.db", "run.db-wal"):  # of which nothing is written meanwhile
        shutil.copy(tmp_path / name, copy)
    database.close()
    half_done = 0
    for number in range(KILLS):
        again = tmp_path / str(number)
        shutil.copytree(copy, again)
        process = subprocess.Popen(
            [sys.executable, "-c", CLOSE, again / "run.db"],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(number / KILLS * KILLED_WITHIN)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        half_done += (again / "run.db-wal").exists()
        assert all_there(again / "run.db")
        Database(again / "run.db").close()
        assert free_pages(again / "run.db") == 0
        assert all_there(again / "run.db")
        shutil.rmtree(again)
    assert half_done > 0
