from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.errors import StoreError
from augcon.llm.base import Choice, Reply, Request, TokenLogprob, Usage
from augcon.store import Run
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal, Totals
from tests.e2e.program import environment
from tests.small_corpora import english

WRITE = """
import asyncio, sys
from pathlib import Path
from augcon.errors import StoreError
from augcon.llm.base import Choice, Reply, Request, Usage
from augcon.store import Run

async def work(run, task):
    for number in range(1_000_000):
        reply = Reply((Choice(f"said {number} " * 20),), usage=Usage(number, task))
        name = f"{sys.argv[2]} {task} {number}"
        await run.journal.put(name, "m", Request("chat"), reply, number % 3 > 0)
        print(name, flush=True)

async def main(run):
    await asyncio.gather(*(work(run, task) for task in range(16)))

asyncio.run(main(Run.begin(Path(sys.argv[1]), {"seed": 0}, "corpus", "")))
"""
CHAT = Request("chat", text="x")
EMBED = Request("embedding", text="x")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    opened = Run.begin(tmp_path / "out", {"seed": 0}, "corpus", "seed = 0\n")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteJournal]:
    database = Database(tmp_path_factory.mktemp("journal") / "run.db")
    yield SqliteJournal(database)
    database.close()


def summed(folder: Path) -> Totals:
    """What the counters should say, from the rows themselves."""
    with sqlite3.connect(folder / "run.db") as database:
        row = database.execute(
            "SELECT COUNT(*), SUM(1 - accepted), SUM(prompt_tokens), SUM(completion_tokens), "
            "SUM(endpoint = 'embedding'), "
            "COALESCE(SUM(prompt_tokens) FILTER (WHERE endpoint = 'embedding'), 0), "
            "SUM(LENGTH(reply)) FROM journal"
        ).fetchone()
    database.close()
    return Totals(*row)


finite = st.floats(allow_nan=False)
tokens = st.builds(
    TokenLogprob, st.text(), finite, st.lists(st.tuples(st.text(), finite)).map(tuple)
)
choices = st.builds(Choice, st.text(), st.text(), st.lists(tokens, max_size=3).map(tuple))
replies = st.lists(choices, max_size=3).map(lambda c: Reply(tuple(c)))
numbers = {"max_value": 2**31 - 1, "min_value": 0}


@given(reply=replies, prompt=st.integers(**numbers), completion=st.integers(**numbers))
def test_any_text_comes_back_as_it_was(
    journal: SqliteJournal, reply: Reply, prompt: int, completion: int
) -> None:
    whole = Reply(reply.choices, usage=Usage(prompt, completion))
    name = repr(whole)
    asyncio.run(journal.put(name, "m", CHAT, whole, True))
    assert journal.get(name) == whole


async def test_half_a_character_that_an_earlier_version_kept_is_read_as_one_that_is_lost(
    journal: SqliteJournal,
) -> None:
    for name, text in (("en", "half a smiley \ud83d"), ("zh", "半个笑脸\ude00")):
        await journal.put(name, "m", CHAT, Reply((Choice(text),)), True)
    found = [journal.get(name) for name in ("en", "zh")]
    assert [reply and reply.text for reply in found] == ["half a smiley \ufffd", "半个笑脸\ufffd"]


@given(bits=st.binary(max_size=400).map(lambda b: b[: len(b) // 4 * 4]))
def test_a_vector_comes_back_to_its_last_bit(journal: SqliteJournal, bits: bytes) -> None:
    vector = tuple(x for (x,) in struct.iter_unpack("<f", bits) if x == x)
    asyncio.run(journal.put(repr(vector), "m", EMBED, Reply(embedding=vector), True))
    back = journal.get(repr(vector))
    assert back is not None
    packed = [struct.pack("<f", x) for x in back.embedding]
    assert packed == [struct.pack("<f", x) for x in vector]


async def test_an_ordinary_reply_takes_little_more_than_half_its_room(run: Run) -> None:
    text = english(3, 12)
    await run.journal.put("1", "m", CHAT, Reply((Choice(text),)), True)
    assert run.journal.totals().journal_bytes < 0.6 * len(text)


async def test_what_was_spent_is_what_the_rows_hold(run: Run) -> None:
    draw = random.Random(0)
    for number in range(50):
        usage = Usage(draw.randrange(1000), draw.randrange(1000))
        reply = Reply((Choice("x" * draw.randrange(100)),), usage=usage)
        await run.journal.put(str(number), "m", CHAT, reply, draw.random() < 0.7)
    await run.journal.put("v", "m", EMBED, Reply(embedding=(1.0, 2.0), usage=Usage(7)), True)
    spent = run.journal.totals()
    assert spent.calls == 51
    assert 0 < spent.unusable < 50
    assert spent == summed(run.folder)
    calls = run.books().calls
    assert (calls.calls, calls.journal_bytes) == (51, spent.journal_bytes)


def test_what_was_spent_is_exact_wherever_a_run_was_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, out, str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(100 + 150 * number)]
        process.kill()
        rest, _ = process.communicate()
        acknowledged = [*(line.strip() for line in said), *rest.split("\n")[:-1]]
        run = Run.begin(out, {"seed": 0}, "corpus", "")
        assert all(run.journal.get(name) is not None for name in acknowledged)
        spent = run.journal.totals()
        run.close()
        assert spent == summed(out)
        assert spent.calls >= len(acknowledged)


async def test_the_first_reply_to_a_request_stays_and_is_counted_once(run: Run) -> None:
    for text in ("first", "second"):
        await run.journal.put("1", "m", CHAT, Reply((Choice(text),), usage=Usage(3, 4)), True)
    known = run.journal.get("1")
    assert known is not None
    assert known.text == "first"
    spent = run.journal.totals()
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (1, 3, 4)


async def test_a_new_run_has_spent_nothing(run: Run) -> None:
    assert run.journal.totals() == Totals(0, 0, 0, 0, 0, 0, 0)


async def test_the_books_say_how_large_the_closed_file_is(run: Run) -> None:
    for number in range(200):
        await run.journal.put(str(number), "m", EMBED, Reply(embedding=(0.5,) * 900), True)
    told = run.books().calls.database_bytes
    run.close()
    assert (run.folder / "run.db").stat().st_size == told > 200 * 3600


async def test_a_failed_write_is_told_to_every_task_that_waited_for_it(run: Run) -> None:
    def refuse(_: sqlite3.Connection) -> None:
        raise ValueError("no")

    outcomes = await asyncio.gather(
        *(run.database.written(refuse) for _ in range(5)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["no"] * 5
    await run.database.written(lambda _: None)


async def test_after_a_reply_that_could_not_be_written_nothing_more_is_looked_up(run: Run) -> None:
    await run.journal.put("0", "m", CHAT, Reply((Choice("kept"),)), True)
    run.database.write(lambda c: c.execute("PRAGMA query_only=ON") and None).result()
    with pytest.raises(StoreError) as failed:
        await run.journal.put("1", "m", CHAT, Reply((Choice("lost"),)), True)
    with pytest.raises(StoreError) as told:
        run.journal.get("0")
    assert told.value is failed.value


def test_a_write_is_made_although_its_loop_is_gone(run: Run) -> None:
    async def leave() -> None:
        task = asyncio.ensure_future(run.journal.put("1", "m", CHAT, Reply((Choice("x"),)), True))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    run.database.write(lambda _: None).result()
    assert run.journal.get("1") is not None
