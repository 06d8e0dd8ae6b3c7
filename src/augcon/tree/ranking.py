"""Which of several question candidates of the embedded model is best: a few measures, weighed.

    candidates, text, sentence vectors ──▶ measures (n_candidates, n_measures) ──▶ log-odds

The weights are a logistic regression on candidates for development texts that were read one by one:
is this question grammatical, does it stand alone, and does the text answer it (`docs/rubric.md`)?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from augcon.tree.candidates import stems_in_order, unnamed
from augcon.words import sentences

__all__ = ["MEASURES", "WEIGHTS", "Candidate", "log_odds", "measures"]

Floats = npt.NDArray[np.float64]

MEASURES = ("mean_logprob", "joined", "told", "meaning", "words", "unnamed")
WEIGHTS = (2.58, 0.52, -2.81, -2.01, -0.13, -0.88)
CONSTANT = 3.71


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sampled question with the log-probability of each of its tokens."""

    text: str
    logprobs: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else float("-inf")


def log_odds(
    candidates: Sequence[Candidate], text: str, questions: Floats, said: Floats
) -> list[float]:
    """Of each candidate being a good question about the text. The vectors are as in `measures`."""
    found = measures(candidates, text, questions, said)
    return [float(odds) for odds in found @ np.array(WEIGHTS) + CONSTANT]


def measures(candidates: Sequence[Candidate], text: str, questions: Floats, said: Floats) -> Floats:
    """What can be told of each candidate: (n_candidates, n_measures).

    mean_logprob   of its tokens
    joined         the share of its neighbouring content words that stand in one sentence together
    told           the share of the text's content words that it holds
    meaning        its cosine to the closest sentence
    words          how many it has
    unnamed        how many things it names as known that the text takes as known too

    questions (n_candidates, hidden), said (n_sentences, hidden): vectors of the encoder, of the
    candidates and of the text's sentences
    """
    closest = (_unit(questions) @ _unit(said).T).max(axis=1)
    rows = [
        (
            candidate.mean,
            *_lexical(candidate.text, text),
            float(closest[n]),
            float(len(candidate.text.split())),
            float(unnamed(candidate.text, text)),
        )
        for n, candidate in enumerate(candidates)
    ]
    return np.array(rows)


def _lexical(question: str, text: str) -> tuple[float, float]:
    """`joined` and `told`."""
    asked = stems_in_order(question)
    said = [set(stems_in_order(sentence)) for sentence in sentences(text)]
    held = set().union(*said)
    pairs = [set(pair) for pair in pairwise(asked) if set(pair) <= held]
    joined = sum(any(pair <= sentence for sentence in said) for pair in pairs)
    return joined / len(pairs) if pairs else 1.0, len(held & set(asked)) / max(1, len(held))


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
