from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulated_server import MODEL, Engine, Log, Simulation, simulated_server
from tests.simulation.client import chat, post, post_all, until
from tests.simulation.clock import in_simulated_time, simulated_now
from tests.simulation.engine import first_tokens, tokens_of
from tests.simulation.log import Occupancy


@pytest.fixture
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


def test_a_word_is_one_token_and_so_is_each_chinese_character() -> None:
    assert tokens_of("The mill, in 1820.") == ["The", "mill,", "in", "1820."]
    assert tokens_of("水车wheel转动。 It’s ") == ["水", "车", "wheel", "转", "动", "。", "It’s"]


@given(st.text(alphabet="ab 水车。\n’", max_size=40), st.integers(0, 40))
def test_the_first_tokens_of_a_text_are_the_beginning_of_it(text: str, count: int) -> None:
    start = first_tokens(text, count)
    assert text.startswith(start)
    assert tokens_of(start) == tokens_of(text)[:count]


async def test_no_more_requests_run_than_there_are_slots_and_all_slots_are_used(
    server: Simulation,
) -> None:
    server.engine = Engine(slots=0, decode_rate=500)
    waiting = asyncio.create_task(post_all(server, [chat(seed) for seed in range(20)]))
    await until(lambda: server.log.in_flight == 20)
    server.engine.slots = 3
    assert (await post(server, chat(20)))[0] == 200
    assert set(await waiting) == {200}
    assert all(at.busy <= at.slots for at in server.log.occupancy)
    assert max(at.busy for at in server.log.occupancy) == 3
    assert server.log.occupancy[-1].busy == 0
    assert server.log.most_in_flight >= 20
    assert server.log.answered == server.log.requests == 21


def test_a_batch_takes_the_time_that_its_rates_say() -> None:
    engine, log = Engine(slots=4, prefill_rate=200, decode_rate=100), Log(clock=simulated_now)

    async def batch() -> None:
        await asyncio.gather(*(engine.work(["word"] * 30, 9, log) for _ in range(12)))

    in_simulated_time(batch())
    start, end = log.occupancy[0].time, log.occupancy[-1].time
    assert end - start == pytest.approx(3 * (30 / 200 + 9 / 100))
    assert log.busy_share(start, end) == pytest.approx(1)


async def test_a_batch_over_the_wire_goes_by_its_own_tokens(server: Simulation) -> None:
    server.engine = Engine(slots=4, prefill_rate=100, decode_rate=50)
    bodies = [
        chat(seed, schema={"const": "nine words that are the same in every reply"})
        for seed in range(12)
    ]
    await post_all(server, bodies)
    each = server.log.prompt_tokens / 12 / 100 + server.log.completion_tokens / 12 / 50
    took = server.log.occupancy[-1].time - server.log.occupancy[0].time
    assert each > 0.3
    assert 3 * each <= took < 6 * each


async def test_requests_get_their_slots_in_the_order_in_which_they_came(
    server: Simulation,
) -> None:
    server.engine = Engine(slots=1, decode_rate=1000)
    tasks = []

    def came(count: int) -> bool:
        return server.log.requests == count

    for seed in range(5):
        tasks.append(asyncio.create_task(post(server, chat(seed))))
        await until(partial(came, seed + 1))
    await asyncio.gather(*tasks)
    arrivals = [exchange.arrived for exchange in server.log.exchanges]
    assert arrivals == sorted(arrivals)


async def test_a_request_that_finds_the_queue_full_is_refused(server: Simulation) -> None:
    server.engine = Engine(slots=1, queue=2, decode_rate=0.1)
    first = asyncio.create_task(post(server, chat(0)))
    await until(lambda: server.log.occupancy != [])
    others = asyncio.create_task(post_all(server, [chat(seed) for seed in range(1, 8)]))
    await until(lambda: server.log.requests == 8 and server.log.in_flight == 3)
    assert server.log.refused == {429: 5}
    server.engine.decode_rate = math.inf
    first.cancel()
    assert Counter(await others) == {200: 2, 429: 5}


