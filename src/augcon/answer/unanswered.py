"""Where an answer failed: is the answer at fault, or the question?

    refused ──▶ does the context answer it? ──no──▶ `unanswerable`, and it is not asked again
                          └─yes, or some of it─▶ asked again
    refused, or not supported, after that too ──▶ the same question of the context

Some of it is enough: an honest answer tells that part and says what is not known. Without a model
that judges, two refusals in a row are the word of the model that answers. Answers that pass cost
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from augcon.answer.answerable import AnswerableCheck
from augcon.records import UNANSWERABLE, Question, Verdict, rejected

__all__ = ["Unanswered"]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """check: None where the model is asked for answers alone."""

    check: AnswerableCheck | None = None

    async def verdict(
        self, question: Question, found: Verdict, before: Verdict | None = None
    ) -> Verdict | None:
        """That the question is unanswerable; None where the answers are to blame, or nobody knows.

        found   of the answer
        before  of the one that it is the revision of; None where it is none

        Raises `augcon.errors.ItemError` where the model gives nothing usable.
        """
        if self.check is None:
            twice = before is not None and before.reason == found.reason == "refusal"
            return rejected(UNANSWERABLE, f"refused twice: {found.detail}") if twice else None
        unsupported = before is not None and found.reason == "not_supported"
        if not (found.reason == "refusal" or unsupported):
            return None
        context = question.context
        told = await self.check.look(context.text, question.text, context.language)
        if told.share > 0:
            return None
        return rejected(UNANSWERABLE, told.evidence and f"closest is: {told.evidence}")
