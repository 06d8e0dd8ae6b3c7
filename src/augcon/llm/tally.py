"""What one piece of work asked of the models, whoever else asks meanwhile.

Replies are counted where they are looked up and written down, so that the sum is the same whether
the work went through at once or was stopped and begun again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from augcon.llm.base import Reply, Request, Usage
from augcon.llm.budget import Spent
from augcon.llm.call import Caller, Journal

__all__ = ["Tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """A journal that counts each reply once, by its request. Everything else is the journal's."""

    journal: Journal
    _seen: dict[str, Usage] = field(init=False, default_factory=dict)

    def caller(self, caller: Caller) -> Caller:
        """The same caller, with its replies counted here."""
        return replace(caller, journal=self)

    @property
    def spent(self) -> Spent:
        seen = self._seen.values()
        return Spent(
            len(seen), sum(u.prompt_tokens for u in seen), sum(u.completion_tokens for u in seen)
        )

    def get(self, identity: str) -> Reply | None:
        known = self.journal.get(identity)
        if known is not None:
            self._seen[identity] = known.usage
        return known

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        await self.journal.put(identity, model, request, reply, accepted)
        self._seen[identity] = reply.usage
