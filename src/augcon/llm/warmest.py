"""Several small servers as one, each at one request at a time and never cold.

    requests that wait ──▶ whichever server is free takes the one it has read most of

A part of a context begins as the context does, and a question drawn once more has the very same
prompt. On a processor, reading a prompt is half of the work: the server that has just read those
words need not read them again. Which request goes first changes no reply, only the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from augcon.llm.base import Model, Reply, Request

__all__ = ["WarmestFirst", "shared_opening"]

# A server waits so long for what its last reply leads to, before it takes something colder.
GRACE_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class _Waiting:
    prompt: str
    server: asyncio.Future[int] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class WarmestFirst:
    """A `Model` over several of the same name. Ask it for more than they can do at once."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.name = models[0].name
        self._models = list(models)
        self._last_prompt = [""] * len(models)
        self._free = list(range(len(models)))
        self._waiting: list[_Waiting] = []

    async def ask(self, request: Request) -> Reply:
        waiting = _Waiting(_prompt_of(request))
        self._waiting.append(waiting)
        self._hand_out()
        try:
            server = await waiting.server
        except asyncio.CancelledError:
            self._withdraw(waiting)
            raise
        try:
            return await self._models[server].ask(request)
        finally:
            self._last_prompt[server] = waiting.prompt
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_back, server)

    async def close(self) -> None:
        for model in self._models:
            await model.close()

    def _hand_out(self) -> None:
        # One that was cancelled in this turn of the loop has not withdrawn yet.
        self._waiting = [waiting for waiting in self._waiting if not waiting.server.done()]
        while self._free and self._waiting:
            server, waiting = max(
                ((server, waiting) for waiting in self._waiting for server in self._free),
                key=lambda pair: shared_opening(self._last_prompt[pair[0]], pair[1].prompt),
            )
            self._free.remove(server)
            self._waiting.remove(waiting)
            waiting.server.set_result(server)

    def _give_back(self, server: int) -> None:
        self._free.append(server)
        self._hand_out()

    def _withdraw(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.server.done() and not waiting.server.cancelled():
            self._give_back(waiting.server.result())


def shared_opening(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _prompt_of(request: Request) -> str:
    return "\n".join(message.content for message in request.messages) or request.text
