"""What settings and principles make of the checks of an answer, beside its context."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from augcon.answer.lexical import Passage
from augcon.prompts.library import SOURCE, prompt_language
from augcon.records import Question

__all__ = ["Terms", "without_source"]

_OPENS, _CLOSES = '[\\[(（【〔「《“"]', '[\\])）】〕」》”"]'
_LABEL = r"(?:source|see|来源|出处|引自|见)\s*[:：]?\s*"


@dataclass(frozen=True, slots=True)
class Terms:
    """By which an answer is measured.

    principles  by prompt language, as in their files; none where no model is told any
    language    of answers: "context" for that of their context, "en" or "zh"
    """

    principles: Mapping[str, str] = field(default_factory=dict)
    language: str = "context"

    def principles_for(self, question: Question) -> str:
        """Those that the answer was written by. What they name, such as a character, it may."""
        return self.principles.get(prompt_language(question.context.language), "")

    def source(self, question: Question) -> str:
        """What the answer has to name as its source; "" where the principles do not ask for it."""
        return question.context.document if SOURCE in self.principles_for(question) else ""

    def spoken(self, question: Question) -> str:
        """The language that the answer is to have."""
        return question.context.language if self.language == "context" else self.language

    def is_translated(self, question: Question) -> bool:
        """Whether that is another language than its context's."""
        return self.spoken(question) != question.context.language

    def passage(self, question: Question) -> Passage:
        """The context, read for what is said in answer to its question."""
        return Passage(
            *(question.context.text, question.text, question.context.language),
            self.principles_for(question),
            translated=self.is_translated(question),
        )


def without_source(text: str, source: str) -> str:
    """The text with blanks where it names its source, so that every place stays where it is.

    With its brackets and its label, as in "(Source: mill.md)": these are no claim on the subject.
    """
    if not source:
        return text
    named = f"(?:{_OPENS}\\s*)?(?:{_LABEL})?{re.escape(source)}(?:\\s*{_CLOSES})?"
    return re.sub(named, lambda found: " " * len(found[0]), text, flags=re.IGNORECASE)
