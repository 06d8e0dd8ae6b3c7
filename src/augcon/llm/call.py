"""The one call path: journal → join an equal request in flight → a place → ask → parse → journal.

A stage hands over a request and a parser, and gets what the parser returns. Everything a run
needs around that is here, once: replay from the journal, a bound on calls in flight, back-off on
passing faults, and bounded re-asking when a reply cannot be used.

Every reply that came and could be read is journalled, the unusable ones marked as such: a resumed
run then reaches the same verdict on them without asking again. An unusable reply is never an
answer, because every replay goes through the parser again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from augcon.errors import (
    AugConError,
    ContentRefused,
    ItemError,
    ModelError,
    ReplyError,
    RequestFailed,
    RunError,
)
from augcon.llm.base import Fault, Message, Model, Reply, Request, Sampling, TryAgain
from augcon.llm.budget import Budget
from augcon.llm.places import Place, Places
from augcon.records import content_id

__all__ = ["Caller", "Journal", "MemoryJournal", "Meter", "Unusable", "seed_of"]

T = TypeVar("T")
Keep = Callable[[Reply], Awaitable[None]]  # returns once the reply is safely on disk

BACKOFF_SECONDS = 0.5
BACKOFF_CEILING = 30.0
REASK_TEMPERATURE = 0.4
FIRST_RETRIES = 2
LENIENCE = 10  # so many times more often is a busy server asked again: that is nobody's fault
FILTERED = "content_filter"  # a reply's finish_reason
LONGEST_WAIT = 300.0  # seconds that a server may ask for; with more, the run is better stopped


class Unusable(Exception):  # noqa: N818 - a verdict on a reply, raised by parsers
    """A parser's verdict: this reply cannot be used, ask again."""


class Journal(Protocol):
    """Where replies are kept. `put` returns once the reply is safely on disk."""

    def get(self, identity: str) -> Reply | None: ...

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None: ...


