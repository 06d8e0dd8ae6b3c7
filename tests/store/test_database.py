"""The one writer: what cannot be written costs only itself, and a full disk costs the batch."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType

import pytest

from augcon.errors import StoreError
from augcon.llm.base import Message, Request
from augcon.llm.call import Caller
from augcon.llm.fake import FakeModel
from augcon.records import Augmented, Context, Document, State, Verdict
from augcon.store import Run
from augcon.store.database import Write


@dataclass
class Held:
    """A writer that waits, so that what is handed over meanwhile is one batch.

    statements  that it executed since
    """

    go_on: threading.Event = field(default_factory=threading.Event)
    statements: list[str] = field(default_factory=list)

    async def outcomes(self, *work: Awaitable[object]) -> list[object]:
        """What comes of work that hands its writes over at once."""
        going_on = asyncio.gather(*work, return_exceptions=True)
        for _ in range(100):
            await asyncio.sleep(0)
        self.go_on.set()
        return list(await going_on)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with closing(Run.begin(tmp_path / "out", {"seed": 0}, "corpus", "seed = 0\n")) as opened:
        yield opened


@pytest.fixture
def held(run: Run) -> Iterator[Held]:
    held, waits = Held(), threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        waits.set()
        held.go_on.wait()
        connection.set_trace_callback(held.statements.append)

    run.database.write(wait)
    waits.wait()
    yield held
    held.go_on.set()


def note(key: str, value: object) -> Write:
    return lambda c: c.execute("INSERT INTO meta VALUES (?, ?)", (key, value)) and None


UNWRITABLE = {
    "half a character, English": (note("bad", "a smiley \ud83d"), UnicodeEncodeError),
    "half a character, Chinese": (note("bad", "笑脸\ude00"), UnicodeEncodeError),
    "too large a number": (note("bad", 2**63), OverflowError),
    "no value of a database": (note("bad", object()), StoreError),
    "a second one of a kind": (note("good 0", "again"), StoreError),
}


@pytest.mark.parametrize("kind", UNWRITABLE)
async def test_a_change_that_cannot_be_written_costs_no_other_of_its_batch(
    run: Run, held: Held, kind: str
) -> None:
    change, error = UNWRITABLE[kind]

    def half_done(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO meta VALUES ('half', 'done')")
        change(c)

    changes = [note("good 0", "x"), half_done, note("good 1", "y"), half_done, note("good 2", "z")]
    outcomes = await held.outcomes(*(run.database.written(each) for each in changes))
    assert [type(outcome) for outcome in outcomes] == [NoneType, error, NoneType, error, NoneType]
    assert outcomes[1] is not outcomes[3]
    kept = {row["key"] for row in run.database.rows("SELECT key FROM meta")}
    assert {f"good {number}" for number in range(3)} <= kept
    assert not kept & {"half", "bad"}
    assert held.statements.count("COMMIT") == 2  # of what held the writer, and of the batch


async def test_what_was_paid_for_is_kept_beside_a_context_that_cannot_be_written(
    run: Run, held: Held
) -> None:
    caller = Caller(FakeModel(lambda _: "ok"), run.journal)
    root = Context.root(Document.of("d", "The mill.", "en"), 0, 9, 2, "en")
    bad = Augmented(root, 1, 0, verdict=Verdict(State.FAILED, "unusable_reply", "\ud83d"))
    asked = [Request("chat", (Message("user", f"question {n}"),)) for n in range(3)]
    *said, failed = await held.outcomes(
        *(caller.ask(request, lambda reply: reply.text) for request in asked),
        run.ledger.finish_context(bad),
    )
    assert said == ["ok"] * 3
    assert isinstance(failed, UnicodeEncodeError)
    assert run.journal.totals().calls == caller.meter.calls == 3


async def test_a_full_disk_fails_every_change_of_its_batch(run: Run, held: Held) -> None:
    def fill(c: sqlite3.Connection) -> None:
        (pages,) = c.execute("PRAGMA page_count").fetchone()
        c.execute(f"PRAGMA max_page_count={pages + 1}")
        note("large", "x" * 100_000)(c)

    changes = [note("before", "x"), note("bad", "\ud83d"), fill, note("after", "x")]
    outcomes = await held.outcomes(*(run.database.written(each) for each in changes))
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    assert {str(outcome) for outcome in outcomes} == {str(outcomes[0])}
    assert "the disk is full" in str(outcomes[0])
    assert run.database.row("SELECT 1 FROM meta WHERE key IN ('before', 'large', 'after')") is None


async def test_a_change_is_made_once_although_another_of_its_batch_cannot_be(
    run: Run, held: Held
) -> None:
    """It may draw what it writes from an iterator, which gives it only once."""
    drawn = iter("abc")

    def draw(c: sqlite3.Connection) -> None:
        c.executemany("INSERT INTO meta VALUES (?, '')", ((letter,) for letter in drawn))

    await held.outcomes(*(run.database.written(each) for each in (draw, note("bad", "\ud83d"))))
    assert {"a", "b", "c"} <= {row["key"] for row in run.database.rows("SELECT key FROM meta")}
