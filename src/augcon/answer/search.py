"""The self-improving half of stage 3: which annotated examples make the model answer best.

Random search over ordered subsets of E_R (section 3.3 of the paper), by successive halving
(Jamieson and Talwalkar, 2016): with each candidate set the model answers annotated questions that
are not in the set, and grades its own answers against the references, 1 to 5.

    candidates ──round: some items each──▶ the better half ──more items──▶ … ──▶ E_R*

All go through the items in one order, each past those that it holds or that share a context or a
question with it. So two sets are never judged on quite the same items, and a set that holds a hard
one is spared it: sets are compared by what they add to the grade of an item (`on_same_items`), ties
by what they add to the lexical agreement (ROUGE-L F1), then the earlier one. The first is the set
that would be used without a search. It goes through to the end, with one place in every half, so
that another takes its place only where it was found better.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from augcon.answer.examples import demanding_a_server, is_apart
from augcon.answer.grade import UNGRADED, Grade, Grader
from augcon.answer.respond import GenerateResponder
from augcon.errors import ItemError
from augcon.llm.call import seed_of
from augcon.records import Triplet
from augcon.together import together

__all__ = [
    "FEWEST_TO_SEARCH",
    "Found",
    "Round",
    "Search",
    "Trial",
    "answers_of_search",
    "on_same_items",
]

FEWEST_TO_SEARCH = 4
DRAWS = 20  # for each candidate, until it is one that there is not yet
DECIMALS = 9  # to which two sets are equally good
LAST = 2  # sets that go through to the end


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate set.

    examples   ids in order
    items      how many annotated questions it answered
    grade      the mean of the grades, 1 to 5
    agreement  the mean ROUGE-L F1 with the references
    fair       the grade on all items that any set answered, as far as that can be told
    abandoned  the round after which it was given up; None for those that went to the end
    """

    examples: tuple[str, ...]
    items: int
    grade: float
    agreement: float
    fair: float
    abandoned: int | None


@dataclass(frozen=True, slots=True)
class Round:
    """Where the search stands after a round: answers graded so far, and the best set's `fair`."""

    answers: int
    grade: float


@dataclass(frozen=True, slots=True)
class Found:
    """Every trial, the winner first; none where no two sets could be compared."""

    trials: tuple[Trial, ...]
    curve: tuple[Round, ...]


@dataclass(slots=True)
class _Candidate:
    """A set with the items that it may be asked, in order, and the grades it has so far by item.

    unsearched  it is the one that is used without a search
    """

    place: int
    shots: tuple[Triplet, ...]
    items: list[Triplet]
    unsearched: bool
    grades: dict[str, Grade] = field(default_factory=dict)
    abandoned: int | None = None

    def next(self, number: int) -> list[Triplet]:
        return self.items[len(self.grades) :][:number]

    def trial(self, fair: float) -> Trial:
        grades, n = self.grades.values(), len(self.grades)
        return Trial(
            examples=tuple(t.id for t in self.shots),
            items=n,
            grade=sum(g.grade for g in grades) / n,
            agreement=sum(g.agreement for g in grades) / n,
            fair=fair,
            abandoned=self.abandoned,
        )


@dataclass(frozen=True, slots=True)
class _Standing:
    """How good every candidate is by all that is known: grades and agreements on same items."""

    grades: Sequence[float]
    agreements: Sequence[float]

    @classmethod
    def of(cls, candidates: Sequence[_Candidate]) -> _Standing:
        known = [c.grades.items() for c in candidates]
        return cls(
            on_same_items([{item: g.grade for item, g in of_one} for of_one in known]),
            on_same_items([{item: g.agreement for item, g in of_one} for of_one in known]),
        )

    def rank(self, candidate: _Candidate) -> tuple[float, float, int]:
        place = candidate.place
        return (-self.grades[place], -self.agreements[place], place)


