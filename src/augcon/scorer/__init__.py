"""Stage 2, first half: what tells good questions from weak ones, fitted on the spot or loaded.

Scorers of the kinds `lora` and `cross-encoder` need torch and live in `augcon.scorer.torch_scorer`,
which is imported only where one of them is used.
"""

from augcon.scorer.accuracy import (
    Accuracy,
    accuracy_by_kind,
    chance_warning,
    report_of,
    tested_pairs,
)
from augcon.scorer.base import Item, Score, Scorer, with_scores
from augcon.scorer.contrast import Contrast, Contrasts, Spoiling, contrast, draw_pilot
from augcon.scorer.heuristic import HeuristicScorer
from augcon.scorer.judge import JudgeScorer, gives_logprobs, load_judge
from augcon.scorer.linear import FEWEST_PAIRS, Fit, LinearScorer, features, fit, load_linear
from augcon.scorer.random import RandomScorer
from augcon.scorer.saved import KINDS, Card, card_of, facts_of, fingerprint, keep, read_card

__all__ = [
    "FEWEST_PAIRS",
    "KINDS",
    "Accuracy",
    "Card",
    "Contrast",
    "Contrasts",
    "Fit",
    "HeuristicScorer",
    "Item",
    "JudgeScorer",
    "LinearScorer",
    "RandomScorer",
    "Score",
    "Scorer",
    "Spoiling",
    "accuracy_by_kind",
    "card_of",
    "chance_warning",
    "contrast",
    "draw_pilot",
    "facts_of",
    "features",
    "fingerprint",
    "fit",
    "gives_logprobs",
    "keep",
    "load_judge",
    "load_linear",
    "read_card",
    "report_of",
    "tested_pairs",
    "with_scores",
]
