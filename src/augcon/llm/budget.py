"""What a run may spend: calls, tokens, money. It stops before it passes any of them.

A request is let through if, at its very worst, what is spent and what is in flight stay within
the budget. Where they would not, it waits for those in flight, which mostly take less than their
worst; once nothing is in flight, what is left is too little for it, and the run stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from augcon.errors import BudgetSpentError
from augcon.llm.base import Request, Usage
from augcon.llm.wire import texts_of

__all__ = ["Budget", "Spent"]

MESSAGE_TOKENS = 16  # of a chat template, for each message


@dataclass(frozen=True, slots=True)
class Spent:
    """So many calls, and the tokens of their prompts and replies."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: Spent) -> Spent:
        return self + Spent(-other.calls, -other.prompt_tokens, -other.completion_tokens)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: tuple[float, float]) -> float:
        """prices: per million prompt tokens and per million completion tokens, in any currency."""
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6


@dataclass(slots=True)
class Budget:
    """The bounds, None for none, and how much of them is gone.

    cost  needs `prices`
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None
    prices: tuple[float, float] | None = None
    spent: Spent = field(default_factory=Spent)
    _reserved: Spent = field(init=False, default_factory=Spent)
    _freed: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    @property
    def bounded(self) -> bool:
        return (self.calls, self.tokens, self.cost) != (None, None, None)

    @property
    def spent_share(self) -> float:
        """Of the bound that is nearest; 0 without any."""
        bounds = (
            (self.spent.calls, self.calls),
            (self.spent.tokens, self.tokens),
            (self._money(self.spent), self.cost),
        )
        return max((gone / bound for gone, bound in bounds if bound), default=0.0)

    @asynccontextmanager
    async def room_for(self, request: Request) -> AsyncIterator[None]:
        """Hold room for the request while it is in flight. Raises BudgetSpentError without any."""
        if not self.bounded:
            yield
            return
        worst = worst_case(request)
        while not self._fits(self.spent + self._reserved + worst):
            if not self._reserved.calls:
                raise BudgetSpentError(self._told())
            self._freed.clear()
            await self._freed.wait()
        self._reserved += worst
        try:
            yield
        finally:
            self._reserved -= worst
            self._freed.set()

    def count(self, usage: Usage) -> None:
        """A reply came, and is paid for."""
        self.spent += Spent(1, usage.prompt_tokens, usage.completion_tokens)

    def _fits(self, total: Spent) -> bool:
        return (
            (self.calls is None or total.calls <= self.calls)
            and (self.tokens is None or total.tokens <= self.tokens)
            and (self.cost is None or self._money(total) <= self.cost)
        )

    def _money(self, total: Spent) -> float:
        return total.cost(self.prices) if self.prices else 0.0

    def _told(self) -> str:
        parts = []
        if self.calls is not None:
            parts.append(f"{self.spent.calls} of {self.calls} calls")
        if self.tokens is not None:
            parts.append(f"{self.spent.tokens} of {self.tokens} tokens")
        if self.cost is not None:
            parts.append(f"{self._money(self.spent):.4f} of {self.cost:g}")
        return (
            f"the budget leaves no room for another request ({', '.join(parts)} spent). "
            "All that is done is kept; the same command with a larger --budget goes on."
        )


def worst_case(request: Request) -> Spent:
    """More than the request can take: no tokenizer makes more tokens than there are bytes."""
    texts = texts_of(request)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    prompt = size + MESSAGE_TOKENS * len(texts) + len(request.schema.encode())
    written = 0 if request.endpoint == "embedding" else request.sampling.max_tokens
    return Spent(1, prompt, written * request.choices)
