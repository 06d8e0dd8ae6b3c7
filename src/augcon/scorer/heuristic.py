"""The fallback ranker, for a model that serves no embeddings: no model call, and no learning.

A question scores high when its words are words of its context (it asks about what is there), when
they come from all over the context (it concerns the whole), and when it has an ordinary length.
It is named as a fallback wherever its scores are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augcon.rouge import tokens
from augcon.scorer.base import Item, Score
from augcon.scorer.saved import Card, write_card

__all__ = ["HeuristicScorer"]

THIRDS = 3
ORDINARY_TOKENS = (6, 28)
FUNCTION_WORDS = frozenset(
    (
        "a an and are as at be been by can could did do does for from had has have how in into "
        "is it its may of on or should than that the their them there they this to was were what "
        "when where which who whom whose why will with would "
        "的 了 是 在 和 与 及 或 吗 呢 什么 哪 哪些 哪个 哪里 谁 何 何时 如何 怎么 怎样 "
        "为什么 为何 多少 几 有 被 把 对 于 由 从 到 就 都 而 并 其 这 那"
    ).split()
)


@dataclass(frozen=True, slots=True)
class HeuristicScorer:
    """Grounding + spread + ordinary length, each in [0, 1]."""

    @property
    def kind(self) -> str:
        return "heuristic"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(_score(item)) for item in items]

    def save(self, folder: Path) -> None:
        write_card(folder, Card(self.kind))


def _score(item: Item) -> float:
    asked = tokens(item.question)
    content = {token for token in asked if token not in FUNCTION_WORDS}
    there = tokens(item.context)
    if not content or not there:
        return 0.0
    grounded = len(content & set(there)) / len(content)
    size = -(-len(there) // THIRDS)
    parts = [set(there[i : i + size]) for i in range(0, len(there), size)]
    spread = sum(bool(content & part) for part in parts) / len(parts)
    low, high = ORDINARY_TOKENS
    ordinary = min(1.0, len(asked) / low, high / len(asked))
    return round(grounded + spread + ordinary, 6)
