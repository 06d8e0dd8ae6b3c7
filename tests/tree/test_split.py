"""A computed divider: whoever writes the question and whoever finds the parts, at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from augcon.errors import ItemError, ReplyError, RequestFailed, RequestRefused, TooLongError
from augcon.records import Context
from augcon.tree import Tree
from augcon.tree.split import ComputedDivider, Weakening
from tests.plain_texts import node_of

LONG = " ".join(f"The mill number {number} stands by the river Orrin." for number in range(12))
QUESTION = "Where does the mill stand?"


@dataclass
class Half:
    """Either half of a divider: all of LONG is an error to it, in its turn."""

    error: ItemError
    before: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, node: Context, pass_number: int) -> str:
        await self._end(node)
        return QUESTION

    async def write_weakly(self, node: Context, weakening: Weakening) -> str:
        return QUESTION

    async def parts(self, node: Context) -> tuple[str, ...]:
        await self._end(node)
        return ()

    async def _end(self, node: Context) -> None:
        if node.text == LONG:
            await self.before.wait()
            await asyncio.sleep(0)  # so that the other's end is known
            self.ended.set()
            raise self.error


async def outcomes(question: ItemError, parts: ItemError) -> list[list[tuple[int, str, str]]]:
    """Of every node its depth and verdict, with the question first and with the parts first."""
    grown = []
    for is_question_first in (True, False):
        questions, splitter = Half(question), Half(parts)
        first, second = (questions, splitter) if is_question_first else (splitter, questions)
        first.before.set()
        second.before = first.ended
        nodes = await Tree(ComputedDivider(questions, splitter), 20, 0.0).grow(node_of(LONG), 0)
        assert second.ended.is_set()
        grown.append([(n.context.depth, n.verdict.state.value, n.verdict.reason) for n in nodes])
    return grown


async def test_what_does_not_fit_is_halved_whatever_else_went_wrong_and_when() -> None:
    halved = [(0, "rejected", "too_long"), (1, "kept", ""), (1, "kept", "")]
    long = TooLongError("no room")
    assert await outcomes(long, RequestRefused("no")) == [halved, halved]
    assert await outcomes(RequestFailed("502"), long) == [halved, halved]


@pytest.mark.parametrize("stumbles", ["question", "parts"])
async def test_what_is_final_is_not_asked_again_for_a_fault_of_the_server_beside_it(
    stumbles: str,
) -> None:
    errors = [RequestFailed("502"), ReplyError("not usable")]
    final = [(0, "failed", "unusable_reply")]
    assert await outcomes(*(errors if stumbles == "question" else errors[::-1])) == [final, final]