async def test_a_client_that_goes_away_frees_its_slot_and_its_place_in_the_queue(
    server: Simulation,
) -> None:
    server.engine = Engine(slots=1, decode_rate=0.1)
    gone = [asyncio.create_task(post(server, chat(seed))) for seed in range(3)]
    await until(lambda: server.log.in_flight == 3)
    for task in gone:
        task.cancel()
    await until(lambda: server.log.in_flight == 0)
    server.engine.decode_rate = math.inf
    status, _ = await post(server, chat(7), seconds=5)
    assert status == 200
    assert [exchange.status for exchange in server.log.exchanges] == [0, 0, 0, 200]
    assert len(server.log.bodies) == 1


async def test_slots_can_be_added_while_the_server_runs(server: Simulation) -> None:
    server.engine = Engine(slots=1, decode_rate=0.1)
    first = asyncio.create_task(post(server, chat(1)))
    await until(lambda: server.log.in_flight == 1)
    second = asyncio.create_task(post(server, chat(2)))
    await until(lambda: server.log.in_flight == 2)
    server.engine.slots, server.engine.decode_rate = 4, math.inf
    statuses = await post_all(server, [chat(seed) for seed in range(5, 9)])
    assert statuses == [200] * 4
    assert (await second)[0] == 200
    assert not first.done()
    first.cancel()


async def test_a_prompts_beginning_is_cached_in_blocks_of_sixteen_tokens(
    server: Simulation,
) -> None:
    server.engine = Engine(cache_blocks=100)
    words = [f"w{number}" for number in range(100)]

    async def cached(count: int, *more: str) -> int:
        prompt = " ".join((*words[:count], *more))
        _, reply = await post(server, {"model": MODEL, "prompt": prompt}, "/completions")
        assert reply["usage"]["prompt_tokens"] == count + len(more)
        return int(reply["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert await cached(50) == 0
    assert await cached(50) == 48
    assert await cached(48) == 32  # the last token is always computed
    assert await cached(100) == 48
    assert await cached(40, "other") == 32
    assert await cached(0, *reversed(words)) == 0
    assert (server.log.prompt_tokens, server.log.cached_tokens) == (389, 160)


async def test_the_cache_forgets_what_was_not_used_for_longest(server: Simulation) -> None:
    server.engine = Engine(cache_blocks=4)

    async def cached(letter: str, count: int = 33) -> int:
        prompt = " ".join(f"{letter}{number}" for number in range(count))
        _, reply = await post(server, {"model": MODEL, "prompt": prompt}, "/completions")
        return int(reply["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert [await cached(letter) for letter in "ababa"] == [0, 0, 32, 32, 32]
    assert await cached("c") == 0
    assert [await cached("a"), await cached("b")] == [32, 0]
    assert await cached("d", 49) == 0
    assert await cached("b") == 16  # the end of a prompt is forgotten before its beginning


def test_cached_tokens_need_no_prefill() -> None:
    engine, log = Engine(slots=1, prefill_rate=1000, cache_blocks=100), Log(clock=simulated_now)
    prompt = [f"w{number}" for number in range(401)]

    async def seconds() -> float:
        began = simulated_now()
        await engine.work(prompt, 0, log)
        return simulated_now() - began

    async def twice() -> tuple[float, float]:
        return await seconds(), await seconds()

    assert in_simulated_time(twice()) == pytest.approx((0.401, 0.001))


def test_the_busy_share_is_the_exact_part_of_the_slots_time() -> None:
    log = Log(occupancy=[Occupancy(10, 1, 2), Occupancy(12, 2, 2), Occupancy(13, 0, 2)])
    assert log.busy_share(10, 13) == pytest.approx((2 * 1 + 1 * 2) / 6)
    assert log.busy_share(11, 12.5) == pytest.approx((1 * 1 + 0.5 * 2) / 3)
    assert log.busy_share(8, 10) == 0
    assert log.busy_share(8, 12) == pytest.approx(2 / 8)
    assert log.busy_share(12.5, 14.5) == pytest.approx(1 / 4)
    assert log.busy_share(20, 30) == 0
    assert Log().busy_share(0, 1) == 0
