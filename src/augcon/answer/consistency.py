"""Self-consistency: of several answers that may stand, the one that the others agree with most.

After Wang et al. (2022), for answers in words: in place of a vote on one value, the medoid, the
answer with the largest mean similarity to the others. Only answers that passed have a vote. One
that failed is known to say what the context does not; to agree with it speaks for nothing.

Similar are answers with the same words in any order, for the same thing is said beginning with the
year or ending with it: F1 over content words, as SQuAD compares answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import fsum

from augcon.records import Draft
from augcon.rouge import tokens
from augcon.words import DENIALS, content_words, stem

__all__ = ["agreements", "most_consistent"]


def most_consistent(passed: Sequence[Draft]) -> Draft:
    """The answer that agrees most with the others; of equals the one that was verified with the
    higher score, then the first."""
    agreed = agreements([draft.text for draft in passed])

    def rank(place: int) -> tuple[float, float, int]:
        draft = passed[place]
        score = draft.verification.score if draft.verification else 0.0
        return -agreed[place], -score, draft.number

    return passed[min(range(len(passed)), key=rank)]


def agreements(answers: Sequence[str]) -> list[float]:
    """Of each answer its mean similarity to the others; 0 where there is no other."""
    said = [_said(answer) for answer in answers]
    # fsum: the sum does not depend on the order, so that equals are equal
    return [
        fsum(_f1(one, other) for j, other in enumerate(said) if j != i) / max(1, len(said) - 1)
        for i, one in enumerate(said)
    ]


def _f1(one: Counter[str], other: Counter[str]) -> float:
    """How much two answers say the same, in [0, 1]: twice the words that both have, by the words of
    both; 0 where there are none."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _said(answer: str) -> Counter[str]:
    """Content words in any inflection, with numbers and denials among them; every token where
    there is none."""
    found = content_words(answer, DENIALS) or tokens(answer)
    return Counter(word if any(map(str.isdigit, word)) else stem(word) for word in found)
