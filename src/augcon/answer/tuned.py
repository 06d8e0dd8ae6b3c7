"""The embedded model's answers: written by the tuned model, and trusted only where the words agree.

    question ──▶ closest window ──▶ the model's answer ──holds only what its text says──▶ answer
                        └───────────────────────────────otherwise──────────────▶ the window itself

What the model writes fits the question; what it invents shows in its words. An answer with a name,
a number or too many words that its context does not hold gives way to the window, which is always
faithful. English only.
"""

from __future__ import annotations

import re

from augcon.answer.window import best_window
from augcon.corpus import SentenceSplitter
from augcon.errors import ItemError
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller
from augcon.prompts import Exchange
from augcon.records import Question
from augcon.words import content_words, foreign_name, is_negative, stem, stems, words

__all__ = ["TunedResponder", "unsupported"]

ANSWER_TOKENS = 160
MIN_SUPPORT = 0.9  # share of an answer's content words that its context or its question holds
WHOLE = re.compile(r"[.!?][\"'”’)]*$")


class TunedResponder:
    """Answer with the tuned model, or with the window where its answer cannot be trusted."""

    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(
        self, tuned: Caller, encoder: Caller, sentences: SentenceSplitter, exchange: Exchange
    ) -> None:
        self._tuned = tuned
        self._encoder = encoder
        self._sentences = sentences
        self._exchange = exchange

    async def respond(self, question: Question, sample: int = 0) -> str:
        """The same for every sample."""
        context = question.context
        spans = self._sentences(context.text, context.language)
        window = await best_window(self._encoder, context.text, spans, question.text)
        try:
            written = await self.write(question, window)
        except ItemError:
            return window
        return window if unsupported(written, context.text, question.text) else written

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        """None: a window is the context's own words, and there is no other that is as close."""
        return ""

    async def write(self, question: Question, window: str) -> str:
        """What the model says, whether or not it is true; "" where it says nothing."""
        request = Request(
            "chat",
            self._exchange.answer(question.context.text, question.text, window),
            sampling=Sampling(max_tokens=ANSWER_TOKENS),
            seed=self._tuned.seed_for(question.id, "answer"),
        )
        return await self._tuned.ask(request, lambda reply: reply.text.strip())


def unsupported(answer: str, context: str, question: str) -> str:
    """Why this answer is more than the context says, in a few words, or "" where it is not."""
    if not WHOLE.search(answer):
        return "it has no end"
    if named := foreign_name(answer, context):
        return f"{named!r} is not in the context"
    if is_negative(answer) and not is_negative(context):
        return "it denies what the context does not deny"
    said = content_words(answer)
    held = stems(words(context)) | stems(words(question))
    if not said or sum(stem(word) in held for word in said) < MIN_SUPPORT * len(said):
        return "its words are not the context's"
    if stems(said) <= stems(content_words(question)):
        return "it says no more than the question"
    return ""
