"""Which honest "I don't know" pairs are kept: few enough, and none that the dataset answers.

A pure function of what a run's database holds, so that writing the dataset again gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import compress

from augcon.records import Asked, content_id
from augcon.rouge import tokens
from augcon.select.diverse import first_repeated

__all__ = ["choose_unknown", "most_unknown"]


def most_unknown(n_answered: int, share: float) -> int:
    """The most pairs that may join so many answered ones and be this share of all, in [0, 1)."""
    exact = Fraction(str(share))
    return int(exact * n_answered / (1 - exact))


def choose_unknown(
    unanswered: Sequence[Asked],
    answered: Iterable[Asked],
    threshold: float,
    most: int,
    seed: int,
) -> list[Asked]:
    """At most so many of the unanswered questions, drawn by a seeded hash of their ids.

    answered   questions that have an answer anywhere in the dataset: none that repeats one of them,
               at this ROUGE-L precision, is kept, nor one that repeats another that is kept
    """
    if most < 1 or not unanswered:
        return []
    known = [tokens(question.text) for question in answered]
    drawn = sorted(unanswered, key=lambda a: content_id("unknown", seed, a.root_id, a.id))
    texts = [*known, *(tokens(question.text) for question in drawn)]
    repeated = first_repeated(texts, threshold, given=len(known))[len(known) :]
    return list(compress(drawn, (other is None for other in repeated)))[:most]
