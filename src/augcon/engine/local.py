"""Many contexts at once in this process, each by itself.

A context that fails is written down as failed and costs only itself. A fault that concerns the
whole run (`RunError`) cancels the others and is raised as itself, not as a group of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from augcon.errors import AugConError, RunError

__all__ = ["each", "single_fault"]

Item = TypeVar("Item")
Work = Callable[[Item], Awaitable[None]]
Failed = Callable[[Item, Exception], Awaitable[None]]


async def each(items: Iterable[Item], work: Work[Item], failed: Failed[Item], width: int) -> None:
    """Do `work` on every item, `width` at once, starting them in order.

    `failed` is told of an item whose work raised anything but a RunError.
    """
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            try:
                await work(item)
            except Exception as error:
                fault = single_fault(error)
                if isinstance(fault, RunError):
                    raise fault from error
                await failed(item, fault)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(worker())
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults


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
