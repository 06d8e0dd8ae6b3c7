"""Stage 2, first half: a scorer trained on the spot tells good questions from weak ones."""

from collections.abc import Sequence
from typing import Protocol

from augcon.records import Question
from augcon.scorer.contrast import Contrast, Contrasts, Spoiling, contrast, draw_pilot
from augcon.scorer.heuristic import HeuristicScorer
from augcon.scorer.linear import FEWEST_PAIRS, Accuracy, Fit, LinearScorer, features, fit

__all__ = [
    "FEWEST_PAIRS",
    "Accuracy",
    "Contrast",
    "Contrasts",
    "Fit",
    "HeuristicScorer",
    "LinearScorer",
    "Scorer",
    "Spoiling",
    "contrast",
    "draw_pilot",
    "features",
    "fit",
]


class Scorer(Protocol):
    """Sc(C, q): one number for each question, higher is better."""

    async def score(self, questions: Sequence[Question]) -> list[Question]:
        """The questions in their order, each with its score."""
        ...
