"""What the tree asks of a model at one node, behind one small interface.

A `Divider` gives a node its question and its two parts. There are two kinds. A prompted one has
the model give both in one call (`rewrite`, `numbered`). A computed one puts together whoever
writes the question (`Questions`) and whoever finds the parts (`Splitter`), which may be any two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from augcon.prompts import Weakening
from augcon.records import Context
from augcon.together import both

__all__ = [
    "ComputedDivider",
    "Divider",
    "Division",
    "Excerpt",
    "Questions",
    "Splitter",
    "Weakening",
    "excerpts_of",
]

NO_QUESTION = "no_candidate_passed_filter"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part in the node's own words, and where in the node's text it lies.

    Between `start` and `end` there may be sentences of the other part too.
    """

    text: str
    start: int
    end: int


def excerpts_of(text: str, parts: Sequence[str]) -> tuple[Excerpt, ...]:
    """The two halves of a text, cut in one place: the first begins it and the second ends it."""
    if not parts:
        return ()
    first, second = parts
    begin, cut = text.index(first), text.rindex(second)
    return (
        Excerpt(first, begin, begin + len(first)),
        Excerpt(second, cut, cut + len(second)),
    )


@dataclass(frozen=True, slots=True)
class Division:
    """A node's question and its parts.

    `parts` is empty where there is nothing to divide (a single sentence). `question` is empty
    where the strategy found none that passes its own filter; `why_no_question` then says why.
    `note` tells what became of a part that needed mending, for the books of the split. `excerpts`
    are the parts as they were before that; empty where the model rewrote them.
    """

    question: str
    parts: tuple[str, ...]
    why_no_question: str = ""
    note: str = ""
    excerpts: tuple[Excerpt, ...] = ()

    @classmethod
    def verbatim(
        cls, question: str, excerpts: tuple[Excerpt, ...], why_no_question: str = ""
    ) -> Division:
        """One whose parts are the node's own text."""
        parts = tuple(excerpt.text for excerpt in excerpts)
        return cls(question, parts, why_no_question, excerpts=excerpts)


class Divider(Protocol):
    """One strategy for questions and splits.

    `languages` names what it can read; None stands for every language.
    `divide` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    @property
    def languages(self) -> frozenset[str] | None: ...

    async def divide(self, node: Context, pass_number: int) -> Division: ...

    async def weak_question(self, node: Context, weakening: Weakening) -> str: ...


class Questions(Protocol):
    """Who writes the question about a node; "" where none may stand."""

    async def write(self, node: Context, pass_number: int) -> str: ...

    async def write_weakly(self, node: Context, weakening: Weakening) -> str: ...


class Splitter(Protocol):
    """Who finds a node's two parts; none of what has nothing to divide. They are the node's own
    text, cut in one place, and the same in every pass."""

    async def parts(self, node: Context) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class ComputedDivider:
    """A question by one, the parts by another, at the same time."""

    questions: Questions
    splitter: Splitter
    languages: frozenset[str] | None = None

    async def divide(self, node: Context, pass_number: int) -> Division:
        parts, question = await both(
            self.splitter.parts(node), self.questions.write(node, pass_number)
        )
        excerpts = excerpts_of(node.text, parts)
        return Division.verbatim(question, excerpts, "" if question else NO_QUESTION)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return await self.questions.write_weakly(node, weakening)
