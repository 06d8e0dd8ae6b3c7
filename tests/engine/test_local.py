from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from augcon.engine import each
from augcon.errors import ModelError, ReplyError
from augcon.llm.base import Choice, Reply
from augcon.llm.places import TURN, Places


async def always() -> None:
    """There is room."""


async def never_told(item: int, error: Exception) -> None:
    raise AssertionError((item, error))


async def test_every_item_is_worked_on_in_its_turn() -> None:
    done = []

    async def work(item: int) -> None:
        done.append((item, TURN.get()))

    await each(range(50), work, never_told, 3, always)
    assert done == [(number, number) for number in range(50)]
    assert TURN.get() == -1


async def test_no_more_items_are_open_than_allowed() -> None:
    open_now = most = 0

    async def work(item: int) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        for _ in range(10 + item % 5):
            await asyncio.sleep(0)
        open_now -= 1

    await each(range(50), work, never_told, 4, always)
    assert most == 4


async def test_an_item_is_begun_only_when_the_model_has_a_place_that_nobody_waits_for() -> None:
    """With items of one request each, as many are open as there are places."""
    places, begun = Places.fixed(3), []
    gate = asyncio.Event()

    def items() -> Iterator[int]:
        for item in range(20):
            begun.append(item)
            yield item

    async def work(item: int) -> None:
        place = await places.take()
        await gate.wait()
        with places.use(place) as answered:
            answered(Reply((Choice("hi"),)), 0.1)

    running = asyncio.create_task(each(items(), work, never_told, 100, places.room))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(begun) == 4  # the fourth is at the door
    gate.set()
    await running
    assert len(begun) == 20


async def test_what_fails_costs_only_itself() -> None:
    told = []

    async def work(item: int) -> None:
        if item == 3:
            raise ReplyError("unusable")
        if item == 4:
            raise ExceptionGroup("several", [ValueError("one"), ReplyError("two")])

    async def failed(item: int, error: Exception) -> None:
        told.append((item, str(error)))

    await each(range(6), work, failed, 2, always)
    assert told == [(3, "unusable"), (4, "two")]


async def test_a_fault_of_the_whole_run_stops_the_others_and_is_raised_as_itself() -> None:
    stopped = []

    async def work(item: int) -> None:
        if item == 2:
            raise ExceptionGroup("several", [ValueError("one"), ModelError("gone")])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(item)
            raise

    with pytest.raises(ModelError, match="gone"):
        await each(range(100), work, never_told, 5, always)
    assert {0, 1} <= set(stopped)
