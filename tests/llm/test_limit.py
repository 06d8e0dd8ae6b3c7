"""The number of places at a server, against servers that are simulated on a clock of their own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.llm.limit import FIRST, TRIAL_WORTH, Limit

SHORT = 0.005  # seconds to a refusal
LONG = 400.0


class Server:
    """So many requests at once, so many that wait, and refusals beyond or by chance."""

    def __init__(
        self,
        slots: int,
        queue: int = 10**6,
        refused: float = 0.0,
        seed: int = 0,
        least: int = 1,
        most: int = 256,
        embeddings: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.limit = Limit(least, most, clock=lambda: self.now)
        self.slots, self.queue, self.by_chance = slots, queue, refused
        self.embeddings = embeddings
        self.in_flight = self.busy = self.done = self.refusals = 0
        self.slot_seconds = 0.0
        self.places: list[int] = []
        self._chance = random.Random(seed)
        self._waiting: deque[tuple[int, float]] = deque()
        self._events: list[tuple[float, int, int, float, float]] = []
        self._number = itertools.count()

    def run(self, seconds: float) -> None:
        """As many requests as there are places, all the time."""
        end = self.now + seconds
        while self.now < end:
            while self.in_flight < self.limit.allowed:
                self._send()
            at, _, sent, began, size = heapq.heappop(self._events)
            self.slot_seconds += self.busy * (at - self.now)
            self.now = at
            if size:
                self._answer(sent, began, size)
            else:
                self.refusals += 1
                self.limit.refused(sent)
            self.in_flight -= 1
            self.places.append(self.limit.allowed)

    def busy_share(self, seconds: float) -> float:
        """Of the slots, over so many seconds from now."""
        before = self.slot_seconds, self.now
        self.run(seconds)
        return (self.slot_seconds - before[0]) / self.slots / (self.now - before[1])

    def _send(self) -> None:
        self.in_flight += 1
        sent = self.limit.sent()
        full = self.busy + len(self._waiting) >= self.slots + self.queue
        if full or self._chance.random() < self.by_chance:
            self._later(SHORT, sent, self.now, 0.0)
        elif self.busy < self.slots:
            self._start(sent, self.now)
        else:
            self._waiting.append((sent, self.now))

    def _start(self, sent: int, began: float) -> None:
        """Most requests write a text; some are embeddings, and take a moment."""
        self.busy += 1
        embeds = self._chance.random() < self.embeddings
        seconds = 0.02 if embeds else self._chance.uniform(0.5, 4.0)
        self._later(seconds, sent, began, seconds)

    def _answer(self, sent: int, began: float, size: float) -> None:
        self.busy -= 1
        self.done += 1
        if self._waiting:
            self._start(*self._waiting.popleft())
        tokens = 0 if size < 0.1 else round(50 * size)
        self.limit.answered(sent, self.now - began, tokens)

    def _later(self, seconds: float, sent: int, began: float, size: float) -> None:
        event = (self.now + seconds, next(self._number), sent, began, size)
        heapq.heappush(self._events, event)


@pytest.mark.parametrize("embeddings", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("slots", [1, 8, 64, 200])
def test_a_server_that_lets_all_queue_is_filled_and_not_flooded(
    slots: int, embeddings: float
) -> None:
    for seed in range(5):
        server = Server(slots, seed=seed, embeddings=embeddings)
        server.run(60)
        assert server.busy_share(LONG) > 0.97
        assert slots <= server.limit.allowed <= max(2 * FIRST, 3 * slots)


@pytest.mark.parametrize("queue", [0, 16])
def test_a_server_that_refuses_what_it_cannot_take_is_kept_busy_with_few_refusals(
    queue: int,
) -> None:
    for seed in range(5):
        server = Server(64, queue, seed=seed)
        server.run(60)
        before = server.refusals, server.done
        assert server.busy_share(LONG) > 0.88
        assert server.refusals - before[0] < 0.1 * (server.done - before[1])


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_refusals_that_have_nothing_to_do_with_the_load_do_not_starve_the_server(
    share: float,
) -> None:
    for seed in range(5):
        server = Server(64, refused=share, seed=seed)
        server.run(120)
        assert server.busy_share(LONG) > 0.9


def test_a_server_that_loses_half_its_slots_is_asked_less_and_gets_them_back() -> None:
    server = Server(64, queue=0)
    server.run(100)
    server.slots = 32
    server.run(100)
    assert max(server.places[-100:]) < 40
    server.slots = 64
    server.run(100)
    assert server.busy_share(LONG) > 0.85


def test_a_server_with_a_new_neighbour_gone_is_found_out_to_take_more() -> None:
    server = Server(32)
    server.run(100)
    assert server.limit.allowed < 100
    server.slots = 128
    server.run(4000)
    assert server.limit.allowed >= 128 / TRIAL_WORTH


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(0, 60), st.sampled_from([0, 5, 10**6]), st.floats(0, 0.9))
def test_the_users_bounds_are_kept_whatever_happens(
    least: int, more: int, queue: int, refused: float
) -> None:
    server = Server(10, queue, refused, least=least, most=least + more)
    server.run(8)
    assert least <= min(server.places)
    assert max(server.places) <= least + more


def test_a_server_that_was_away_is_looked_at_anew() -> None:
    server = Server(200)
    server.run(100)
    assert server.limit.allowed > 100
    server.limit.restart()
    assert server.limit.allowed == FIRST
    server.run(100)
    assert server.limit.allowed > 100


def test_replies_that_come_in_step_tell_as_much_as_others() -> None:
    """A server may work on one batch after the other."""
    now = 0.0
    limit = Limit(1, 256, clock=lambda: now)
    for _ in range(20):
        batch = [limit.sent() for _ in range(limit.allowed)]
        now += 2.0
        for sent in batch:
            limit.answered(sent, 2.0, 100)
    assert limit.allowed == 256


def test_the_replies_to_a_few_requests_at_the_start_do_not_make_a_server_small() -> None:
    server = Server(64)
    for _ in range(4):  # one after the other, as a server's abilities are found out
        server.now += 1.0
        server.limit.answered(server.limit.sent(), 1.0, 5)
    server.run(30)
    assert min(server.places) == FIRST


def test_few_requests_say_nothing_about_more_places() -> None:
    now = 0.0
    limit = Limit(1, 256, clock=lambda: now)
    for _ in range(500):
        now += 0.01
        limit.answered(limit.sent(), 1.0, 50)
    assert limit.allowed == FIRST
