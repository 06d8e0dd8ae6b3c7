"""Several things at once, as one: all of them are done, or the error that tells the most is raised.

A task group raises a group of errors; whoever waits for one item wants that item's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from augcon.errors import AugConError, RunError

__all__ = ["single_fault", "together"]

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. The first failure cancels the rest, and nothing is left running."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults
    return [task.result() for task in tasks]


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
