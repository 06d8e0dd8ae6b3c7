"""A text cut in one place, the border nearest its middle. Without vectors, and so without numpy."""

from __future__ import annotations

from collections.abc import Sequence

from augcon.corpus import sentence_spans
from augcon.records import Context

__all__ = ["halves", "sentence_borders"]


def halves(text: str, borders: Sequence[int]) -> tuple[str, ...]:
    """Both sides of the border nearest the middle that leaves something on either."""
    inside = [at for at in borders if text[:at].strip() and text[at:].strip()]
    if not inside:
        return ()
    cut = min(inside, key=lambda at: abs(2 * at - len(text)))
    return text[:cut].strip(), text[cut:].strip()


def sentence_borders(node: Context) -> list[int]:
    """Where the second and later sentences begin."""
    return [span.start for span in sentence_spans(node.text, node.language)][1:]
