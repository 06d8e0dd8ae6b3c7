"""A draw for every question: what a ranking is worth shows beside one that knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augcon.records import content_id
from augcon.scorer.base import Item, Score
from augcon.scorer.saved import Card, write_card

__all__ = ["RandomScorer"]

DRAWS = 2**64  # as many as `content_id` can tell apart


@dataclass(frozen=True, slots=True)
class RandomScorer:
    """Uniform in [0, 1), decided by the seed and the item alone, so that no order changes it."""

    seed: int = 0

    @property
    def kind(self) -> str:
        return "random"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(self._draw(item)) for item in items]

    def _draw(self, item: Item) -> float:
        return int(content_id("draw", self.seed, item.context, item.question), 16) / DRAWS

    def save(self, folder: Path) -> None:
        write_card(folder, Card(self.kind, seed=self.seed))
