"""Several things at once, as one: all of them are done, or the error that tells the most is raised.

A task group raises a group of errors; whoever waits for one item wants that item's error. And it
cancels the rest at the first: where the run goes on, what a server has begun to answer by then is
paid for and lost, and the item gets whichever error was the quickest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar, cast

from augcon.errors import AugConError, ItemError, RequestFailed, RunError, TooLongError

__all__ = ["both", "single_fault", "together"]

T = TypeVar("T")
One = TypeVar("One")
Other = TypeVar("Other")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order.

    After an ItemError the others go on to their end, so that every reply is journalled, and then
    the one that decides is raised, whichever came first (`_decisive`). Any other error cancels the
    rest at once, and so does a cancellation from outside; nothing is left running.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_settled(one)) for one in work]
    except ExceptionGroup as several:
        raise single_fault(several) from several
    settled = [task.result() for task in tasks]
    if faults := [each for each in settled if isinstance(each, ItemError)]:
        raise _decisive(faults)
    return [each for each in settled if not isinstance(each, ItemError)]


async def both(
    one: Coroutine[Any, Any, One], other: Coroutine[Any, Any, Other]
) -> tuple[One, Other]:
    """`together` for two whose results are of different types."""
    work: list[Coroutine[Any, Any, One | Other]] = [one, other]
    first, second = await together(work)
    return cast("One", first), cast("Other", second)


async def _settled(one: Coroutine[Any, Any, T]) -> T | ItemError:
    try:
        return await one
    except ItemError as fault:
        return fault


def _decisive(faults: list[ItemError]) -> ItemError:
    """What becomes of an item that met all of these, which are in the order of its work.

    What does not fit the window first: it alone leaves a way on, for smaller parts may fit, and may
    not hold what was refused. What the server stumbled over last: the next start would ask again,
    in vain where another fault is final, and the verdict is to be that of a run without stumbling.
    """
    return min(faults, key=_rank)


def _rank(fault: ItemError) -> int:
    if isinstance(fault, TooLongError):
        return 0
    return 2 if isinstance(fault, RequestFailed) else 1


def single_fault(error: Exception) -> Exception:
    """The one error that tells the most: a RunError if there is any, else ours, else the first."""
    found = list(_flat(error))
    for kind in (RunError, AugConError):
        for fault in found:
            if isinstance(fault, kind):
                return fault
    return found[0]


def _flat(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error
