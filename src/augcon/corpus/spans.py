"""A stretch of a text as a pair of offsets, so that nothing is copied before it is wanted.

Offsets count code points, as Python's strings do. Spans are half-open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["SentenceSplitter", "Span", "trimmed"]


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open offsets into a text: `text[start:end]`."""

    start: int
    end: int


# (text, language) → the spans of its sentences, in order; `augcon.corpus.sentence_spans` is one.
SentenceSplitter = Callable[[str, str], Sequence[Span]]


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without white space at its ends; empty where it holds nothing else."""
    without_head = text[start:end].lstrip()
    start = end - len(without_head)
    return Span(start, start + len(without_head.rstrip()))
