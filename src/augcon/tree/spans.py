"""Where in its source a part of a context came from, also when the model has rewritten it."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from rapidfuzz.distance import LCSseq
from rapidfuzz.distance import Opcode as Block

from augcon.rouge import Token, token_spans

__all__ = ["Place", "locate"]

GAP_COST = 0.5  # a source token that the part does not hold, against one that it does
MAIN_SHARE = 0.65  # of the aligned tokens; a stretch with fewer is not the only one
SOLID = 8  # tokens in a row that are no name put in for a pronoun, nor there by chance
SOLID_CLAUSE = 3  # the same, of a clause that both texts have whole
LEAST_REACH = 2  # tokens to the border of a clause, whatever the part holds of its own
LATER_SHARE = 0.5  # of what the whole source explains, where that has names from before
OPENING = ("Ps", "Pi")  # Unicode's opening brackets and quotation marks
SENTENCE_END = re.compile(r"(?<=[.!?]) |(?<=[。！？])|\n")
CLAUSE_MARK = re.compile(r"[。，；：！？、…—\n]|(?P<spaced>[.,;:!?])")
SPACE = re.compile(r"\s")


class Place(NamedTuple):
    """A half-open character span, and the share of the part's tokens that it explains."""

    start: int
    end: int
    explained: float


def locate(part: str, source: str, after: int = 0) -> Place:
    """The stretch of `source` that `part` was made from.

    A verbatim part is simply found, at or past `after` if it is there too, so that the second of
    two equal sentences is not taken for the first; what lies past `after` is preferred for any
    other part as well, unless the part holds more than names from before it. Sentences that stand
    apart in the source are found one by one. Where anything was reworded, the tokens of both
    are aligned by their longest common subsequence, and the stretch with the most aligned and
    fewest foreign tokens is taken (a maximum-sum run), so that a stray "the" far away does not
    widen it. A part that was made from several stretches spans from the first to the last. Where
    the part says the first or last words of a clause in others, the stretch goes on to the
    clause's end. A part that shares no token with its source is given the whole of it, with
    nothing explained.
    """
    if (at := source.find(part, after)) >= 0 or (at := source.find(part)) >= 0:
        return Place(at, at + len(part), 1.0)
    if place := _whole_sentences(part, source, after) or _whole_sentences(part, source, 0):
        return place
    wanted, there = token_spans(part), token_spans(source)
    blocks = _aligned(wanted, there)
    place = _most_alike(part, source, wanted, there, blocks)
    if after:
        begins = any(
            there[block.dest_start].start < after and _solid(block, part, source, wanted, there)
            for block in blocks
        )
        later = locate(part, source[after:])
        if later.explained >= place.explained * (1.0 if begins else LATER_SHARE) > 0:
            return Place(later.start + after, later.end + after, later.explained)
    return place


def _whole_sentences(part: str, source: str, at: int) -> Place | None:
    """The place of a part that is sentences of the source, word for word and in order."""
    start = -1
    for sentence in SENTENCE_END.split(part):
        if not (told := sentence.strip()):
            continue
        if (found := source.find(told, at)) < 0:
            return None
        start = found if start < 0 else start
        at = found + len(told)
    return Place(start, at, 1.0) if start >= 0 else None


def _most_alike(
    part: str, source: str, wanted: list[Token], there: list[Token], blocks: list[Block]
) -> Place:
    shared = {i for block in blocks for i in range(block.dest_start, block.dest_end)}
    if not shared:
        return Place(0, len(source), 0.0)
    first, last = _densest(shared, len(there))
    for block in blocks:
        if _solid(block, part, source, wanted, there):
            first, last = min(first, block.dest_start), max(last, block.dest_end - 1)
    inside = sum(first <= i <= last for i in shared)
    if inside < MAIN_SHARE * len(shared):
        first, last, inside = min(shared), max(shared), len(shared)
    reach = len(wanted) - len(shared) + LEAST_REACH
    first, last = _to_clause(source, there, first, last, reach)
    start = _before_opening(source, there[first].start)
    end = _past_closing(source, there[last].end)
    return Place(start, end, inside / len(wanted))


def _aligned(wanted: list[Token], there: list[Token]) -> list[Block]:
    """The stretches that the longest common subsequence takes as they are."""
    blocks = LCSseq.opcodes([token.text for token in wanted], [token.text for token in there])
    return [block for block in blocks if block.tag == "equal"]


def _solid(block: Block, part: str, source: str, wanted: list[Token], there: list[Token]) -> bool:
    """Whether the part surely has these words from there."""
    if (length := block.dest_end - block.dest_start) >= SOLID:
        return True
    return (
        length >= SOLID_CLAUSE
        and _opens_clause(part, wanted, block.src_start)
        and _opens_clause(part, wanted, block.src_end)
        and _opens_clause(source, there, block.dest_start)
        and _opens_clause(source, there, block.dest_end)
    )


def _opens_clause(text: str, there: list[Token], at: int) -> bool:
    """Whether a clause begins with this token; what lies past the last counts as one that does."""
    if at in (0, len(there)):
        return True
    before, start = there[at - 1].end, there[at].start
    mark = CLAUSE_MARK.search(text, before, start)
    if mark is None or not mark["spaced"]:
        return mark is not None
    return SPACE.search(text, mark.end(), start) is not None


def _to_clause(
    source: str, there: list[Token], first: int, last: int, reach: int
) -> tuple[int, int]:
    """The stretch, grown at either edge to the border of its clause if that is within reach.

    What lies between was replaced, moved or dropped, and a part cannot stand for much more of it
    than it has tokens of its own: these are the reach.
    """
    before = range(first, max(-1, first - reach - 1), -1)
    behind = range(last, min(len(there), last + reach + 1))
    return (
        next((i for i in before if _opens_clause(source, there, i)), first),
        next((i for i in behind if _opens_clause(source, there, i + 1)), last),
    )


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
