"""Where in its source a part of a context came from, also when the model has rewritten it."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from augcon.rouge import token_spans, tokens

__all__ = ["Place", "locate"]

GAP_COST = 0.5  # a source token that the part does not hold, against one that it does
MAIN_SHARE = 0.65  # of the aligned tokens; a stretch with fewer is not the only one
OPENING = ("Ps", "Pi")  # Unicode's opening brackets and quotation marks


class Place(NamedTuple):
    """A half-open character span, and the share of the part's tokens that it explains."""

    start: int
    end: int
    explained: float


def locate(part: str, source: str, after: int = 0) -> Place:
    """The stretch of `source` that `part` was made from.

    A verbatim part is simply found, at or past `after` if it is there too, so that the second of
    two equal sentences is not taken for the first; what lies past `after` is preferred for any
    other part as well, where it explains no less of it. The tokens of both are aligned by
    their longest common subsequence, and the stretch with the most aligned and fewest foreign
    tokens is taken (a maximum-sum run), so that a stray "the" far away does not widen it. A part
    that was made from several stretches spans from the first to the last. A part that shares no
    token with its source is given the whole of it, with nothing explained.
    """
    if (at := source.find(part, after)) >= 0 or (at := source.find(part)) >= 0:
        return Place(at, at + len(part), 1.0)
    place = _most_alike(part, source)
    if after:
        later = _most_alike(part, source[after:])
        if later.explained >= place.explained > 0:
            return Place(later.start + after, later.end + after, later.explained)
    return place


def _most_alike(part: str, source: str) -> Place:
    wanted, there = tokens(part), token_spans(source)
    shared = _aligned(wanted, [token.text for token in there])
    if not shared:
        return Place(0, len(source), 0.0)
    first, last = _densest(shared, len(there))
    inside = sum(first <= i <= last for i in shared)
    if inside < MAIN_SHARE * len(shared):
        first, last, inside = min(shared), max(shared), len(shared)
    start = _before_opening(source, there[first].start)
    end = _past_closing(source, there[last].end)
    return Place(start, end, inside / len(wanted))


def _aligned(wanted: list[str], there: list[str]) -> set[int]:
    """Which tokens of `there` are in the longest common subsequence."""
    return {
        i
        for block in LCSseq.opcodes(wanted, there)
        if block.tag == "equal"
        for i in range(block.dest_start, block.dest_end)
    }


def _densest(shared: set[int], n_tokens: int) -> tuple[int, int]:
    """First and last token of the run with the highest sum of gains and gap costs (Kadane)."""
    best, best_run, here, begun = 0.0, (min(shared), min(shared)), 0.0, 0
    for i in range(n_tokens):
        if here <= 0:
            here, begun = 0.0, i
        here += 1.0 if i in shared else -GAP_COST
        if here > best:
            best, best_run = here, (begun, i)
    return best_run


def _past_closing(text: str, at: int) -> int:
    while at < len(text) and not text[at].isspace() and not text[at].isalnum():
        if unicodedata.category(text[at]) in OPENING:
            break
        at += 1
    return at


def _before_opening(text: str, at: int) -> int:
    while at > 0 and unicodedata.category(text[at - 1]) in OPENING:
        at -= 1
    return at
