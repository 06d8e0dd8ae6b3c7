"""The chat that the embedded model's adapter was trained on: a text, a question, its answer.

The answer is asked for in the chat that asked the question, so that the server still holds the
text, and with the sentences of the text that are closest to the question, where they are not all
of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from augcon.llm.base import Message
from augcon.prompts.library import Library
from augcon.prompts.prompt import Prompt, defused

__all__ = ["Exchange"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The turns, in the words of the prompt files `tuned_question` and `tuned_answer`."""

    question_prompt: Prompt
    answer_prompt: Prompt

    @classmethod
    def of(cls, library: Library) -> Exchange:
        return cls(library.prompt("tuned_question", "en"), library.prompt("tuned_answer", "en"))

    def ask(self, context: str) -> tuple[Message, ...]:
        """The turns to which the reply is a question."""
        return self.question_prompt.messages({"context": context}, "bare")

    def answer(self, context: str, question: str, window: str) -> tuple[Message, ...]:
        """The turns to which the reply is its answer."""
        asked = self.answer_prompt.instruction
        if window.strip() != context.strip():
            asked = f"{asked}\n\n{defused(window)}"
        return (*self.ask(context), Message("assistant", defused(question)), Message("user", asked))
