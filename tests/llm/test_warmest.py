"""Several small servers as one: a free one takes the warmest request."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.llm import warmest
from augcon.llm.base import Choice, Reply, Request
from augcon.llm.warmest import WarmestFirst, shared_opening


class Server:
    """Answers one request each time it is let."""

    name = "small"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard = asyncio.Condition()
        self.closed = False
        self._let = asyncio.Semaphore(0)

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request.text)
        async with self.heard:
            self.heard.notify_all()
        await self._let.acquire()
        if request.text == "bad":
            raise RuntimeError(request.text)
        return Reply((Choice(request.text.upper()),))

    async def close(self) -> None:
        self.closed = True

    def answer(self) -> None:
        self._let.release()


def asked(text: str) -> Request:
    return Request("completion", text=text)


async def until(server: Server, number: int) -> None:
    async with asyncio.timeout(5), server.heard:
        await server.heard.wait_for(lambda: len(server.asked) >= number)


async def test_a_free_server_takes_the_request_it_has_read_most_of() -> None:
    server = Server()
    small = WarmestFirst([server])
    texts = ["the mill and the sea", "a ferry", "the mill", "the mill and the river"]
    tasks = [asyncio.create_task(small.ask(asked(text))) for text in texts]
    for number in range(1, 5):
        await until(server, number)
        server.answer()
    replies = [(await task).text for task in tasks]
    assert server.asked == [texts[0], texts[3], texts[2], texts[1]]
    assert replies == [text.upper() for text in texts]


async def test_what_a_reply_leads_to_goes_before_what_waited_longer() -> None:
    server = Server()
    small = WarmestFirst([server])

    async def parent_then_child() -> None:
        await small.ask(asked("a long context"))
        await small.ask(asked("a long con"))

    first = asyncio.create_task(parent_then_child())
    await until(server, 1)
    other = asyncio.create_task(small.ask(asked("some other context")))
    for number in (1, 2, 3):
        await until(server, number)
        server.answer()
    await asyncio.gather(first, other)
    assert server.asked == ["a long context", "a long con", "some other context"]


async def test_each_small_server_does_one_request_at_a_time_and_a_fault_gives_its_place_back() -> (
    None
):
    one, two = Server(), Server()
    small = WarmestFirst([one, two])
    tasks = [asyncio.create_task(small.ask(asked(text))) for text in ("bad", "x", "y")]
    await until(two, 1)
    assert (one.asked, two.asked) == (["bad"], ["x"])
    one.answer()
    with pytest.raises(RuntimeError):
        await tasks[0]
    await until(one, 2)
    one.answer()
    two.answer()
    assert (await tasks[2]).text == "Y"
    await small.close()
    assert one.closed
    assert two.closed


async def test_a_cancelled_request_is_neither_asked_nor_holds_a_place() -> None:
    server = Server()
    small = WarmestFirst([server])
    first, waits, chosen = (asyncio.create_task(small.ask(asked(t))) for t in ("a", "b", "c"))
    await until(server, 1)
    waits.cancel()
    server.answer()
    await first
    await until(server, 2)
    assert server.asked == ["a", "c"]
    chosen.cancel()
    last = asyncio.create_task(small.ask(asked("d")))
    await until(server, 3)
    server.answer()
    assert (await last).text == "D"


async def test_a_request_cancelled_as_it_is_handed_out_gives_the_server_back() -> None:
    server = Server()
    small = WarmestFirst([server])
    doomed = asyncio.create_task(small.ask(asked("a")))
    doomed.cancel()
    heir = asyncio.create_task(small.ask(asked("b")))
    await until(server, 1)
    server.answer()
    assert (await heir).text == "B"


async def test_no_server_is_lost_to_a_request_that_is_cancelled_as_one_becomes_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warmest, "GRACE_SECONDS", 0.0)
    server = Server()
    small = WarmestFirst([server])
    first, doomed = (asyncio.create_task(small.ask(asked(text))) for text in ("a", "b"))
    await until(server, 1)
    server.answer()
    await first
    doomed.cancel()  # the server is free later in this turn of the loop, before b has its step
    heir = asyncio.create_task(small.ask(asked("c")))
    await until(server, 2)
    server.answer()
    assert (await heir).text == "C"
    assert server.asked == ["a", "c"]


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_the_shared_opening_is_what_both_begin_with(one: str, other: str) -> None:
    length = shared_opening(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == len(one) == len(
        other
    )
