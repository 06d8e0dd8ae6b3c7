"""Where an answer failed: is the answer at fault, or the question?

    refused ──▶ does the context answer it? ──no──▶ `unanswerable`, and it is not asked again
                          └─yes, or some of it─▶ asked again
    refused, or not supported, after that too ──▶ the same question of the context

Some of it is enough: an honest answer tells that part and says what is not known. Without a model
that judges, two refusals in a row are the word of the model that answers. Answers that pass cost
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augcon.answer.answerable import AnswerableCheck
from augcon.records import UNANSWERABLE, Question, Verdict, rejected

__all__ = ["Unanswered"]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """check: None where the model is asked for answers alone."""

    check: AnswerableCheck | None = None

    async def verdict(
        self, question: Question, failed: Sequence[Verdict], *, revised: bool
    ) -> Verdict | None:
        """That the question is unanswerable; None where the answers are to blame, or nobody knows.

        failed   what was found of each answer so far, in order
        revised  the last of them was asked for with what had been found, and there is no other

        Raises `augcon.errors.ItemError` where the model gives nothing usable.
        """
        refused = [verdict.reason == "refusal" for verdict in failed]
        if self.check is None:
            twice = len(failed) > 1 and all(refused)
            return rejected(UNANSWERABLE, f"refused twice: {failed[-1].detail}") if twice else None
        unsupported = revised and failed[-1].reason == "not_supported"
        if not (refused[-1] or unsupported):
            return None
        context = question.context
        told = await self.check.look(context.text, question.text, context.language)
        if told.share > 0:
            return None
        return rejected(UNANSWERABLE, told.evidence and f"closest is: {told.evidence}")
