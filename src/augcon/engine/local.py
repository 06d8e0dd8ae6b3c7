"""Many contexts at once in this process, each by itself, and no more of them than it takes.

The next context is begun when the model has a place that no request waits for. So the model is
kept full, contexts are finished in the order in which they were begun, and few are open.

A context that fails is written down as failed and costs only itself. A fault that concerns the
whole run (`RunError`) cancels the others and is raised as itself, not as a group of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from augcon.errors import RunError
from augcon.llm.places import TURN
from augcon.together import single_fault

__all__ = ["each"]

Item = TypeVar("Item")
Work = Callable[[Item], Awaitable[None]]
Failed = Callable[[Item, Exception], Awaitable[None]]
Room = Callable[[], Awaitable[None]]


async def each(
    items: Iterable[Item], work: Work[Item], failed: Failed[Item], most: int, room: Room
) -> None:
    """Do `work` on every item, starting them in order.

    failed  is told of an item whose work raised anything but a RunError
    most    items that may be open at once
    room    returns once another item can be begun
    """
    free = asyncio.Semaphore(most)

    async def one(number: int, item: Item) -> None:
        TURN.set(number)
        try:
            await work(item)
        except Exception as error:
            fault = single_fault(error)
            if isinstance(fault, RunError):
                raise fault from error
            await failed(item, fault)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            for number, item in enumerate(items):
                await free.acquire()
                await room()
                group.create_task(one(number, item))
                await asyncio.sleep(0)  # until it has asked for its first place
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults
