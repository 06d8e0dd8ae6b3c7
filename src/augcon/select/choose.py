"""Ranking and filtering one root's questions (section 3.2 of the paper).

All questions of a root are sorted by score; from the top, a question is kept unless its ROUGE-L
precision against one already kept reaches the threshold, until the root's quota is full. Nothing
disappears: every question comes back with its place and its verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from augcon.corpus import count_units
from augcon.records import UNSCORED, Judged, Question, Verdict, failed, rejected
from augcon.rouge import tokens

__all__ = ["choose", "quota_of"]


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
    kept: list[tuple[list[str], Question]] = []
    judged = []
    ranked = sorted(questions, key=lambda q: (-q.score, q.id, q.pass_number))
    for place, question in enumerate(ranked):
        words = tokens(question.text)
        if question.score == UNSCORED:
            verdict = failed("no_score", question.no_score)
        elif not words or count_units(question.text) < min_units:
            verdict = rejected("too_short")
        else:
            verdict = _verdict(words, kept, quota, threshold)
        if verdict.kept:
            kept.append((words, question))
        judged.append(Judged(question, place, verdict))
    return tuple(judged)


def _verdict(
    words: list[str], kept: Sequence[tuple[list[str], Question]], quota: int, threshold: float
) -> Verdict:
    if len(kept) >= quota:
        return rejected("over_quota")
    least = math.ceil(threshold * len(words) - 1e-9)  # tokens in common that make a repetition
    for other, question in kept:
        common = LCSseq.similarity(words, other, score_cutoff=least)
        if common and common >= least:
            return rejected("too_similar", f"to question {question.id}")
    return Verdict()
