"""Stage 2, second half: which of a root's questions are kept."""

from augcon.select.choose import choose, quota_of

__all__ = ["choose", "quota_of"]