class MemoryJournal:
    """A journal for tests and probes, gone with the process."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    def get(self, identity: str) -> Reply | None:
        return self.replies.get(identity)

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        self.replies[identity] = reply


@dataclass(slots=True)
class Meter:
    """What was asked in this process, for the progress display; the books come from the store.

    models  under which names the servers answered, and how often
    asked   under which names they were asked
    """

    calls: int = 0
    replayed: int = 0
    in_flight: int = 0
    busy_seconds: float = 0.0  # with at least one call in flight
    prompt_tokens: int = 0
    completion_tokens: int = 0
    models: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    _busy_since: float = 0.0

    @contextmanager
    def in_flight_now(self) -> Iterator[None]:
        """Count a call as in flight for as long as the block lasts."""
        if self.in_flight == 0:
            self._busy_since = time.monotonic()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self.busy_seconds += time.monotonic() - self._busy_since

    def count(self, model: str, reply: Reply) -> None:
        self.calls += 1
        self.prompt_tokens += reply.usage.prompt_tokens
        self.completion_tokens += reply.usage.completion_tokens
        self.models[reply.model] += 1
        self.asked[model] += 1


def seed_of(*parts: str | int) -> int:
    """A seed in [0, 2**31) that depends on the parts alone."""
    return int(content_id("seed", *parts), 16) % 2**31


@dataclass(slots=True)
class _Trouble:
    """What one request has met so far.

    its_own  those tries that the request itself may be to blame for; where no connection could be
             made it never was sent
    since    the first of them, on the clock of the places
    """

    tries: int = 0
    its_own: int = 0
    since: float = 0.0

    def add(self, fault: TryAgain, now: float) -> None:
        self.tries += 1
        self.its_own += fault.fault is not Fault.GONE
        self.since = self.since or now


@dataclass(slots=True)
class Caller:
    """A model behind the call path.

    others    further servers of the same model; `places` has a server for each
    tries     how often one item is asked in all when replies cannot be used
    retries   how often a passing fault of one request is met by asking it again
    patience  seconds without any answer after which the servers are taken for gone
    """

    model: Model
    journal: Journal
    seed: int = 0
    places: Places = field(default_factory=lambda: Places.fixed(8))
    budget: Budget = field(default_factory=Budget)
    tries: int = 4
    retries: int = 6
    patience: float = 300.0
    meter: Meter = field(default_factory=Meter)
    others: Sequence[Model] = ()
    _in_flight: dict[str, asyncio.Future[Reply]] = field(init=False, default_factory=dict)
    _look: asyncio.Future[bool] | None = field(init=False, default=None)

    def seed_for(self, *parts: str | int) -> int:
        """The seed of a request about this item: the run's seed and the item decide it."""
        return seed_of(self.seed, *parts)

    async def ask(self, request: Request, parse: Callable[[Reply], T]) -> T:
        """The parsed reply; asked again with another sample number while `parse` refuses it.

        Raises ReplyError once every try gave an unusable reply.
        """
        problem, text = "", ""
        for attempt in range(self.tries):
            this = request if attempt == 0 else _another_sample(request, attempt)
            reply = await self._reply(this, lambda r: _accepted(parse, r))
            if any(choice.finish_reason == FILTERED for choice in reply.choices):
                raise ContentRefused(f"{self.model.name}: its content filter took the reply away")
            try:
                return parse(reply)
            except Unusable as refusal:
                problem, text = str(refusal), reply.text
        raise ReplyError(f"{problem} (asked {self.tries} times)", text)

    async def _reply(self, request: Request, accepted: Callable[[Reply], bool]) -> Reply:
        identity = request.identity(self.model.name)
        while True:
            if (known := self.journal.get(identity)) is not None:
                self.meter.replayed += 1
                return known
            if (twin := self._in_flight.get(identity)) is None:
                break
            try:
                return await asyncio.shield(twin)
            except asyncio.CancelledError:
                # Asked anew where only the twin's task was cancelled, and not this one too.
                if not twin.cancelled() or _is_cancelled():
                    raise
        mine = self._in_flight[identity] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._asked(
                request,
                lambda r: self.journal.put(identity, self.model.name, request, r, accepted(r)),
            )
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                mine.cancel()
            else:
                mine.set_exception(error)
                mine.exception()  # seen, even where nobody waits for it
            raise
        else:
            mine.set_result(reply)
            return reply
        finally:
            del self._in_flight[identity]

    async def _asked(self, request: Request, keep: Keep) -> Reply:
        """The reply. A fault that stops the run lets nothing more be sent from here on."""
        try:
            return await self._asked_again(request, keep)
        except RunError as fault:
            self.places.close(fault)
            raise

    async def _asked_again(self, request: Request, keep: Keep) -> Reply:
        """The reply, after as many passing faults as it takes to tell whose fault it is."""
        trouble = _Trouble()
        while True:
            try:
                return await self._asked_at(await self.places.take(), request, keep)
            except TryAgain as fault:
                trouble.add(fault, self.places.clock())
                if (verdict := await self._verdict(request, fault, trouble)) is not None:
                    raise verdict from fault
                wait = _backoff(trouble.tries, fault)
            # The place is given back by now: others may ask while this one waits.
            await asyncio.sleep(wait)

    async def _asked_at(self, place: Place, request: Request, keep: Keep) -> Reply:
        """The reply, which is on disk before its place is given back: a process that is killed
        loses no more of them than there are places."""
        with self.places.use(place) as answered:
            async with self.budget.room_for(request):
                await self.places.may_send()
                began = self.places.clock()
                with self.meter.in_flight_now():
                    reply = await (self.model, *self.others)[place.server].ask(request)
                self.budget.count(reply.usage)
            answered(reply, self.places.clock() - began)
            self.meter.count(self.model.name, reply)
            await keep(reply)
        return reply

    async def _verdict(
        self, request: Request, fault: TryAgain, trouble: _Trouble
    ) -> AugConError | None:
        """Whose fault it is, once that is clear; None while it may pass.

        Servers that answer other requests fail at this one alone. Servers that answer nothing
        are waited for, but not where they never answered: those are more likely wrong than busy.
        """
        told = f"{self.model.name}: {fault.problem} ({trouble.tries} tries)"
        known = self.meter.calls > 0 or fault.fault is Fault.BUSY
        hint = "" if known else " Is it running, and is --base-url right?"
        gone = ModelError(
            f"{told}.{hint} Nothing is lost: the same command goes on once the server is well."
        )
        if fault.wait is not None and fault.wait > LONGEST_WAIT:
            return gone
        most = self.retries * (LENIENCE if fault.fault is Fault.BUSY else 1)
        silent = self.places.silence >= self.patience
        tried = trouble.tries > FIRST_RETRIES or self.places.resting
        if not tried or (trouble.its_own <= most and known and not silent):
            return None
        answers_others = self.places.last_answer > trouble.since and not silent
        if answers_others or await self._is_there(request):
            return RequestFailed(told) if trouble.its_own > most else None
        return gone if silent or not known else None

    async def _is_there(self, request: Request) -> bool:
        """Whether a server answers something else. Those that wait to know share one look."""
        if self._look is None:
            self._look = asyncio.ensure_future(self._looked(_something_else(request)))
            self._look.add_done_callback(self._forget_look)
        return await asyncio.shield(self._look)

    def _forget_look(self, _: asyncio.Future[bool]) -> None:
        self._look = None

    async def _looked(self, request: Request) -> bool:
        for server in range(1 + len(self.others)):
            with suppress(ItemError, TryAgain):
                await self._asked_at(self.places.beyond(server), request, _forget)
                return True
        return False


async def _forget(_: Reply) -> None:
    """What was only asked to see whether there is an answer."""


def _something_else(request: Request) -> Request:
    """The smallest request to the same endpoint."""
    if request.endpoint == "chat":
        told = (Message("user", "Reply with the word yes."),)
        return Request("chat", told, sampling=Sampling(max_tokens=8))
    return Request(request.endpoint, text="Yes.", sampling=Sampling(max_tokens=8))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _backoff(attempt: int, fault: TryAgain) -> float:
    """Seconds to wait: what the server asked for, else doubled each time, with jitter.

    A connection that broke the first time is likely one that had been idle too long for a proxy.
    """
    if fault.wait is not None:
        return fault.wait
    if fault.fault is Fault.LOST and attempt == 1:
        return 0.0
    ceiling: float = min(BACKOFF_CEILING, BACKOFF_SECONDS * 2 ** (attempt - 1))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _accepted(parse: Callable[[Reply], T], reply: Reply) -> bool:
    try:
        parse(reply)
    except (Unusable, ItemError):
        return False
    return True


def _another_sample(request: Request, attempt: int) -> Request:
    """The same item asked again: new sample number, new seed, and never greedily."""
    sampling = replace(
        request.sampling, temperature=max(request.sampling.temperature, REASK_TEMPERATURE)
    )
    return replace(
        request,
        sample=request.sample + attempt,
        seed=(request.seed + attempt) % 2**31,
        sampling=sampling,
    )
