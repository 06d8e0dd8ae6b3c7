"""Stage 2, second half: which of the questions are kept."""

from augcon.select.choose import choose, find_repeats, quota_of
from augcon.select.diverse import select_diverse

__all__ = ["choose", "find_repeats", "quota_of", "select_diverse"]
