from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable

import pytest

from augcon.errors import ContentRefused, ModelError, ReplyError, RequestFailed, RequestRefused
from augcon.llm import call
from augcon.llm.base import Choice, Fault, Message, Reply, Request, Sampling, TryAgain
from augcon.llm.call import Caller, MemoryJournal, Unusable, seed_of
from augcon.llm.fake import FakeModel, UnknownPromptError
from augcon.llm.limit import Limit
from augcon.llm.places import Places

HELLO = Request("chat", (Message("user", "hello"),), seed=5)


class Gated:
    """A model that answers only once the gate is opened."""

    name = "gated"

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked: list[Request] = []
        self.in_flight = self.most_in_flight = 0

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        return Reply((Choice("hi"),))

    async def close(self) -> None:
        self.gate.set()


class Notebook(MemoryJournal):
    """A journal that also remembers which replies were accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[bool] = []

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        await super().put(identity, model, request, reply, accepted)
        self.accepted.append(accepted)


def text_of(reply: Reply) -> str:
    return reply.text


def only(wanted: str) -> Callable[[Reply], str]:
    def parse(reply: Reply) -> str:
        if reply.text != wanted:
            raise Unusable(f"not {wanted!r}")
        return reply.text

    return parse


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for belongs to the code under test
        await asyncio.sleep(0)


async def test_what_the_journal_holds_is_not_asked() -> None:
    journal = MemoryJournal()
    await Caller(FakeModel({"hello": "hi"}), journal).ask(HELLO, text_of)
    silent = FakeModel({})
    resumed = Caller(silent, journal)
    assert await resumed.ask(HELLO, text_of) == "hi"
    assert silent.requests == []
    assert (resumed.meter.calls, resumed.meter.replayed) == (0, 1)


async def test_a_reply_of_another_model_is_not_taken_for_this_ones() -> None:
    journal = MemoryJournal()
    await Caller(FakeModel({"hello": "hi"}, "one"), journal).ask(HELLO, text_of)
    assert await Caller(FakeModel({"hello": "ho"}, "two"), journal).ask(HELLO, text_of) == "ho"


async def test_equal_requests_in_flight_are_asked_once() -> None:
    model = Gated()
    caller = Caller(model, MemoryJournal())
    tasks = [asyncio.create_task(caller.ask(HELLO, text_of)) for _ in range(5)]
    await until(lambda: bool(model.asked))
    model.gate.set()
    assert await asyncio.gather(*tasks) == ["hi"] * 5
    assert len(model.asked) == 1


async def test_those_who_joined_are_served_although_the_first_asker_was_cancelled() -> None:
    model = Gated()
    caller = Caller(model, MemoryJournal())
    first, *others = [asyncio.create_task(caller.ask(HELLO, text_of)) for _ in range(4)]
    await until(lambda: bool(model.asked))
    first.cancel()
    model.gate.set()
    assert await asyncio.gather(*others) == ["hi"] * 3
    assert first.cancelled()
    assert len(model.asked) == 2


async def test_cancelling_one_who_joined_leaves_the_first_asker_alone() -> None:
    model = Gated()
    caller = Caller(model, MemoryJournal())
    first, joined = [asyncio.create_task(caller.ask(HELLO, text_of)) for _ in range(2)]
    await until(lambda: bool(model.asked))
    joined.cancel()
    await asyncio.wait([joined])
    assert joined.cancelled()
    model.gate.set()
    assert await first == "hi"


async def test_cancelling_the_first_asker_and_those_who_joined_stops_them_all() -> None:
    model = Gated()
    caller = Caller(model, MemoryJournal())
    tasks = [asyncio.create_task(caller.ask(HELLO, text_of)) for _ in range(3)]
    await until(lambda: bool(model.asked))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=1)
    model.gate.set()  # whoever asked all the same is let go
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True] * 3
    assert len(model.asked) == 1


async def test_those_who_joined_share_the_fault_of_the_first() -> None:
    def refuse(request: Request) -> str:
        raise RequestRefused("too long")

    caller = Caller(FakeModel(refuse), MemoryJournal())
    found = await asyncio.gather(
        *(caller.ask(HELLO, text_of) for _ in range(3)), return_exceptions=True
    )
    assert [str(fault) for fault in found] == ["too long"] * 3
    assert all(isinstance(fault, RequestRefused) for fault in found)


async def test_an_unusable_reply_is_asked_again_as_another_sample() -> None:
    model = FakeModel(lambda request: "good" if request.sample == 2 else "bad")
    assert await Caller(model, MemoryJournal()).ask(HELLO, only("good")) == "good"
    assert [request.sample for request in model.requests] == [0, 1, 2]
    assert [request.seed for request in model.requests] == [5, 6, 7]
    assert [request.sampling.temperature for request in model.requests] == [0.0, 0.4, 0.4]


async def test_after_the_last_try_the_fault_holds_the_reply() -> None:
    model = FakeModel(lambda request: f"bad {request.sample}")
    with pytest.raises(ReplyError, match=r"not 'good' \(asked 3 times\)") as caught:
        await Caller(model, MemoryJournal(), tries=3).ask(HELLO, only("good"))
    assert caught.value.reply == "bad 2"
    assert len(model.requests) == 3


async def test_a_resumed_run_reaches_the_same_verdict_on_unusable_replies_without_asking() -> None:
    journal = Notebook()
    model = FakeModel(lambda request: "good" if request.sample == 1 else "bad")
    await Caller(model, journal, tries=2).ask(HELLO, only("good"))
    assert journal.accepted == [False, True]
    silent = FakeModel({})
    assert await Caller(silent, journal, tries=2).ask(HELLO, only("good")) == "good"
    with pytest.raises(ReplyError) as caught:
        await Caller(silent, journal, tries=2).ask(HELLO, only("other"))
    assert caught.value.reply == "good"
    assert silent.requests == []


async def test_a_reply_is_written_down_before_anything_is_built_on_it() -> None:
    journal = MemoryJournal()
    seen: list[int] = []

    async def build() -> None:
        await Caller(FakeModel({"hello": "hi"}), journal).ask(HELLO, text_of)
        seen.append(len(journal.replies))

    await build()
    assert seen == [1]


class SlowDisk(MemoryJournal):
    """A journal that takes until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        await self.gate.wait()
        await super().put(identity, model, request, reply, accepted)


