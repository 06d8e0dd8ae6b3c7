"""How fast a simulated server is: continuous batching over slots, and a prefix cache.

A request waits in line for a slot, prefills those of its prompt's tokens that are not cached,
decodes, and frees the slot. Rates are per request, so a fuller batch is no slower. Simplified
against real engines: prefill is not chunked, and a block in use can be evicted.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.simulation.log import Log

BLOCK = 16  # tokens, as vLLM caches them
WIDE = "\u3001-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uffef"
TOKEN = re.compile(rf"[{WIDE}]|[^\s{WIDE}]+")


def tokens_of(text: str) -> list[str]:
    """Words, and every character of Chinese, Japanese and Korean for itself."""
    return text.split() if text.isascii() else TOKEN.findall(text)


def first_tokens(text: str, count: int) -> str:
    """The text up to and with so many of its tokens."""
    end = 0
    for _, found in zip(range(count), TOKEN.finditer(text), strict=False):
        end = found.end()
    return text[:end]


class QueueFullError(Exception):
    """Every slot is busy, and as many requests wait as may."""


@dataclass
class Engine:
    """The settings can be changed at any time; what runs already keeps its own pace."""

    slots: int | None = None  # requests worked on at once; None for no limit
    prefill_rate: float = math.inf  # tokens a second, for each request
    decode_rate: float = math.inf  # tokens a second, for each request
    queue: int | None = None  # requests that may wait for a slot; None for no limit
    cache_blocks: int = 0  # blocks of 16 tokens that the prefix cache holds; 0 for no cache
    _busy: int = field(default=0, init=False)
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque, init=False)
    _blocks: OrderedDict[int, None] = field(default_factory=OrderedDict, init=False)

    async def work(
        self,
        prompt: Sequence[str],
        completion_tokens: int,
        log: Log,
        slower: float = 1.0,
        cacheable: bool = True,
    ) -> int:
        """Take as long as this request takes; gives how many of the prompt's tokens were cached.

        Raises QueueFullError where it cannot even wait.
        """
        await self._enter(log)
        try:
            cached = self._look_up(prompt) if cacheable and self.cache_blocks else 0
            prefill = (len(prompt) - cached) / self.prefill_rate
            if seconds := (prefill + completion_tokens / self.decode_rate) * slower:
                await asyncio.sleep(seconds)
            return cached
        finally:
            self._leave(log)

    def _free(self) -> bool:
        return self.slots is None or self._busy < self.slots

    async def _enter(self, log: Log) -> None:
        if not self._free() and self.queue is not None and len(self._waiting) >= self.queue:
            raise QueueFullError
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit(log)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(place)
            else:  # the slot was given to a request that has just gone
                self._leave(log)
            raise

    def _admit(self, log: Log) -> None:
        """Give what is free to those that have waited longest."""
        while self._waiting and self._free():
            place = self._waiting.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)
        self._note(log)

    def _leave(self, log: Log) -> None:
        self._busy -= 1
        self._admit(log)

    def _note(self, log: Log) -> None:
        if self.slots is not None:
            log.occupied(self._busy, self.slots)

    def _look_up(self, prompt: Sequence[str]) -> int:
        """How many leading tokens are cached; from now on all of them are, in full blocks.

        The last token is always computed, for its logits choose the reply's first. A prompt's end
        is forgotten before its beginning.
        """
        keys = list(_chained(prompt))
        hits = 0
        while hits < (len(prompt) - 1) // BLOCK and keys[hits] in self._blocks:
            hits += 1
        for key in reversed(keys):
            self._blocks[key] = None
            self._blocks.move_to_end(key)
        while len(self._blocks) > self.cache_blocks:
            self._blocks.popitem(last=False)
        return hits * BLOCK


def _chained(prompt: Sequence[str]) -> Iterator[int]:
    """A key for every full block, which depends on all the blocks before it."""
    key = 0
    for end in range(BLOCK, len(prompt) + 1, BLOCK):
        key = hash((key, *prompt[end - BLOCK : end]))
        yield key
