"""Several things at once: nothing that was begun is lost, and no verdict depends on the clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from augcon.errors import (
    BudgetSpentError,
    ContentRefused,
    ItemError,
    ReplyError,
    RequestFailed,
    RequestRefused,
    TooLongError,
)
from augcon.llm.base import Choice, Reply, Request, Usage
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, MemoryJournal
from augcon.together import both, together


class Work:
    """Ends when it is told to, with its result or its error."""

    def __init__(self, result: int | Exception = 0) -> None:
        self.result = result
        self.ended = False
        self.was_cancelled = False
        self._may_end = asyncio.Event()

    async def do(self) -> int:
        try:
            await self._may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.ended = True
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def end(self) -> None:
        """Return once all that it leads to has been done."""
        self._may_end.set()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def begin(work: Sequence[Work]) -> asyncio.Task[list[int]]:
    task = asyncio.create_task(together(one.do() for one in work))
    await settle()
    return task


async def test_the_results_are_in_order_however_they_came() -> None:
    work = [Work(number) for number in range(3)]
    task = await begin(work)
    for place in (2, 0, 1):
        await work[place].end()
    assert await task == [0, 1, 2]


async def test_two_of_different_types_come_as_a_pair() -> None:
    async def word() -> str:
        return "mill"

    async def number() -> int:
        return 7

    assert await both(word(), number()) == ("mill", 7)


async def test_after_the_error_of_an_item_the_others_go_on_to_their_end() -> None:
    work = [Work(1), Work(ContentRefused("no")), Work(2)]
    task = await begin(work)
    await work[1].end()
    assert [one.ended for one in work] == [False, True, False]
    assert not task.done()
    await work[0].end()
    await work[2].end()
    with pytest.raises(ContentRefused):
        await task
    assert not any(one.was_cancelled for one in work)


@pytest.mark.parametrize(
    ("errors", "decides"),
    [
        ((RequestFailed("5"), ContentRefused("4"), TooLongError("3"), ReplyError("2")), 2),
        ((RequestFailed("5"), ReplyError("2"), RequestRefused("4"), ContentRefused("4")), 1),
        ((RequestFailed("5"), RequestRefused("4"), RequestFailed("6"), ReplyError("2")), 1),
        ((RequestFailed("5"), RequestFailed("6")), 0),
        ((ReplyError("2"), TooLongError("3"), TooLongError("4")), 1),
    ],
)
async def test_of_several_errors_the_same_one_is_raised_in_whatever_order_they_come(
    errors: tuple[ItemError, ...], decides: int
) -> None:
    for order in itertools.permutations(range(len(errors))):
        work = [Work(error) for error in errors]
        task = await begin(work)
        for place in order:
            await work[place].end()
        with pytest.raises(ItemError) as raised:
            await task
        assert raised.value is errors[decides]


@pytest.mark.parametrize("error", [BudgetSpentError("spent"), ValueError("a bug")])
async def test_any_other_error_cancels_the_rest_at_once_and_is_raised_as_itself(
    error: Exception,
) -> None:
    work = [Work(1), Work(TooLongError("long")), Work(error)]
    task = await begin(work)
    await work[1].end()
    await work[2].end()
    assert work[0].was_cancelled
    with pytest.raises(type(error)) as raised:
        await task
    assert raised.value is error


async def test_whoever_is_cancelled_leaves_nothing_running() -> None:
    work = [Work(1), Work(TooLongError("long")), Work(2)]
    task = await begin(work)
    await work[1].end()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(one.ended for one in work)
    assert work[0].was_cancelled
    assert work[2].was_cancelled


class Server:
    """Refuses one text at once, and answers the others after that."""

    name = "server"

    def __init__(self) -> None:
        self.has_refused = asyncio.Event()
        self.answered = 0

    async def ask(self, request: Request) -> Reply:
        if request.text == "refused":
            self.has_refused.set()
            raise ContentRefused("no")
        await self.has_refused.wait()
        await settle()
        self.answered += 1
        return Reply((Choice("yes"),), usage=Usage(10, 1))

    async def close(self) -> None:
        """Nothing is held open."""


async def test_what_a_server_answers_beside_a_refusal_is_journalled_and_counted() -> None:
    server, journal, budget = Server(), MemoryJournal(), Budget(calls=100)
    caller = Caller(server, journal, budget=budget)
    texts = ["a", "refused", "b"]
    requests = [Request("completion", text=text) for text in texts]
    with pytest.raises(ContentRefused):
        await together(caller.ask(request, lambda reply: reply.text) for request in requests)
    assert server.answered == len(journal.replies) == budget.spent.calls == 2
