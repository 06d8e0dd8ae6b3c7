"""The embedded model's strategy: nothing is asked of it that it cannot do.

Where to divide is scored, not asked. For every sentence boundary: how likely the model would start
a new line there, how well the sentences hold together on either side (in the sentence encoder's
space), and how even the parts are. Not one token is generated for it, and the parts are the node's
own text. Asked outright, a model of 135 million parameters divides no text right.

A question is drawn several times, filtered by its words (`augcon.tree.candidates`), and the most
likely one that is left is taken. This is for English; see the language of the prompt.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from augcon.corpus import SentenceSplitter, Span
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, Unusable
from augcon.llm.encode import encode
from augcon.prompts import Prompt
from augcon.records import Context
from augcon.together import single_fault
from augcon.tree.candidates import objection, openings
from augcon.tree.split import Division, Weakening

__all__ = ["BoundaryDivider"]

Floats = npt.NDArray[np.float64]

NO_QUESTION = "no_candidate_passed_filter"
QUESTION_TOKENS = 40
WEAK_TOKENS = 80  # a weaker prompt makes it ramble
BALANCE_WEIGHT = 0.5
NEWLINE = 'root ::= "\\n"'
DRAWS = 2
MIN_LOGPROB = -1.2  # the few less likely ones that were read were nonsense
OPENING_TOKENS = 2  # forced by the grammar, so their probability says nothing about a question


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sampled question with its mean log-probability per token."""

    text: str
    logprob: float


class BoundaryDivider:
    """Divide at the best sentence boundary; ask by drawing, filtering and choosing.

    generator    the small model, for questions: chat with grammar and log-probabilities
    reader       the same model, for how likely a line break is: completion with the same
    encoder      the sentence encoder
    candidates   questions drawn for a node at once, at `temperature`
    """

    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(
        self,
        generator: Caller,
        reader: Caller,
        encoder: Caller,
        sentences: SentenceSplitter,
        prompt: Prompt,
        *,
        candidates: int = 3,
        temperature: float = 0.5,
    ) -> None:
        self._generator = generator
        self._reader = reader
        self._encoder = encoder
        self._sentences = sentences
        self._prompt = prompt
        self._candidates = candidates
        self._temperature = temperature
        self._shown = tuple(
            example[field.key] for example in prompt.examples for field in prompt.outputs
        )

    async def divide(self, node: Context, pass_number: int) -> Division:
        """The node's question of this pass, and its two parts, which are the same in every pass."""
        try:
            async with asyncio.TaskGroup() as group:
                parts = group.create_task(self._parts(node))
                asked = group.create_task(self._question(node, pass_number))
        except ExceptionGroup as faults:
            raise single_fault(faults) from faults
        question = asked.result()
        return Division(question, parts.result(), "" if question else NO_QUESTION)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        """One question as the weakened prompt gives it, taken as it comes."""
        seed = self._generator.seed_for(node.id, "weak", weakening)
        request = Request(
            "chat",
            self._prompt.weakened(weakening, seed).messages({"context": node.text}, "bare"),
            sampling=Sampling(self._temperature, max_tokens=WEAK_TOKENS),
            seed=seed,
            grammar=question_grammar(openings(node.text).general),
        )
        return await self._generator.ask(request, _first_finished)

    async def _parts(self, node: Context) -> tuple[str, ...]:
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

    async def _question(self, node: Context, pass_number: int) -> str:
        """The likeliest candidate that passes the filter; "" where two draws bring none.

        A draw is most of what a node costs, so the openings that ask for what the text shows are
        drawn only where the general ones have failed.
        """
        kinds = [kind for kind in astuple(openings(node.text)) if kind]
        for attempt in range(DRAWS):
            openings_now = kinds[attempt % len(kinds)]
            drawn = await self._draw(node, pass_number, attempt, openings_now)
            passed = [c for c in drawn if self._passes(c, node.text)]
            if passed:
                return max(passed, key=lambda c: (c.logprob, c.text)).text
        return ""

    def _passes(self, candidate: Candidate, text: str) -> bool:
        likely = candidate.logprob >= MIN_LOGPROB
        return likely and not objection(candidate.text, text, self._shown)

    async def _draw(
        self, node: Context, pass_number: int, attempt: int, kinds: tuple[str, ...]
    ) -> list[Candidate]:
        """Some questions that begin as one of these openings does."""
        request = Request(
            "chat",
            self._prompt.messages({"context": node.text}, "bare"),
            sampling=Sampling(self._temperature, max_tokens=QUESTION_TOKENS),
            seed=self._generator.seed_for(node.id, pass_number, "question", attempt),
            grammar=question_grammar(kinds),
            choices=self._candidates,
            top_logprobs=1,
        )
        return await self._generator.ask(request, _candidates)


def question_grammar(openings: tuple[str, ...]) -> str:
    """GBNF for one question, on one line, that begins as one of the openings does."""
    choices = " | ".join(f'"{opening}"' for opening in openings)
    return f'root ::= opening " " [^\\n?]+ "?"\nopening ::= {choices}'


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


def _candidates(reply: Reply) -> list[Candidate]:
    if not reply.choices:
        raise Unusable("the reply holds no candidates")
    return [Candidate(choice.text.strip(), _mean_logprob(choice)) for choice in reply.choices]


def _mean_logprob(choice: Choice) -> float:
    """Per token, of what the model was free to choose."""
    free = [token.logprob for token in choice.tokens[OPENING_TOKENS:]]
    return sum(free) / len(free) if free else -math.inf


def _first_finished(reply: Reply) -> str:
    for candidate in _candidates(reply):
        if candidate.text.endswith("?"):
            return candidate.text
    raise Unusable("no question came to its end")


def _first_logprob(reply: Reply) -> float:
    if not reply.choices or not reply.choices[0].tokens:
        raise Unusable("the reply holds no log-probability")
    return reply.choices[0].tokens[0].logprob
