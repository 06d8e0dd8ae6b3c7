"""The embedded model's answers: the few sentences of the context that fit the question best.

A model of 135 million parameters answers freely and is wrong four times in five. So nothing is
generated: the window of one to three neighbouring sentences whose meaning is closest to the
question (in the sentence encoder's space) is the answer, word for word. It is always faithful,
and right in about two cases of three; what it is not is phrased to fit the question. English only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from augcon.corpus import SentenceSplitter, Span, count_units
from augcon.llm.call import Caller
from augcon.llm.encode import encode
from augcon.records import Question

__all__ = ["WindowResponder", "best_window"]

LONGEST = 3
FEWEST_UNITS = 6
WHOLE = re.compile(r"[.!?…][\"'”’)\]*_]*$")


class WindowResponder:
    """Answer with the best window, a verbatim stretch of the question's own context."""

    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(self, encoder: Caller, sentences: SentenceSplitter) -> None:
        self._encoder = encoder
        self._sentences = sentences

    async def respond(self, question: Question, sample: int = 0) -> str:
        """The same for every sample."""
        context = question.context
        spans = self._sentences(context.text, context.language)
        return await best_window(self._encoder, context.text, spans, question.text)

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        """None: a window is the context's own words, and there is no other that is as close."""
        return ""


async def best_window(
    encoder: Caller, text: str, spans: Sequence[Span], question: str, longest: int = LONGEST
) -> str:
    """The one to `longest` neighbouring sentences of the text closest in meaning to the question.

    spans  the sentences of the text
    """
    windows = _windows(text, spans, longest)
    if len(windows) == 1:
        return windows[0]
    asked, *offered = await encode(encoder, [question, *windows])
    cosines = (offered @ asked) / np.linalg.norm(offered, axis=1)
    return windows[int(np.argmax(cosines))]


def _windows(text: str, spans: Sequence[Span], longest: int) -> list[str]:
    """Every run of one to `longest` sentences that says something, short ones first.

    A heading, or a label such as "Item 1: the bell.", is closer to many a question than the
    sentence that answers it, and answers none: it is a window only where there is no other.
    """
    runs = [
        spans[first : first + length]
        for length in range(1, longest + 1)
        for first in range(len(spans) - length + 1)
    ]
    telling = [run for run in runs if all(_is_whole(text[s.start : s.end]) for s in run)]
    windows = [text[run[0].start : run[-1].end] for run in telling or runs]
    long_enough = [window for window in windows if count_units(window) >= FEWEST_UNITS]
    return long_enough or windows or [text.strip()]


def _is_whole(sentence: str) -> bool:
    return WHOLE.search(sentence) is not None
