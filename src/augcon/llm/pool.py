"""Several servers of one model as one: each request goes to the least busy of them."""

from __future__ import annotations

from collections.abc import Sequence

from augcon.llm.base import Model, Reply, Request

__all__ = ["Pool"]


class Pool:
    """A `Model` over several. They must serve the same model under the same name."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.name = models[0].name
        self._models = list(models)
        self._in_flight = [0] * len(models)

    async def ask(self, request: Request) -> Reply:
        least = min(range(len(self._models)), key=self._in_flight.__getitem__)
        self._in_flight[least] += 1
        try:
            return await self._models[least].ask(request)
        finally:
            self._in_flight[least] -= 1

    async def close(self) -> None:
        for model in self._models:
            await model.close()
