"""The ranker that needs no model and learns nothing: what a question's words tell of it.

A question scores high when its words are words of its context (it asks about what is there), when
they are many enough to say what it asks about, when they come from all over the context (it
concerns the whole), and when it has an ordinary length. It ranks where a model serves no
embeddings, named as a fallback wherever its scores are reported; and the contrastive scorer
learns what to add to it (`augcon.scorer.linear`). Function words of Chinese are known in simplified
and in traditional characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from augcon.rouge import HAN, tokens
from augcon.scorer.base import Item, Score
from augcon.scorer.saved import Card, write_card
from augcon.words import STOP_WORDS, simplified, stem

__all__ = ["FUNCTION_WORDS", "HeuristicScorer", "weigh"]

THIRDS = 3
ORDINARY_TOKENS = (6, 28)
TELLING_WORDS = 6  # of the context: with more, a question is not told better from others
CONTEXTS_KEPT = 256  # each is read once for all its questions
FUNCTION_WORDS = STOP_WORDS | frozenset(
    (
        "的 了 是 在 和 与 及 或 吗 呢 什么 哪 哪些 哪个 哪里 哪儿 谁 何 何时 何处 如何 怎么 "
        "怎样 怎么样 为什么 为何 多少 多久 几 有 被 把 对 于 由 从 到 就 都 而 并 也 之 以 地 得 "
        "着 过 其 这 那 这个 那个 这些 那些 这里 那里 该 此 它 它们 他 他们 她 她们"
    ).split()
)
CHINESE = re.compile(f"[{HAN}]")


@dataclass(frozen=True, slots=True)
class HeuristicScorer:
    """`weigh` for every question."""

    @property
    def kind(self) -> str:
        return "heuristic"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        return [Score(weigh(item.context, item.question)) for item in items]

    def save(self, folder: Path) -> None:
        write_card(folder, Card(self.kind))


def weigh(context: str, question: str) -> float:
    """The sum of five measures up to 1; 0 where either text has no word to go by.

    grounded   share of the content words that the context holds
    telling    how many these are, as a share of TELLING_WORDS; half as much as the others, for
               what a tiny model asks at length is seldom answered by its text
    spread     share of the context's thirds that they come from
    long, short  whether it has an ordinary length, or how far from it
    """
    there = _read(simplified(context))
    asked = tokens(simplified(question))
    content = stems(word for word in asked if word not in FUNCTION_WORDS)
    if not content or not there.thirds:
        return 0.0
    held = {word for word in content if there.holds(word)}
    low, high = ORDINARY_TOKENS
    measures = (
        len(held) / len(content),
        min(1.0, len(held) / TELLING_WORDS) / 2,
        sum(bool(held & third) for third in there.thirds) / len(there.thirds),
        min(1.0, len(asked) / low),
        min(1.0, high / len(asked)),
    )
    return round(sum(measures), 6)


def stems(words: Iterable[str]) -> set[str]:
    """What words are known by in any inflection; Chinese has none."""
    return {word if CHINESE.match(word) else stem(word) for word in words}


@dataclass(frozen=True, slots=True)
class _Read:
    """A context's text and the stems of its thirds."""

    text: str
    thirds: tuple[frozenset[str], ...]

    def holds(self, stem: str) -> bool:
        """A Chinese word wherever its characters stand, for words are not always cut alike."""
        if CHINESE.match(stem):
            return stem in self.text
        return any(stem in third for third in self.thirds)


@lru_cache(CONTEXTS_KEPT)
def _read(context: str) -> _Read:
    words = tokens(context)
    size = max(1, -(-len(words) // THIRDS))
    thirds = (frozenset(stems(words[i : i + size])) for i in range(0, len(words), size))
    return _Read(context, tuple(thirds))
