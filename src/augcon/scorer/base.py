"""What every scorer is: Sc(C, q), one number for a question about a context.

    (context, question) ──▶ score; higher is better, and only the order of scores means anything

A scorer is kept as a folder: `scorer.json` says its kind and what it was fitted on, and whatever
else the kind needs lies beside it (`augcon.scorer.saved`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from augcon.records import UNSCORED, Question

__all__ = ["Item", "Score", "Scorer", "with_scores"]


@dataclass(frozen=True, slots=True)
class Item:
    """A question and the text that it is about."""

    context: str
    question: str


@dataclass(frozen=True, slots=True)
class Score:
    """`value` is UNSCORED where there is none, and `why_none` then says why."""

    value: float = UNSCORED
    why_none: str = ""


class Scorer(Protocol):
    """One kind of scorer.

    `score` gives one `Score` for each item, in order; an item that cannot be scored costs only
    itself. `save` writes the scorer into a folder that is there, `scorer.json` last.
    """

    @property
    def kind(self) -> str: ...

    async def score(self, items: Sequence[Item]) -> list[Score]: ...

    def save(self, folder: Path) -> None: ...


async def with_scores(questions: Sequence[Question], scorer: Scorer) -> list[Question]:
    """The questions of a tree, each with its score or with why it has none."""
    scores = await scorer.score([Item(q.context.text, q.text) for q in questions])
    return [
        replace(question, score=score.value, no_score=score.why_none)
        for question, score in zip(questions, scores, strict=True)
    ]
