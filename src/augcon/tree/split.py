"""What the tree asks of a model at one node, behind one small interface.

A `Divider` gives a node its question and its two parts; which way it does so is a strategy. The
paper's way (`augcon.tree.rewrite`) asks for all three in one call; the embedded model's way
(`augcon.tree.boundary`) scores every sentence boundary and picks among question candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from augcon.prompts import Weakening
from augcon.records import Context

__all__ = ["Divider", "Division", "Weakening"]


@dataclass(frozen=True, slots=True)
class Division:
    """A node's question and its parts.

    `parts` is empty where there is nothing to divide (a single sentence). `question` is empty
    where the strategy found none that passes its own filter; `why_no_question` then says why.
    """

    question: str
    parts: tuple[str, ...]
    why_no_question: str = ""


class Divider(Protocol):
    """One strategy for questions and splits.

    `languages` names what it can read; None stands for every language.
    `divide` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    @property
    def languages(self) -> frozenset[str] | None: ...

    async def divide(self, node: Context, pass_number: int) -> Division: ...

    async def weak_question(self, node: Context, weakening: Weakening) -> str: ...
