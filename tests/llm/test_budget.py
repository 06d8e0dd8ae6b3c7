from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.errors import BudgetSpentError
from augcon.llm.base import Choice, Message, Reply, Request, Sampling, TryAgain, Usage
from augcon.llm.budget import Budget, Spent
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.llm.places import Places
from augcon.together import together


def request(seed: int, max_tokens: int = 20) -> Request:
    return Request(
        "chat", (Message("user", "hello"),), seed=seed, sampling=Sampling(max_tokens=max_tokens)
    )


class Slow:
    """Answers after a moment, with as many tokens as it likes, up to what was allowed."""

    name = "slow"

    def __init__(self) -> None:
        self.spent = Spent()
        self.chance = random.Random(1)

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(self.chance.random() / 500)
        usage = Usage(5, self.chance.randint(1, request.sampling.max_tokens))
        self.spent += Spent(1, usage.prompt_tokens, usage.completion_tokens)
        return Reply((Choice("hi"),), usage=usage)

    async def close(self) -> None:
        """Nothing is held open."""


async def spend(budget: Budget, requests: int = 60) -> Slow:
    """Many requests at once, until the budget stops them."""
    model = Slow()
    caller = Caller(model, MemoryJournal(), places=Places.fixed(16), budget=budget)
    asked = [caller.ask(request(seed), lambda reply: reply.text) for seed in range(requests)]
    with pytest.raises(BudgetSpentError):
        await together(asked)
    return model


async def test_so_many_calls_are_made_and_not_one_more() -> None:
    model = await spend(Budget(calls=23))
    assert model.spent.calls == 23


async def test_tokens_stay_below_the_budget_and_nearly_reach_it() -> None:
    model = await spend(Budget(tokens=400))
    assert 400 - 45 <= model.spent.tokens <= 400  # a request may take 41


async def test_money_stays_below_the_budget_and_nearly_reaches_it() -> None:
    prices = (1_000.0, 10_000.0)
    model = await spend(Budget(cost=2.0, prices=prices))
    worst = Spent(1, 21, 20).cost(prices)
    assert 2.0 - worst <= model.spent.cost(prices) <= 2.0


async def test_what_was_spent_before_counts() -> None:
    model = await spend(Budget(calls=23, spent=Spent(calls=20)))
    assert model.spent.calls == 3


async def test_once_a_request_was_refused_no_smaller_one_is_sent() -> None:
    """It would be cut off as the run stops: paid for, and never journalled."""
    model = Slow()
    caller = Caller(model, MemoryJournal(), budget=Budget(tokens=100))
    sizes = [request(0, max_tokens=60), request(1, max_tokens=79), request(2, max_tokens=1)]
    asked = [caller.ask(one, lambda reply: reply.text) for one in sizes]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert told[0] == "hi"
    assert [type(one) for one in told[1:]] == [BudgetSpentError, BudgetSpentError]
    assert model.spent.calls == 1


async def test_a_spent_budget_is_told_although_the_server_answers_nothing() -> None:
    """Looking whether the server answers anything takes from the budget too."""

    class Silent(Slow):
        async def ask(self, request: Request) -> Reply:
            raise TryAgain("it says nothing", 0.0)

    spent = Budget(tokens=30, spent=Spent(1, 2, 2))
    caller = Caller(Silent(), MemoryJournal(), budget=spent, patience=0.0)
    with pytest.raises(BudgetSpentError, match="4 of 30 tokens"):
        await caller.ask(request(0, max_tokens=4), lambda reply: reply.text)


async def test_the_message_tells_what_is_spent_and_what_to_do() -> None:
    budget = Budget(calls=1, tokens=500, spent=Spent(1, 20, 10))
    caller = Caller(FakeModel({}), MemoryJournal(), budget=budget)
    with pytest.raises(BudgetSpentError, match=r"1 of 1 calls, 30 of 500 tokens.*larger --budget"):
        await caller.ask(request(0), lambda reply: reply.text)


async def test_a_replay_costs_nothing() -> None:
    journal = MemoryJournal()
    await Caller(FakeModel({"hello": "hi"}), journal).ask(request(0), lambda reply: reply.text)
    spent = Budget(calls=1, spent=Spent(calls=1))
    caller = Caller(FakeModel({}), journal, budget=spent)
    assert await caller.ask(request(0), lambda reply: reply.text) == "hi"


async def test_without_bounds_nothing_is_bounded() -> None:
    caller = Caller(FakeModel({"hello": "hi"}), MemoryJournal())
    for seed in range(100):
        await caller.ask(request(seed), lambda reply: reply.text)
    assert caller.budget.spent.calls == 100


@given(st.integers(0, 99), st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_added_can_be_taken_away(calls: int, prompt: int, completion: int) -> None:
    one, two = Spent(calls, prompt, completion), Spent(1, 2, 3)
    assert one + two - two == one