@dataclass(frozen=True, slots=True)
class Search:
    """How to search: `trials` sets of `shots` examples, `budget` answers graded at most."""

    responder: GenerateResponder
    shots: int
    trials: int
    budget: int
    seed: int

    async def run(self, annotated: Sequence[Triplet], language: str) -> Found:
        """Needs at least FEWEST_TO_SEARCH annotated examples, and more than are shown.

        A round is over when all of its answers are graded, so that the result does not depend on
        the order in which they come.
        """
        candidates = self._candidates(annotated, language)
        left, curve, spent = candidates, list[Round](), 0
        while asked := self._asked(left, self.budget - spent):
            grades = await together(self._tried(item, c.shots, language) for c, item in asked)
            for (candidate, item), grade in zip(asked, grades, strict=True):
                candidate.grades[item.id] = grade
            spent += len(asked)
            standing = _Standing.of(candidates)
            left = sorted(left, key=standing.rank)
            curve.append(Round(spent, standing.grades[left[0].place]))
            if len(left) <= LAST:
                break
            left = _halved(left, len(curve))
        return Found(_best_first(candidates) if curve else (), tuple(curve))

    def _asked(self, left: Sequence[_Candidate], budget: int) -> list[tuple[_Candidate, Triplet]]:
        """What each of these sets is asked in the next round; nothing where there is none."""
        share = _share(budget, len(left))
        return [(candidate, item) for candidate in left for item in candidate.next(share)]

    def _candidates(self, annotated: Sequence[Triplet], language: str) -> list[_Candidate]:
        """Distinct sets with something to be asked: that of no search, then drawn ones."""
        draw = random.Random(seed_of(self.seed, "examples", language))  # noqa: S311
        order = draw.sample(list(annotated), len(annotated))
        first = tuple(annotated[: self.shots])
        sets = {first: None}
        for _ in range(DRAWS * self.trials):
            if len(sets) == self.trials:
                break
            sets[tuple(draw.sample(list(annotated), self.shots))] = None
        items = {shots: [item for item in order if _may_be_asked(item, shots)] for shots in sets}
        judged = [shots for shots in sets if items[shots]]
        return [
            _Candidate(place, shots, items[shots], shots == first)
            for place, shots in enumerate(judged)
        ]

    async def _tried(self, item: Triplet, shots: Sequence[Triplet], language: str) -> Grade:
        seed = seed_of(self.seed, "try", item.id, *(t.id for t in shots))
        grader = Grader(self.responder.asker, self.responder.library, self.seed)
        try:
            with demanding_a_server(item):
                answer = await self.responder.answer(
                    item.context, item.question, language, shots, seed, source=item.source
                )
                return await grader.grade(item, answer, language)
        except ItemError:
            return UNGRADED


def on_same_items(grades: Sequence[Mapping[str, float]]) -> list[float]:
    """What each set would get on average over all items, from its grades by item.

    A grade is taken as the sum of how easy the item is and what the set adds, by least squares
    over all grades. What a set adds is held as if by one more item on which it adds nothing, so
    that few lucky items do not make a winner, and sets without an item in common are not compared.
    """
    items = {item: n for n, item in enumerate(sorted({item for one in grades for item in one}))}
    if not items:
        return [0.0] * len(grades)
    told = [(n, items[i], grade) for n, one in enumerate(grades) for i, grade in one.items()]
    n_sets = len(grades)
    design = np.zeros((len(told) + n_sets, n_sets + len(items)))
    wanted = np.zeros(len(design))
    for row, (n, item, grade) in enumerate(told):
        design[row, n] = design[row, n_sets + item] = 1.0
        wanted[row] = grade
    design[len(told) :, :n_sets] = np.eye(n_sets)
    found = np.linalg.lstsq(design, wanted, rcond=None)[0]
    added, easy = found[:n_sets], found[n_sets:]
    return [round(float(easy.mean() + one), DECIMALS) for one in added]


def answers_of_search(annotated: int, shots: int, trials: int, budget: int) -> int:
    """How many answers a search grades where no two examples share a context or a question."""
    if annotated < FEWEST_TO_SEARCH or annotated <= shots:
        return 0
    left, items, spent = min(trials, math.perm(annotated, shots)), annotated - shots, 0
    while share := min(items, _share(budget - spent, left)):
        spent, items = spent + share * left, items - share
        if left <= LAST:
            break
        left = math.ceil(left / 2)
    return spent


def _share(budget: int, sets: int) -> int:
    """Items for each set in the next round: the rounds to come get the same part of the budget."""
    if sets < LAST or budget < sets:
        return 0
    rounds = math.ceil(math.log2(sets))
    return max(1, budget // rounds // sets)


def _halved(ranked: Sequence[_Candidate], number: int) -> list[_Candidate]:
    """The better half after this round, the unsearched set always among it."""
    half = math.ceil(len(ranked) / 2)
    better, worse = list(ranked[:half]), list(ranked[half:])
    for place, candidate in enumerate(worse):
        if candidate.unsearched:
            better[-1], worse[place] = candidate, better[-1]
    for candidate in worse:
        candidate.abandoned = number
    return better


def _may_be_asked(item: Triplet, shots: Sequence[Triplet]) -> bool:
    return all(is_apart(shot, item.context, item.question) for shot in shots)


def _best_first(candidates: Sequence[_Candidate]) -> tuple[Trial, ...]:
    """Those that went to the end, by what is known in the end, then those abandoned last."""
    standing = _Standing.of(candidates)

    def rank(candidate: _Candidate) -> tuple[float, tuple[float, float, int]]:
        return -(candidate.abandoned or math.inf), standing.rank(candidate)

    ranked = sorted((c for c in candidates if c.grades), key=rank)
    return tuple(c.trial(standing.grades[c.place]) for c in ranked)
