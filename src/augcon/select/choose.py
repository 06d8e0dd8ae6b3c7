"""Ranking and filtering one root's questions (section 3.2 of the paper).

All questions of a root are sorted by score; from the top, a question is kept unless its ROUGE-L
precision against one already kept reaches the threshold, until the root's quota is full. Where a
mix gives every granularity so many places, the best of each take them, and what a kind cannot fill
goes to the others. Nothing disappears: every question comes back with its rank and its verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from augcon.corpus import count_units
from augcon.records import (
    UNSCORED,
    Asked,
    Granularity,
    Judged,
    Question,
    Verdict,
    failed,
    rejected,
)
from augcon.rouge import rouge_l_tokens, tokens
from augcon.select.diverse import first_repeated

__all__ = ["choose", "find_repeats", "quota_of", "soundness"]


def quota_of(units: int, units_per_pair: float) -> int:
    """How many pairs a root of this many units should give; at least one."""
    return max(1, math.floor(units / units_per_pair + 0.5))


def choose(
    questions: Sequence[Question],
    quota: int,
    threshold: float,
    min_units: int = 1,
    places: Mapping[Granularity, int] | None = None,
    answered: Mapping[str, bool] | None = None,
) -> tuple[Judged, ...]:
    """Judge every question, best first; equal scores go by the question's id.

    threshold  a question is dropped at this ROUGE-L precision against a kept one, in (0, 1]
    min_units  a question of fewer units is dropped
    places     of each granularity, summing to the quota; none where any will do
    answered   by id, of questions that were chosen before: whether the answer stands. They stay
               chosen, whatever is asked since, and what repeats one of them is dropped; those
               whose answer does not stand take no room.
    """
    known = answered or {}
    by_score = sorted(questions, key=lambda q: (-q.score, q.id, q.pass_number))
    order = sorted(range(len(by_score)), key=lambda place: by_score[place].id not in known)
    ranked = [by_score[place] for place in order]
    selection = _Selection(
        ranked,
        [tokens(question.text) for question in ranked],
        [soundness(question, min_units) for question in ranked],
        threshold,
        {at for at, question in enumerate(ranked) if not known.get(question.id, True)},
    )
    selection.walk(quota, places or {})
    if places:
        selection.fill(quota)
    verdicts = dict(zip(order, selection.verdicts, strict=True))
    return tuple(
        Judged(question, place, verdicts[place]) for place, question in enumerate(by_score)
    )


@dataclass(frozen=True, slots=True)
class _Selection:
    """Questions, best first, their tokens, and the verdicts as far as they are known.

    lost  places in `ranked` of those that take no room
    """

    ranked: Sequence[Question]
    texts: Sequence[Sequence[str]]
    verdicts: list[Verdict]
    threshold: float
    lost: Collection[int]

    def walk(self, quota: int, places: Mapping[Granularity, int]) -> None:
        """Once down the ranking: keep what repeats nothing, while its kind has places."""
        sound = [at for at, verdict in enumerate(self.verdicts) if verdict.kept]
        taken: Counter[Granularity] = Counter()
        admitted: set[int] = set()

        def admit(number: int) -> bool:
            kind = self.ranked[sound[number]].granularity
            if sound[number] in self.lost:
                admitted.add(number)
            elif taken.total() < quota and taken[kind] < places.get(kind, 0 if places else quota):
                taken[kind] += 1
                admitted.add(number)
            return number in admitted

        repeated = first_repeated([self.texts[at] for at in sound], self.threshold, admit=admit)
        n_kept = 0
        for number, (at, other) in enumerate(zip(sound, repeated, strict=True)):
            if n_kept >= quota and at not in self.lost:
                self.verdicts[at] = rejected("over_quota")
            elif other is not None:
                self.verdicts[at] = self._too_similar_to(sound[other])
            elif number not in admitted:
                self.verdicts[at] = rejected("over_share")
            n_kept += number in admitted and at not in self.lost

    def fill(self, quota: int) -> None:
        """Give the places that no question of their kind took to the best that are left.

        Whatever is kept in the end repeats nothing that is better, so that one that comes in now
        may be no better version of one that is kept, either.
        """
        kept = [at for at, verdict in enumerate(self.verdicts) if verdict.kept]
        left = [at for at, v in enumerate(self.verdicts) if v.reason == "over_share"]
        order = [*kept, *left]
        if (n_kept := sum(at not in self.lost for at in kept)) >= quota:
            return

        def admit(number: int) -> bool:
            nonlocal n_kept
            at = order[number]
            if number < len(kept):
                return True
            if n_kept >= quota:
                return False
            if (other := self._repeating(at, kept)) is not None:
                self.verdicts[at] = self._too_similar_to(other)
                return False
            self.verdicts[at] = Verdict()
            n_kept += 1
            return True

        repeated = first_repeated([self.texts[at] for at in order], self.threshold, admit=admit)
        for at, other in zip(order, repeated, strict=True):
            if other is not None:
                self.verdicts[at] = self._too_similar_to(order[other])

    def _repeating(self, at: int, kept: Sequence[int]) -> int | None:
        """The first of the kept that is worse than this question and repeats it."""
        worse = (other for other in kept if other > at)
        return next(
            (
                other
                for other in worse
                if rouge_l_tokens(self.texts[other], self.texts[at]).precision >= self.threshold
            ),
            None,
        )

    def _too_similar_to(self, at: int) -> Verdict:
        return rejected("too_similar", f"to question {self.ranked[at].id}")


def soundness(question: Question, min_units: int) -> Verdict:
    """What is wrong with a question by itself, whatever else was asked."""
    if question.score == UNSCORED:
        return failed("no_score", question.no_score)
    if question.unclassed:
        return failed("no_granularity", question.unclassed)
    if not tokens(question.text) or count_units(question.text) < min_units:
        return rejected("too_short")
    return Verdict()


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
