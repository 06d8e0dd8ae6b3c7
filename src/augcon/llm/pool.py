"""Several servers of one model as one: each request goes to the least busy of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from augcon.llm.base import Model, Reply, Request, TryAgain

__all__ = ["Pool"]

REST_SECONDS = 10.0  # a server that has just failed is left out for so long, if another is there


class Pool:
    """A `Model` over several. They must serve the same model under the same name."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.name = models[0].name
        self._models = list(models)
        self._in_flight = [0] * len(models)
        self._rests_until = [0.0] * len(models)

    async def ask(self, request: Request) -> Reply:
        chosen = self._least_busy()
        self._in_flight[chosen] += 1
        try:
            return await self._models[chosen].ask(request)
        except TryAgain:
            self._rests_until[chosen] = time.monotonic() + REST_SECONDS
            raise
        finally:
            self._in_flight[chosen] -= 1

    async def close(self) -> None:
        for model in self._models:
            await model.close()

    def _least_busy(self) -> int:
        now = time.monotonic()
        awake = [i for i, until in enumerate(self._rests_until) if until <= now]
        return min(awake or range(len(self._models)), key=self._in_flight.__getitem__)
