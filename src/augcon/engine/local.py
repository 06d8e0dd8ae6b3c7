"""Many contexts at once in this process, each by itself.

A context that fails is written down as failed and costs only itself. A fault that concerns the
whole run (`RunError`) cancels the others and is raised as itself, not as a group of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from augcon.errors import RunError
from augcon.together import single_fault, together

__all__ = ["each"]

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

    await together(worker() for _ in range(width))