async def test_no_more_replies_wait_for_the_disk_than_there_are_places() -> None:
    """So many are lost at most where the process is killed."""
    journal, model = SlowDisk(), FakeModel({"hello": "hi"})
    caller = Caller(model, journal, places=Places.fixed(3))
    asked = [dataclasses.replace(HELLO, seed=seed) for seed in range(10)]
    tasks = [asyncio.create_task(caller.ask(each, text_of)) for each in asked]
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(model.requests) == 3
    journal.gate.set()
    assert await asyncio.gather(*tasks) == ["hi"] * 10
    assert len(journal.replies) == 10


async def test_a_passing_fault_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = record_waits(monkeypatch)
    model = FakeModel(failing(2, TryAgain("busy", 0.25)))
    caller = Caller(model, MemoryJournal())
    assert await caller.ask(HELLO, text_of) == "hi"
    assert waits == [0.25, 0.25]
    assert len({request.sample for request in model.requests}) == 1
    assert caller.meter.calls == 1


async def test_without_the_servers_word_the_waits_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = record_waits(monkeypatch)
    caller = Caller(FakeModel(failing(5, TryAgain("busy"))), MemoryJournal())
    caller.meter.calls = 1  # a server that has answered before
    await caller.ask(HELLO, text_of)
    assert len(waits) == 5
    for number, wait in enumerate(waits):
        assert 0.25 * 2**number <= wait <= 0.5 * 2**number


async def test_a_fault_that_does_not_pass_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = record_waits(monkeypatch)
    model = FakeModel(failing(99, TryAgain("busy")))
    caller = Caller(model, MemoryJournal(), retries=3, patience=0.0)
    caller.meter.calls = 1
    with pytest.raises(ModelError, match=r"busy \(3 tries\).*the same command goes on"):
        await caller.ask(HELLO, text_of)
    assert [r.identity("") for r in model.requests[:3]] == [HELLO.identity("")] * 3
    assert (len(model.requests), len(waits)) == (4, 2)  # and something else, to be sure


async def test_servers_that_have_answered_before_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that is started anew in the night costs a wait, and no run."""
    waits = record_waits(monkeypatch)
    model = FakeModel(failing(40, TryAgain("connection refused", fault=Fault.GONE)))
    caller = Caller(model, MemoryJournal(), patience=1e6, places=restless())
    caller.meter.calls = 1
    assert await caller.ask(HELLO, text_of) == "hi"
    assert sum(waits) > 300


async def test_a_server_that_comes_and_goes_costs_no_request_its_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others are answered in between; this one is always the first to find that nobody is there."""
    record_waits(monkeypatch)
    refused = failing(40, TryAgain("connection refused", fault=Fault.GONE))
    model = FakeModel(lambda r: refused(r) if r == HELLO else "yes")
    caller = Caller(model, MemoryJournal(), retries=3, places=restless())
    caller.meter.calls = 1
    assert await caller.ask(HELLO, text_of) == "hi"


