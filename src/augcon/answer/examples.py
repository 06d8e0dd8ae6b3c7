"""Which annotated examples the answering prompt shows: E_R*, or none.

fixed    the same for every question of a language
nearest  for each question those whose context and question are closest in meaning to its own
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from augcon.corpus import count_units
from augcon.errors import ModelError, RequestFailed
from augcon.llm.call import Caller
from augcon.llm.encode import encode
from augcon.records import Context, Document, Question, Triplet, Verdict

__all__ = [
    "Examples",
    "FixedExamples",
    "NearestExamples",
    "as_question",
    "demand_judged",
    "demanding_a_server",
    "is_apart",
]

Vectors = npt.NDArray[np.float64]
DECIMALS = 9  # to which two examples are equally near


class Examples(Protocol):
    """One way to choose few-shot examples.

    `of` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    async def of(self, context: str, question: str, language: str) -> Sequence[Triplet]:
        """In the order in which they are shown. language: one that has prompts."""
        ...


@dataclass(frozen=True, slots=True)
class FixedExamples:
    """By language; one without any is answered zero-shot."""

    by_language: Mapping[str, Sequence[Triplet]]

    async def of(self, context: str, question: str, language: str) -> Sequence[Triplet]:
        return self.by_language.get(language, ())


@dataclass(frozen=True, slots=True)
class NearestExamples:
    """The `shots` closest annotated examples of a language, the closest last.

    How close: the cosine of the contexts and that of the questions together, so that a long
    context does not outweigh its question.

    meanings  by language: (n_annotated, context or question, hidden), of length 1
    """

    encoder: Caller
    shots: int
    annotated: Mapping[str, Sequence[Triplet]]
    meanings: Mapping[str, Vectors]

    @classmethod
    async def over(
        cls, encoder: Caller, annotated: Mapping[str, Sequence[Triplet]], shots: int
    ) -> NearestExamples:
        """With the annotated examples embedded, once for all questions."""
        meanings = {
            language: np.stack(
                [
                    await _directions(encoder, [t.context for t in some]),
                    await _directions(encoder, [t.question for t in some]),
                ],
                axis=1,
            )
            for language, some in annotated.items()
            if some
        }
        return cls(encoder, shots, annotated, meanings)

    async def of(self, context: str, question: str, language: str) -> Sequence[Triplet]:
        if language not in self.meanings:
            return ()
        asked = await _directions(self.encoder, [context, question])
        closeness = np.round((self.meanings[language] * asked).sum(axis=(1, 2)), DECIMALS)
        some = self.annotated[language]
        closest_first = np.argsort(-closeness, kind="stable")
        ranked = [t for place in closest_first if is_apart(t := some[place], context, question)]
        return ranked[: self.shots][::-1]


async def _directions(encoder: Caller, texts: Sequence[str]) -> Vectors:
    """(n_texts, hidden), of length 1."""
    vectors = await encode(encoder, texts)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Vectors = vectors / np.maximum(lengths, np.finfo(np.float64).tiny)
    return directions


def as_question(example: Triplet) -> Question:
    """An annotated item as the checks know questions: with a root context of its own."""
    document = Document.of(example.source, example.context, example.language)
    units = count_units(example.context)
    root = Context.root(document, 0, len(example.context), units, example.language)
    return Question.of(root, example.question, 0)


@contextmanager
def demanding_a_server(example: Triplet) -> Iterator[None]:
    """Raise ModelError where the server fails at this example: what is found of it is remembered,
    and a passing fault must not be."""
    try:
        yield
    except RequestFailed as error:
        raise ModelError(
            f"the annotated example {example.question!r} could not be dealt with: the server "
            f"failed. {error} Nothing is lost: the same command goes on once the server is well."
        ) from error


def demand_judged(verdict: Verdict) -> None:
    """Raise RequestFailed where an answer has no verdict because the server failed."""
    if verdict.reason == RequestFailed.reason:
        raise RequestFailed(verdict.detail)


def is_apart(example: Triplet, context: str, question: str) -> bool:
    """Whether an example may be shown for this item: it shares neither context nor question, and
    so does not give its answer away."""
    return example.question != question and example.context != context
