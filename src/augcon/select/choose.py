"""Ranking and filtering one root's questions (section 3.2 of the paper).

All questions of a root are sorted by score; from the top, a question is kept unless its ROUGE-L
precision against one already kept reaches the threshold, until the root's quota is full. Nothing
disappears: every question comes back with its place and its verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from augcon.corpus import count_units
from augcon.records import UNSCORED, Asked, Judged, Question, Verdict, failed, rejected
from augcon.rouge import tokens
from augcon.select.diverse import first_repeated

__all__ = ["choose", "find_repeats", "quota_of"]


def quota_of(units: int, units_per_pair: float) -> int:
    """How many pairs a root of this many units should give; at least one."""
    return max(1, math.floor(units / units_per_pair + 0.5))


def choose(
    questions: Sequence[Question], quota: int, threshold: float, min_units: int = 1
) -> tuple[Judged, ...]:
    """Judge every question, best first; equal scores go by the question's id.

    threshold  a question is dropped at this ROUGE-L precision against a kept one, in (0, 1]
    min_units  a question of fewer units is dropped
    """
    ranked = sorted(questions, key=lambda q: (-q.score, q.id, q.pass_number))
    texts = [tokens(question.text) for question in ranked]
    verdicts = [
        _soundness(question, words, min_units)
        for question, words in zip(ranked, texts, strict=True)
    ]
    sound = [place for place, verdict in enumerate(verdicts) if verdict.kept]
    repeated = first_repeated([texts[place] for place in sound], threshold)
    n_kept = 0
    for place, other in zip(sound, repeated, strict=True):
        if n_kept >= quota:
            verdicts[place] = rejected("over_quota")
        elif other is not None:
            verdicts[place] = rejected("too_similar", f"to question {ranked[sound[other]].id}")
        else:
            n_kept += 1
    return tuple(
        Judged(question, place, verdict)
        for place, (question, verdict) in enumerate(zip(ranked, verdicts, strict=True))
    )


def find_repeats(asked: Iterable[Asked], threshold: float) -> list[tuple[Asked, Asked]]:
    """The questions that repeat a better one of any root, each with the first that it repeats.

    By the rule of a root, over all roots: the scores of one scorer are numbers on one scale. What
    is dropped makes room for nothing, for its root has been worked on.
    """
    ranked = sorted(asked, key=lambda a: (-a.score, a.id))
    repeated = first_repeated([tokens(question.text) for question in ranked], threshold)
    return [
        (question, ranked[other])
        for question, other in zip(ranked, repeated, strict=True)
        if other is not None
    ]


def _soundness(question: Question, words: Sequence[str], min_units: int) -> Verdict:
    if question.score == UNSCORED:
        return failed("no_score", question.no_score)
    if not words or count_units(question.text) < min_units:
        return rejected("too_short")
    return Verdict()
