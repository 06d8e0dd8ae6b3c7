"""Few-shot examples that the model wrote itself: its answers to annotated questions, where they
pass every check of the run and the model grades them as good as the reference.

    item ──model, shown other items──▶ answer ──checks, verifier──▶ ──grade 4 or 5──▶ an example

They show the model's own wording at its best, where a person's may be of another kind than it can
keep up (bootstrapped demonstrations, as in Khattab et al., 2023).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from augcon.answer.examples import as_question, demand_judged, demanding_a_server, is_apart
from augcon.answer.grade import Grade, Grader
from augcon.answer.respond import GenerateResponder
from augcon.answer.settle import Checking
from augcon.errors import ItemError
from augcon.llm.call import seed_of
from augcon.records import Triplet
from augcon.together import together

__all__ = ["Bootstrap", "Tried"]

GOOD = 4.0


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one annotated question.

    example    the question with the model's own answer; None where it did not pass
    reason     why not: a check's, the verifier's, an error's, or "low_grade"
    grade      1 to 5; None where it was not asked for
    agreement  ROUGE-L F1 with the reference; None where there is no grade
    """

    item: str
    example: Triplet | None = None
    reason: str = ""
    grade: float | None = None
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How: `shots` other examples are shown for each question, `budget` questions at most."""

    responder: GenerateResponder
    checking: Checking
    shots: int
    budget: int
    seed: int

    async def run(self, annotated: Sequence[Triplet], language: str) -> list[Tried]:
        """Everything that was tried: what passed before what did not, the best first."""
        items = list(annotated)
        if len(items) > self.budget:
            draw = random.Random(seed_of(self.seed, "bootstrap", language))  # noqa: S311
            items = draw.sample(items, self.budget)
        tried = await together(self._tried(item, annotated, language) for item in items)
        return sorted(tried, key=_rank)

    async def _tried(self, item: Triplet, annotated: Sequence[Triplet], language: str) -> Tried:
        others = [t for t in annotated if is_apart(t, item.context, item.question)][: self.shots]
        seed = seed_of(self.seed, "bootstrap", item.id)
        grader = Grader(self.responder.asker, self.responder.library, self.seed)
        try:
            with demanding_a_server(item):
                answer = await self.responder.answer(
                    item.context, item.question, language, others, seed, source=item.source
                )
                verdict = (await self.checking.judge(as_question(item), answer)).verdict
                demand_judged(verdict)
                if not verdict.kept:
                    return Tried(item.id, reason=verdict.reason)
                grade = await grader.grade(item, answer, language)
        except ItemError as error:
            return Tried(item.id, reason=error.reason)
        return _told(item, answer, grade)


def _told(item: Triplet, answer: str, grade: Grade) -> Tried:
    if grade.grade < GOOD:
        return Tried(item.id, None, "low_grade", grade.grade, grade.agreement)
    example = Triplet.of(
        item.context, item.question, answer.strip(), item.language, source=item.source
    )
    return Tried(item.id, example, "", grade.grade, grade.agreement)


def _rank(tried: Tried) -> tuple[bool, float, float]:
    return tried.example is None, -(tried.grade or 0.0), -(tried.agreement or 0.0)
