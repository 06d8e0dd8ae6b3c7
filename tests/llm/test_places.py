from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from augcon.llm.base import Choice, Fault, Reply, TryAgain
from augcon.llm.limit import FIRST, Limit
from augcon.llm.places import FAULTS_TO_REST, SHORTEST_REST, TURN, Place, Places

REPLY = Reply((Choice("hi"),))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def asked_by(turn: int, places: Places, order: list[int]) -> Place:
    TURN.set(turn)
    place = await places.take()
    order.append(turn)
    return place


def answered(places: Places, place: Place) -> None:
    with places.use(place) as answer:
        answer(REPLY, 1.0)


def failed(places: Places, place: Place, fault: Fault, wait: float | None = None) -> None:
    with pytest.raises(TryAgain), places.use(place):
        raise TryAgain("no", wait, fault)


async def is_waiting(work: Awaitable[object]) -> bool:
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=0.02)
    task.cancel()
    return not done


async def test_the_oldest_context_goes_first_however_late_it_asks() -> None:
    places, order = Places.fixed(1), []
    held = await places.take()
    tasks = []
    for turn in (5, 3, 4, 3, -1):
        tasks.append(asyncio.create_task(asked_by(turn, places, order)))
        await asyncio.sleep(0)
    for _ in tasks:
        answered(places, held)
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        held = done.pop().result()
    assert order == [-1, 3, 3, 4, 5]


async def test_the_load_goes_to_the_server_with_the_most_free_places() -> None:
    places = Places([Limit(1, 1), Limit(3, 3)])
    taken = [(await places.take()).server for _ in range(4)]
    assert sorted(taken) == [0, 1, 1, 1]
    assert taken[:2] == [1, 1]
    assert await is_waiting(places.take())


async def test_there_is_room_where_a_place_is_free_and_nobody_waits_for_it() -> None:
    places = Places.fixed(1)
    await places.room()
    held = await places.take()
    assert await is_waiting(places.room())
    next_one = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    answered(places, held)
    place = await next_one
    assert await is_waiting(places.room())
    answered(places, place)
    await places.room()


async def test_a_place_of_one_who_was_cancelled_goes_to_the_next() -> None:
    places = Places.fixed(1)
    held = await places.take()
    one, two, three = (asyncio.create_task(places.take()) for _ in range(3))
    await asyncio.sleep(0)
    one.cancel()
    answered(places, held)
    two.cancel()  # as the place is handed out
    assert (await three).server == 0


async def test_a_server_that_cannot_be_reached_rests_and_the_others_take_its_load() -> None:
    clock = Clock()
    places = Places([Limit(4, 4, clock), Limit(4, 4, clock)], clock)
    held = [await places.take() for _ in range(8)]
    for place in held:
        if place.server == 0:
            failed(places, place, Fault.GONE)
        else:
            answered(places, place)
    taken = [(await places.take()).server for _ in range(4)]
    assert taken == [1, 1, 1, 1]
    assert not places.resting
    assert await is_waiting(places.take())


async def test_a_server_that_rested_is_tried_with_one_request_and_is_back_at_its_answer() -> None:
    clock = Clock()
    places = Places([Limit(1, 64, clock)], clock)
    for _ in range(2):
        failed(places, await places.take(), Fault.GONE)
    assert places.resting
    assert await is_waiting(places.take())
    clock.now += SHORTEST_REST
    trial = await places.take()
    assert await is_waiting(places.take())
    failed(places, trial, Fault.GONE)
    clock.now += SHORTEST_REST
    assert await is_waiting(places.take())  # the second rest is longer
    clock.now += SHORTEST_REST
    answered(places, await places.take())
    assert not places.resting
    assert places.allowed == FIRST
    await places.take()
    await places.take()


async def test_a_rest_lasts_as_long_as_the_server_asks_for() -> None:
    clock = Clock()
    places = Places([Limit(4, 4, clock)], clock)
    for _ in range(FAULTS_TO_REST):
        failed(places, await places.take(), Fault.BROKEN, wait=60.0)
    clock.now += 59.0
    assert await is_waiting(places.take())
    clock.now += 1.0
    await places.take()


async def test_a_wave_of_refusals_before_the_first_replies_is_no_reason_to_rest() -> None:
    places = Places([Limit(64, 64)])
    held = [await places.take() for _ in range(64)]
    for place in held[:20]:
        failed(places, place, Fault.BUSY)
    assert not places.resting
    for place in held[20:]:
        failed(places, place, Fault.BROKEN)
    assert places.resting


async def test_a_server_that_was_only_busy_keeps_the_places_that_were_found() -> None:
    """Else it is asked for far too much after every rest, and refuses again."""
    clock = Clock()
    places = Places([Limit(1, 64, clock)], clock)
    for _ in range(200):
        if places.resting:
            clock.now += 60.0
        held = [await places.take()]
        failed(places, held[0], Fault.BUSY)
    clock.now += 60.0
    answered(places, await places.take())
    assert not places.resting
    assert places.allowed < FIRST / 2


async def test_the_first_of_several_rests_to_end_is_waited_for() -> None:
    """The longer of them began first."""
    places = Places([Limit(8, 8), Limit(8, 8)])
    held = [await places.take() for _ in range(16)]
    for number, wait in ((0, 200.0), (1, None)):
        for place in held:
            if place.server == number:
                failed(places, place, Fault.BROKEN, wait)
    waiting = [asyncio.create_task(places.take()) for _ in range(2)]
    async with asyncio.timeout(10 * SHORTEST_REST):
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result().server for task in waiting if task.done()} == {1}
    for task in waiting:
        task.cancel()


async def test_a_server_is_tried_although_requests_still_hang_there() -> None:
    clock = Clock()
    places = Places([Limit(4, 4, clock)], clock)
    hanging = [await places.take() for _ in range(2)]
    for _ in range(2):
        failed(places, await places.take(), Fault.GONE)
    clock.now += SHORTEST_REST
    trial = await places.take()
    assert await is_waiting(places.take())
    answered(places, trial)
    assert not places.resting
    for place in hanging:
        failed(places, place, Fault.TIMEOUT)


async def test_a_rest_ends_by_itself() -> None:
    places = Places.fixed(1)
    for _ in range(2):
        failed(places, await places.take(), Fault.GONE)
    async with asyncio.timeout(10 * SHORTEST_REST):
        answered(places, await places.take())


async def test_faults_with_answers_between_them_are_no_reason_to_rest() -> None:
    places = Places.fixed(2)
    for _ in range(5 * FAULTS_TO_REST):
        failed(places, await places.take(), Fault.BROKEN)
        answered(places, await places.take())
    assert not places.resting


@pytest.mark.parametrize(
    ("fault", "fewer"),
    [
        (Fault.BUSY, True),
        (Fault.TIMEOUT, True),
        (Fault.BROKEN, False),
        (Fault.LOST, False),
    ],
)
async def test_only_a_crowded_server_is_asked_less(fault: Fault, fewer: bool) -> None:
    places = Places([Limit(1, 16)])
    for _ in range(20):
        one, two = await places.take(), await places.take()
        failed(places, one, fault)
        answered(places, two)
    assert (places.allowed < 16) is fewer


async def test_silence_is_counted_from_the_last_reply() -> None:
    clock = Clock()
    places = Places([Limit(1, 1, clock)], clock)
    clock.now = 5.0
    assert places.silence == 5.0
    answered(places, await places.take())
    clock.now = 7.0
    assert places.silence == 2.0
