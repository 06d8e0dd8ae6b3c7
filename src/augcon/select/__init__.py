"""Stage 2, second half: which of the questions are kept."""

from augcon.select.choose import choose, find_repeats, quota_of, soundness
from augcon.select.classify import Classifier
from augcon.select.diverse import select_diverse
from augcon.select.mix import apportion, finest_short, n_placed

__all__ = [
    "Classifier",
    "apportion",
    "choose",
    "find_repeats",
    "finest_short",
    "n_placed",
    "quota_of",
    "select_diverse",
    "soundness",
]