async def test_a_busy_server_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused far more often than a request that fails is asked, while others are answered."""
    record_waits(monkeypatch)
    busy = failing(40, TryAgain("too many requests", 0.1, Fault.BUSY))
    model = FakeModel(lambda r: busy(r) if r == HELLO else "yes")
    caller = Caller(model, MemoryJournal(), places=restless())
    caller.meter.calls = 1
    assert await caller.ask(HELLO, text_of) == "hi"


async def test_a_server_that_is_busy_at_the_start_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that goes on asks for many things at once, and knows its server's abilities already."""
    record_waits(monkeypatch)
    model = FakeModel(failing(20, TryAgain("too many requests", 0.1, Fault.BUSY)))
    caller = Caller(model, MemoryJournal(), places=restless(), patience=1e6)
    assert await caller.ask(HELLO, text_of) == "hi"


async def test_a_connection_that_broke_is_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = record_waits(monkeypatch)
    model = FakeModel(failing(2, TryAgain("broken pipe", fault=Fault.LOST)))
    assert await Caller(model, MemoryJournal()).ask(HELLO, text_of) == "hi"
    assert waits[0] == 0.0
    assert waits[1] > 0.0


async def test_a_reply_that_the_content_filter_took_away_is_not_asked_for_again() -> None:
    journal = Notebook()
    model = FakeModel(lambda _: Reply((Choice("", "content_filter"),)))
    with pytest.raises(ContentRefused, match="content filter"):
        await Caller(model, journal).ask(HELLO, text_of)
    with pytest.raises(ContentRefused):
        await Caller(FakeModel({}), journal).ask(HELLO, text_of)
    assert len(model.requests) == 1


async def test_the_names_under_which_servers_answer_are_counted() -> None:
    model = FakeModel(lambda _: Reply((Choice("hi"),), model="something-else"))
    caller = Caller(model, MemoryJournal())
    await caller.ask(HELLO, text_of)
    assert caller.meter.models == {"something-else": 1}


async def test_a_request_at_which_alone_the_server_fails_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_waits(monkeypatch)

    def script(request: Request) -> str:
        if request == HELLO:
            raise TryAgain("http 500")
        return "yes"

    caller = Caller(FakeModel(script), MemoryJournal(), retries=3)
    with pytest.raises(RequestFailed, match=r"http 500 \("):
        await caller.ask(HELLO, text_of)
    vector = dataclasses.replace(HELLO, endpoint="embedding", messages=(), text="hello")
    assert await caller.ask(vector, text_of) == "yes"


async def test_nobody_waits_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = record_waits(monkeypatch)
    model = FakeModel(failing(99, TryAgain("come back tomorrow", 86_400.0)))
    with pytest.raises(ModelError, match="come back tomorrow"):
        await Caller(model, MemoryJournal()).ask(HELLO, text_of)
    assert (len(model.requests), waits) == (1, [])


async def test_a_server_that_never_answered_is_given_up_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_waits(monkeypatch)
    model = FakeModel(failing(99, TryAgain("connection refused")))
    with pytest.raises(ModelError):
        await Caller(model, MemoryJournal()).ask(HELLO, text_of)
    assert len(model.requests) == 4


