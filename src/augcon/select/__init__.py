"""Stage 2, second half: which of the questions are kept."""

from augcon.select.choose import choose, find_repeats, quota_of, soundness
from augcon.select.classify import Classifier
from augcon.select.diverse import select_diverse
from augcon.select.mix import apportion, finest_short, n_placed
from augcon.select.unknown import choose_unknown, most_unknown

__all__ = [
    "Classifier",
    "apportion",
    "choose",
    "choose_unknown",
    "find_repeats",
    "finest_short",
    "most_unknown",
    "n_placed",
    "quota_of",
    "select_diverse",
    "soundness",
]
