"""Time that passes only while everything waits for it, so that what takes seconds is told exactly.

For what runs within one event loop; nothing from outside is ever waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["in_simulated_time", "simulated_now"]

Result = TypeVar("Result")


class _Skipping(selectors.DefaultSelector):
    """Skips the time until the next thing that is due, instead of waiting for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(None if timeout is None else 0.0)


class _SimulatedTime(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def in_simulated_time(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=_SimulatedTime) as runner:
        return runner.run(work)


def simulated_now() -> float:
    return asyncio.get_running_loop().time()
