"""How good an answer is beside the reference that a person wrote, by the model's own judgement.

answer, reference ──model──▶ grade, 1 to 5          ──ROUGE-L F1──▶ agreement, 0 to 1
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from augcon.llm.base import Sampling
from augcon.llm.call import Unusable, seed_of
from augcon.prompts import Asker, Library
from augcon.records import Triplet
from augcon.rouge import rouge_l

__all__ = ["UNGRADED", "Grade", "Grader", "whole_grade"]

JUDGING = Sampling(temperature=0.0, max_tokens=512)
_WHOLE = re.compile(r"([1-5１-５])\s*分?")


@dataclass(frozen=True, slots=True)
class Grade:
    """Of one answer: the model's, 1 to 5, and the agreement of its words with the reference."""

    grade: float
    agreement: float


UNGRADED = Grade(1.0, 0.0)  # an answer or a grade that cannot be had is the worst there is


@dataclass(frozen=True, slots=True)
class Grader:
    """Asks the model to grade answers to annotated questions."""

    asker: Asker
    library: Library
    seed: int

    async def grade(self, item: Triplet, answer: str, language: str) -> Grade:
        """Raises `augcon.errors.ItemError` where the model gives no grade."""

        def usable(outputs: dict[str, str]) -> None:
            whole_grade(outputs["grade"])

        outputs = await self.asker.ask(
            self.library.prompt("judge", language),
            {"question": item.question, "reference": item.answer, "answer": answer},
            JUDGING,
            seed_of(self.seed, "judge", item.id),
            usable,
        )
        return Grade(whole_grade(outputs["grade"]), rouge_l(answer, item.answer).f1)


def whole_grade(said: str) -> int:
    """A whole number from 1 to 5, perhaps in full-width digits or with 分 after it.

    Raises Unusable for anything else: never a part of what was said is taken for the grade.
    """
    found = _WHOLE.fullmatch(said.strip())
    if found is None:
        raise Unusable("the grade is not a whole number from 1 to 5")
    return int(found[1])
