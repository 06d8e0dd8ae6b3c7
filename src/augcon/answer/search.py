"""The self-improving half of stage 3: which annotated examples make the model answer best.

Random search over ordered subsets of E_R (section 3.3 of the paper): with each candidate set the
model answers annotated questions that are not in the set, and grades its own answers against the
references, 1 to 5. The set with the best mean grade is E_R*; ties go by lexical agreement with
the references (ROUGE-L F1), then to the earlier set.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from augcon.answer.respond import GenerateResponder
from augcon.errors import ItemError
from augcon.llm.base import Sampling
from augcon.llm.call import Unusable, seed_of
from augcon.records import Triplet
from augcon.rouge import rouge_l
from augcon.together import together

__all__ = ["FEWEST_TO_SEARCH", "Search", "Trial"]

FEWEST_TO_SEARCH = 4
GRADES = {"1", "2", "3", "4", "5"}
WORST = 1.0
JUDGING = Sampling(temperature=0.0, max_tokens=512)


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate set: ids in order, mean grade (1 to 5), mean ROUGE-L F1 to the references."""

    examples: tuple[str, ...]
    grade: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Search:
    """How to search: `trials` sets of `shots` examples, each answering `items` questions."""

    responder: GenerateResponder
    shots: int
    trials: int
    items: int
    seed: int

    async def run(self, annotated: Sequence[Triplet], language: str) -> list[Trial]:
        """Every trial, best first. Needs at least FEWEST_TO_SEARCH annotated examples."""
        sets = self._candidates(annotated, language)
        trials = await together(self._trial(s, annotated, language) for s in sets)
        return sorted(trials, key=lambda t: (-t.grade, -t.agreement))

    def _candidates(self, annotated: Sequence[Triplet], language: str) -> list[list[Triplet]]:
        draw = random.Random(seed_of(self.seed, "examples", language))  # noqa: S311
        size = min(self.shots, len(annotated) - 1)
        return [draw.sample(list(annotated), size) for _ in range(self.trials)]

    async def _trial(
        self, shots: Sequence[Triplet], annotated: Sequence[Triplet], language: str
    ) -> Trial:
        ids = tuple(t.id for t in shots)
        others = [t for t in annotated if t.id not in ids]
        draw = random.Random(seed_of(self.seed, "items", *ids))  # noqa: S311
        asked = draw.sample(others, min(self.items, len(others)))
        results = await together(self._tried(item, shots, language) for item in asked)
        n = len(results)
        return Trial(ids, sum(g for g, _ in results) / n, sum(a for _, a in results) / n)

    async def _tried(
        self, item: Triplet, shots: Sequence[Triplet], language: str
    ) -> tuple[float, float]:
        """Grade and agreement of one answer; an answer or grade that cannot be had is the worst."""
        seed = seed_of(self.seed, "try", item.id, *(t.id for t in shots))
        try:
            answer = await self.responder.answer(
                item.context, item.question, language, shots, seed, source=item.source
            )
            return await self._grade(item, answer, language), rouge_l(answer, item.answer).f1
        except ItemError:
            return WORST, 0.0

    async def _grade(self, item: Triplet, answer: str, language: str) -> float:
        def whole_grade(outputs: dict[str, str]) -> None:
            if outputs["grade"] not in GRADES:
                raise Unusable("the grade is not a whole number from 1 to 5")

        outputs = await self.responder.asker.ask(
            self.responder.library.prompt("judge", language),
            {"question": item.question, "reference": item.answer, "answer": answer},
            JUDGING,
            seed_of(self.seed, "judge", item.id),
            whole_grade,
        )
        return float(outputs["grade"])
