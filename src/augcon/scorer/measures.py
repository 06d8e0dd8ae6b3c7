"""What can be told of a question about a context by its words alone, in any language.

    (context, question) ──▶ measures (n_measures,), each larger for more of it

No model is called. The heuristic ranker weighs them by hand, and the contrastive scorer learns
their weights beside those of the hidden state (`augcon.scorer.linear`). Words are the tokens of
ROUGE-L, so that Chinese is cut into words; a word of the context is known again in another
inflection by its first letters, and a Chinese word wherever its characters stand.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from augcon.rouge import HAN, rouge_l_tokens, token_spans, tokens

__all__ = ["MEASURES", "measures"]

STEM_LETTERS = 5
THIRDS = 3
CONTEXTS_KEPT = 256  # read once for all their questions

MEASURES = (
    "grounded",  # share of the content words that the context holds
    "specific",  # log of how many different content words of the context it holds
    "rare",  # mean of 1 / how often the context has them
    "spread",  # share of the context's thirds that they come from
    "together",  # most of the content words that one sentence of the context holds, as a share
    "phrases",  # share of its neighbouring words that are neighbours in the context
    "in_order",  # share of its words that the context has in the same order (ROUGE-L precision)
    "strangers",  # names, numbers and foreign words that the context does not hold
    "repeats",  # share of its words that it has said before
    "pointing",  # words that point at something outside of it: "this", 「该」
    "asking",  # question words beyond the first
    "words",  # log of how many
    "pauses",  # commas and the like
    "ended",  # 1 where it ends as a question does
)

QUESTION_WORDS = frozenset(
    (
        "what which who whom whose when where why how "
        "什么 哪 哪些 哪个 哪里 哪儿 谁 何 何时 何处 如何 怎么 怎样 怎么样 为什么 为何 多少 几 多久"
    ).split()
)
POINTING_WORDS = frozenset(
    (
        "this that these those it its he his him she her hers they them their theirs here there "
        "这 那 这个 那个 这些 那些 这里 那里 该 此 其 它 它们 他 他们 她 她们 本文 文中 上述"
    ).split()
)
FUNCTION_WORDS = (
    QUESTION_WORDS
    | POINTING_WORDS
    | frozenset(
        (
            "a an and are as at be been being by can could did do does for from had has have in "
            "into is may might must not of on or s shall should t than the to was were will with "
            "would "
            "的 了 是 在 和 与 及 或 吗 呢 有 被 把 对 于 由 从 到 就 都 而 并 地 得 着 过 也 之 以"
        ).split()
    )
)
HAN_WORD = re.compile(f"[{HAN}]+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
PAUSE = re.compile("[,;:，；：、]")
QUESTION_MARKS = ("?", "？", "؟", ";", "⸮")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Text:
    """A context as the measures look at it; words as `_known_as` gives them."""

    folded: str
    order: list[str]
    held: frozenset[str]
    counts: dict[str, int]
    sentences: list[frozenset[str]]
    thirds: list[frozenset[str]]
    neighbours: frozenset[tuple[str, str]]


def measures(context: str, question: str) -> Floats:
    """(n_measures,), in the order of `MEASURES`; all finite, whatever the texts are."""
    text = _read(context)
    asked = tokens(question)
    known = [_known_as(word) for word in asked]
    content = {k for word, k in zip(asked, known, strict=True) if word not in FUNCTION_WORDS}
    held = {word for word in content if _holds(text, word)}
    neighbours = set(pairwise(known))
    found = (
        len(held) / max(1, len(content)),
        math.log1p(len(held)),
        sum(1 / max(1, text.counts.get(word, 1)) for word in held) / max(1, len(held)),
        sum(bool(held & third) for third in text.thirds) / max(1, len(text.thirds)),
        max((len(held & s) for s in text.sentences), default=0) / max(1, len(content)),
        len(neighbours & text.neighbours) / max(1, len(neighbours)),
        rouge_l_tokens(known, text.order).precision,
        float(_strangers(text, question)),
        1 - len(set(known)) / len(known) if known else 0.0,
        float(sum(word in POINTING_WORDS for word in asked)),
        float(max(0, sum(word in QUESTION_WORDS for word in asked) - 1)),
        math.log1p(len(asked)),
        float(len(PAUSE.findall(question))),
        float(question.rstrip().endswith(QUESTION_MARKS)),
    )
    return np.array(found, dtype=np.float64)


@lru_cache(CONTEXTS_KEPT)
def _read(context: str) -> _Text:
    order = [_known_as(word) for word in tokens(context)]
    size = max(1, -(-len(order) // THIRDS))
    counts: dict[str, int] = {}
    for word in order:
        counts[word] = counts.get(word, 0) + 1
    return _Text(
        folded=context.casefold(),
        order=order,
        held=frozenset(order),
        counts=counts,
        sentences=[
            frozenset(map(_known_as, tokens(sentence))) for sentence in SENTENCE_END.split(context)
        ],
        thirds=[frozenset(order[i : i + size]) for i in range(0, len(order), size)],
        neighbours=frozenset(pairwise(order)),
    )


def _known_as(word: str) -> str:
    """What a word is known by in another inflection; Chinese has none."""
    return word if HAN_WORD.match(word) else word[:STEM_LETTERS]


def _holds(text: _Text, word: str) -> bool:
    return word in text.held or (HAN_WORD.match(word) is not None and word in text.folded)


def _strangers(text: _Text, question: str) -> int:
    """Words that are written as names are, beyond the first, or hold a digit."""
    chinese = HAN_WORD.search(question) is not None
    found = 0
    for place, token in enumerate(token_spans(question)):
        first = question[token.start]
        named = first.isdigit() or (first.isupper() and place > 0)
        foreign = chinese and not HAN_WORD.match(token.text)
        found += (named or foreign) and not _holds(text, _known_as(token.text))
    return found
