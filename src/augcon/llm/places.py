"""Places at the servers of a model: which request goes next, and to which server.

    requests that wait, those of the oldest context first ──▶ the server with the most free places

Contexts finish in the order in which they were begun, so that few are open at once and what a
run holds in memory does not grow with the corpus. A server that fails again and again rests, is
tried with one request, and is back at once when that is answered.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from augcon.errors import RunError
from augcon.llm.base import Fault, Reply, TryAgain
from augcon.llm.limit import Limit

__all__ = ["TURN", "Place", "Places"]

# Whose request it is: that of the so-manieth context. What comes before all contexts is at -1.
TURN: ContextVar[int] = ContextVar("augcon_turn", default=-1)

# In a row, and a server is taken for gone; no fewer than all that may be in flight, for faults come
# back sooner than replies do.
FAULTS_TO_REST = 8
REFUSALS_TO_REST = 2  # of connections
SHORTEST_REST = 1.0  # seconds, doubled at every trial in vain
LONGEST_REST = 30.0
CROWDED = {Fault.BUSY, Fault.TIMEOUT}


@dataclass(slots=True)
class _Server:
    """What is known of one of them."""

    limit: Limit
    in_flight: int = 0
    faults: int = 0  # in a row
    gone: int = 0  # times that no connection could be made, in a row
    rest: float = 0.0  # the length of the present one
    rests_until: float = 0.0
    away: bool = False  # it was not there at all
    on_trial: bool = False  # with one request, whatever else hangs there

    def free(self, now: float) -> int:
        if self.rest:
            return int(now >= self.rests_until and not self.on_trial)
        return self.limit.allowed - self.in_flight


@dataclass(slots=True)
class Place:
    """A request's place at a server, and what its `Limit` is to be told it with."""

    server: int
    sent: int
    trial: bool = False


@dataclass(slots=True)
class Places:
    """All the places there are. One for every base URL, whatever is asked there."""

    limits: Sequence[Limit]
    clock: Callable[[], float] = time.monotonic
    last_answer: float = field(init=False)  # on the clock; when it was made, before any
    _servers: list[_Server] = field(init=False)
    _waiting: list[tuple[int, int, asyncio.Future[int]]] = field(init=False, default_factory=list)
    _number: Iterator[int] = field(init=False, default_factory=itertools.count)
    _room: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _alarm: asyncio.TimerHandle | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)
    _fault: RunError | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._servers = [_Server(limit) for limit in self.limits]
        self.last_answer = self.clock()
        self._room.set()

    @classmethod
    def fixed(cls, number: int, servers: int = 1) -> Places:
        """So many at each server, whatever happens."""
        return cls([Limit(number, number) for _ in range(servers)])

    @property
    def allowed(self) -> int:
        """How many requests may be in flight now."""
        return sum(server.limit.allowed for server in self._servers if not server.rest)

    @property
    def silence(self) -> float:
        """Seconds since the last reply of any server."""
        return self.clock() - self.last_answer

    @property
    def resting(self) -> bool:
        """Whether no server is taken to be there."""
        return all(server.rest for server in self._servers)

    async def room(self) -> None:
        """Return once there is a place that nobody waits for."""
        await self._room.wait()

    async def take(self) -> Place:
        """Wait for a place. `use` gives it back."""
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (TURN.get(), next(self._number), waiting))
        self._hand_out()
        try:
            number = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._servers[waiting.result()].on_trial = False
                self._give_back(waiting.result())
            raise
        server = self._servers[number]
        return Place(number, server.limit.sent(), server.on_trial)

    def beyond(self, server: int) -> Place:
        """A place there at once, above all limits and rests, to see whether it answers."""
        self._servers[server].in_flight += 1
        return Place(server, self._servers[server].limit.sent())

    def close(self, fault: RunError | None = None) -> None:
        """Let nothing more be sent: the run is being stopped, by this fault or by who runs it.

        Until every task of it is cancelled, those that hold a place or get one would go on asking,
        and what they are answered would be paid for and lost.
        """
        self._closed = True
        self._fault = self._fault or fault

    async def may_send(self) -> None:
        """Return at once, unless closed: then raise the fault, or wait to be cancelled."""
        if self._fault is not None:
            raise self._fault
        if self._closed:
            await asyncio.get_running_loop().create_future()

    @contextmanager
    def use(self, place: Place) -> Iterator[Callable[[Reply, float], None]]:
        """The block is the request: a TryAgain that leaves it tells how the server is, and so does
        a reply with the seconds that it took."""
        server = self._servers[place.server]
        told = False

        def answered(reply: Reply, seconds: float) -> None:
            nonlocal told
            told = True
            self._well(server)
            server.limit.answered(place.sent, seconds, reply.usage.completion_tokens)

        try:
            yield answered
        except TryAgain as fault:
            if told := fault.fault in CROWDED:
                server.limit.refused(place.sent)
            self._ill(server, fault)
            raise
        finally:
            if not told:
                server.limit.lost(place.sent)
            if place.trial:
                server.on_trial = False
            self._give_back(place.server)

    def _well(self, server: _Server) -> None:
        self.last_answer = self.clock()
        server.faults = server.gone = 0
        server.rest = server.rests_until = 0.0
        if server.away:  # with other neighbours perhaps, or as another process
            server.away = False
            server.limit.restart()

    def _ill(self, server: _Server, fault: TryAgain) -> None:
        server.faults += 1
        server.gone += fault.fault is Fault.GONE
        away = fault.fault in (Fault.GONE, Fault.LOST)
        failing = server.faults >= max(FAULTS_TO_REST, server.limit.allowed)
        if failing or server.gone >= REFUSALS_TO_REST or server.rest:
            if self.clock() < server.rests_until:
                return  # one of those that were in flight when it began to rest
            server.away = server.away or away
            server.rest = min(LONGEST_REST, max(SHORTEST_REST, 2 * server.rest))
            server.rests_until = self.clock() + max(server.rest, fault.wait or 0.0)

    def _give_back(self, number: int) -> None:
        self._servers[number].in_flight -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            if self._waiting[0][2].done():  # cancelled
                heapq.heappop(self._waiting)
                continue
            if (number := self._freest()) is None:
                break
            _, _, waiting = heapq.heappop(self._waiting)
            server = self._servers[number]
            server.in_flight += 1
            server.on_trial = bool(server.rest)
            waiting.set_result(number)
        if not self._waiting and self._freest() is not None:
            self._room.set()
        else:
            self._room.clear()
            self._wake_later()

    def _freest(self) -> int | None:
        now = self.clock()
        free = [server.free(now) for server in self._servers]
        most = max(range(len(free)), key=free.__getitem__)
        return most if free[most] > 0 else None

    def _wake_later(self) -> None:
        """Look again when the first of those that rest is to be tried."""
        now = self.clock()
        ends = [server.rests_until for server in self._servers if server.rests_until > now]
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if ends:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(min(ends) - now + 0.001, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._hand_out()
