from __future__ import annotations

import asyncio

from augcon.llm.base import Request
from augcon.llm.budget import Spent
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.llm.tally import Tally


def asked(text: str) -> Request:
    return Request("completion", text=text)


async def test_only_what_goes_through_the_tallys_caller_is_counted() -> None:
    model = FakeModel(lambda _: "one two three")
    shared = Caller(model, MemoryJournal())
    tally = Tally(shared.journal)
    mine = tally.caller(shared)
    await asyncio.gather(
        shared.ask(asked("not mine"), lambda r: r.text),
        *(mine.ask(asked(f"mine {n}"), lambda r: r.text) for n in range(3)),
    )
    assert tally.spent == Spent(3, 6, 9)
    assert shared.meter.calls == 4


async def test_a_reply_counts_once_and_as_much_where_it_is_replayed() -> None:
    journal = MemoryJournal()
    first, again = Tally(journal), Tally(journal)
    model = FakeModel(lambda _: "one two three")
    for tally in (first, first, again):
        await tally.caller(Caller(model, journal)).ask(asked("a b"), lambda r: r.text)
    assert len(model.requests) == 1
    assert first.spent == again.spent == Spent(1, 2, 3)


async def test_an_unusable_reply_was_paid_for_too() -> None:
    def refuse_first(text: str) -> str:
        if text == "one":
            raise Unusable("no")
        return text

    replies = iter(["one", "one two"])
    caller = Caller(FakeModel(lambda _: next(replies)), MemoryJournal())
    tally = Tally(caller.journal)
    await tally.caller(caller).ask(asked("a"), lambda r: refuse_first(r.text))
    assert tally.spent == Spent(2, 2, 3)
