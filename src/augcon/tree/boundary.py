"""The embedded model's strategy: nothing is asked of it that it cannot do.

Where to divide is scored, not asked. For every sentence boundary: how likely the model would start
a new line there, how well the sentences hold together on either side (in the sentence encoder's
space), and how even the parts are. Not one token is generated for it, and the parts are the node's
own text. Asked outright, a model of 135 million parameters divides no text right.

What is asked about a node is another matter (`augcon.tree.questions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from augcon.corpus import SentenceSplitter, Span
from augcon.llm.base import Reply, Request, Sampling
from augcon.llm.call import Caller, Unusable
from augcon.llm.encode import encode
from augcon.records import Context

__all__ = ["BoundarySplitter", "balance_of_halves", "coherence_of_halves"]

Floats = npt.NDArray[np.float64]

BALANCE_WEIGHT = 0.5
NEWLINE = 'root ::= "\\n"'


class BoundarySplitter:
    """Divide at the best sentence boundary.

    reader   the small model, for how likely a line break is: completion with log-probabilities
    encoder  the sentence encoder
    """

    def __init__(self, reader: Caller, encoder: Caller, sentences: SentenceSplitter) -> None:
        self._reader = reader
        self._encoder = encoder
        self._sentences = sentences

    async def parts(self, node: Context) -> tuple[str, ...]:
        """The node's two parts; none of a single sentence."""
        spans = self._sentences(node.text, node.language)
        if len(spans) < 2:
            return ()
        scores = await self._boundary_scores(node.text, spans)
        cut = int(np.argmax(scores))
        return node.text[: spans[cut].end].strip(), node.text[spans[cut + 1].start :].strip()

    async def _boundary_scores(self, text: str, spans: Sequence[Span]) -> Floats:
        """How good it is to cut after each sentence but the last: (n_sentences - 1,)."""
        # One after the other: each text continues the one before, which the server has just read.
        newlines = [await self._newline_logprob(text[: span.end]) for span in spans[:-1]]
        vectors = await encode(self._encoder, [text[span.start : span.end] for span in spans])
        lengths = np.array([span.end - span.start for span in spans], dtype=np.float64)
        coherence = coherence_of_halves(vectors)
        balance = balance_of_halves(lengths)
        scores: Floats = standardised(np.array(newlines)) + standardised(coherence)
        return scores + BALANCE_WEIGHT * standardised(balance)

    async def _newline_logprob(self, text: str) -> float:
        """log P(newline | text). The grammar forces it; its probability is the model's own.

        The request holds nothing but the text, so that a left part, which begins as its parent
        does, finds its answers in the journal.
        """
        request = Request(
            "completion",
            text=text,
            sampling=Sampling(max_tokens=1),
            grammar=NEWLINE,
            top_logprobs=1,
        )
        return await self._reader.ask(request, _first_logprob)


def coherence_of_halves(vectors: Floats) -> Floats:
    """How well both sides of each boundary hold together: (n_sentences, hidden) → (n - 1,).

    For a side of n sentences with unit vectors it is |their sum|² / n: n where all mean the
    same, 1 where they have nothing in common.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    counts = np.arange(1, len(unit))
    left = np.cumsum(unit, axis=0)[:-1]
    right = unit.sum(axis=0) - left
    on_the_left = (left**2).sum(axis=1) / counts
    on_the_right = (right**2).sum(axis=1) / (len(unit) - counts)
    coherence: Floats = on_the_left + on_the_right
    return coherence


def balance_of_halves(lengths: Floats) -> Floats:
    """Minus the difference in length of both sides of each boundary, as a share of the whole."""
    left = np.cumsum(lengths)[:-1]
    balance: Floats = -np.abs(2 * left / lengths.sum() - 1)
    return balance


def standardised(values: Floats) -> Floats:
    """z-scores; all zero where the values do not differ."""
    spread = float(values.std())
    scores: Floats = (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
    return scores


def _first_logprob(reply: Reply) -> float:
    if not reply.choices or not reply.choices[0].tokens:
        raise Unusable("the reply holds no log-probability")
    return reply.choices[0].tokens[0].logprob
