"""How a run is stopped from outside: Ctrl-C and SIGTERM end in `watch.stop`."""

from __future__ import annotations

import asyncio

import pytest

from augcon.api import _stoppable
from augcon.llm.places import Places
from augcon.watch import Watch


async def test_what_is_stopped_sends_nothing_more_before_it_is_cancelled() -> None:
    watch = Watch(places=Places.fixed(2))
    working = asyncio.Event()

    async def work() -> None:
        working.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(_stoppable(work(), watch))
    await working.wait()
    assert watch.stop is not None
    assert watch.places is not None
    await watch.places.may_send()
    watch.stop()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watch.stop is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.places.may_send(), 0.02)