async def test_the_place_is_given_back_before_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a single place, another request is served while the first waits for its next try."""
    other = dataclasses.replace(HELLO, seed=6)
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await go_on.wait()

    monkeypatch.setattr(call.asyncio, "sleep", sleep)
    busy = failing(1, TryAgain("busy", 1.0))
    caller = Caller(
        FakeModel(lambda r: busy(r) if r.seed == 5 else "hi"),
        MemoryJournal(),
        places=Places.fixed(1),
    )
    first = asyncio.create_task(caller.ask(HELLO, text_of))
    await waiting.wait()
    assert await asyncio.wait_for(caller.ask(other, text_of), 1) == "hi"
    assert not first.done()
    go_on.set()
    assert await first == "hi"


async def test_no_more_calls_are_in_flight_than_the_limit() -> None:
    model = Gated()
    caller = Caller(model, MemoryJournal(), places=Places.fixed(3))
    requests = [dataclasses.replace(HELLO, seed=seed) for seed in range(12)]
    tasks = [asyncio.create_task(caller.ask(request, text_of)) for request in requests]
    await until(lambda: model.in_flight == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert caller.meter.in_flight == model.most_in_flight == 3
    model.gate.set()
    await asyncio.gather(*tasks)
    assert model.most_in_flight == 3
    assert (caller.meter.in_flight, caller.meter.calls) == (0, 12)


async def test_a_fault_that_stops_the_run_lets_nothing_more_be_sent() -> None:
    """Whoever gets the place that it gave back, or waits for one, is told the same."""
    gate = asyncio.Event()

    class Spent(FakeModel):
        async def ask(self, request: Request) -> Reply:
            self.requests.append(request)
            await gate.wait()
            if request.seed == 0:
                raise ModelError("the quota is spent")
            return Reply((Choice("hi"),))

    model = Spent({})
    caller = Caller(model, MemoryJournal(), places=Places.fixed(2))
    requests = [dataclasses.replace(HELLO, seed=seed) for seed in range(6)]
    tasks = [asyncio.create_task(caller.ask(request, text_of)) for request in requests]
    await until(lambda: len(model.requests) == 2)
    gate.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(model.requests) == 2
    assert [str(one) for one in told] == ["the quota is spent", "hi", *["the quota is spent"] * 4]


async def test_a_run_that_is_being_stopped_sends_nothing_more_and_keeps_what_still_comes() -> None:
    model, journal = Gated(), MemoryJournal()
    caller = Caller(model, journal, places=Places.fixed(2))
    requests = [dataclasses.replace(HELLO, seed=seed) for seed in range(6)]
    tasks = [asyncio.create_task(caller.ask(request, text_of)) for request in requests]
    await until(lambda: model.in_flight == 2)
    caller.places.close()
    model.gate.set()
    await asyncio.wait(tasks[:2])
    await asyncio.wait(tasks[2:], timeout=0.02)
    assert [task.done() for task in tasks] == [True, True, False, False, False, False]
    assert (len(model.asked), len(journal.replies)) == (2, 2)
    for task in tasks[2:]:
        task.cancel()
    await asyncio.wait(tasks)
    assert caller.meter.in_flight == 0


async def test_a_fault_of_the_script_itself_is_not_swallowed() -> None:
    caller = Caller(FakeModel({}), MemoryJournal())
    with pytest.raises(UnknownPromptError, match="hello"):
        await caller.ask(HELLO, text_of)
    assert caller._in_flight == {}


def test_the_identity_changes_with_every_field_and_with_the_model() -> None:
    changed = [
        dataclasses.replace(HELLO, endpoint="completion"),
        dataclasses.replace(HELLO, messages=(Message("system", "hello"),)),
        dataclasses.replace(HELLO, messages=(Message("user", "hello "),)),
        dataclasses.replace(HELLO, text="x"),
        *(
            dataclasses.replace(HELLO, sampling=sampling)
            for sampling in (
                Sampling(temperature=0.1),
                Sampling(top_p=0.9),
                Sampling(max_tokens=7),
                Sampling(stop=("x",)),
            )
        ),
        dataclasses.replace(HELLO, seed=6),
        dataclasses.replace(HELLO, sample=1),
        dataclasses.replace(HELLO, schema="{}"),
        dataclasses.replace(HELLO, grammar="root ::= x"),
        dataclasses.replace(HELLO, choices=2),
        dataclasses.replace(HELLO, top_logprobs=1),
    ]
    touched = {
        field.name
        for field in dataclasses.fields(Request)
        if any(getattr(request, field.name) != getattr(HELLO, field.name) for request in changed)
    }
    assert touched == {field.name for field in dataclasses.fields(Request)}
    identities = {request.identity("m") for request in (HELLO, *changed)}
    assert len(identities) == len(changed) + 1
    assert HELLO.identity("n") not in identities
    assert HELLO.identity("m") == dataclasses.replace(HELLO).identity("m")


def test_the_identity_is_what_it_was_when_replies_were_paid_for() -> None:
    """A journal of last month's must still be found."""
    whole = Request(
        "chat",
        (Message("system", "Antworte “kurz”."), Message("user", "水磨坊？")),
        sampling=Sampling(0.85, 0.9, 77, ("END",)),
        seed=7,
        sample=2,
        schema='{"type": "object"}',
        top_logprobs=3,
    )
    for request in (whole, HELLO, Request("embedding", text="x")):
        told = json.dumps(
            ["m", dataclasses.asdict(request)], ensure_ascii=False, sort_keys=True
        ).encode()
        assert request.identity("m") == hashlib.blake2b(told, digest_size=16).hexdigest()


def test_seeds_follow_from_the_run_and_the_item_alone() -> None:
    one = Caller(FakeModel({}), MemoryJournal(), seed=1)
    assert one.seed_for("divide", "a", 0) == seed_of(1, "divide", "a", 0)
    other = Caller(FakeModel({}), MemoryJournal(), seed=2)
    assert one.seed_for("a") != other.seed_for("a")
    assert all(0 <= seed_of(number) < 2**31 for number in range(200))


def failing(times: int, fault: Exception) -> Callable[[Request], str]:
    left = [fault] * times

    def script(request: Request) -> str:
        if left:
            raise left.pop()
        return "hi"

    return script


def restless() -> Places:
    """A place at a server that is never left alone, on a clock of its own."""
    minutes = itertools.count(step=60.0)
    return Places([Limit(1, 1)], clock=lambda: next(minutes))


def record_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(call.asyncio, "sleep", sleep)
    return waits
