"""A text in, the pieces out that contexts are put together from, each with the cost of a cut.

A piece is a sentence, or a heading, an item, a row or a piece of code; nothing longer than a
context is left whole. The costs say where a cut hurts a reader least, in the unit of the cost of
a badly filled context: an empty one costs 1, a full one 0. They are a judgement, not a
measurement: a paragraph is cut inside where keeping it whole would waste as much as an empty
context does, and a heading parts from its text only where nothing else keeps to the bound.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augcon.corpus.blocks import BlockKind, iter_blocks
from augcon.corpus.sentences import block_sentences
from augcon.corpus.spans import Span, trimmed
from augcon.corpus.units import count_units, units_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from augcon.corpus.blocks import Block

__all__ = ["Piece", "cut_pieces"]

_BEFORE_HEADING = 0.0
_BEFORE_PARAGRAPH = 0.05
_INSIDE_GROUP = 0.2  # between items or rows, or between these, or code, and what leads to them
_BETWEEN_SENTENCES = 1.0
_AFTER_STRONG_MARK = 1.2  # inside a sentence: after a semicolon, or a sentence that it quotes
_AFTER_CLAUSE = 1.5
_AT_SPACE = 2.5
_INSIDE_RUN = 3.0
_AFTER_HEADING = 10.0

_CLOSING = r"[”’」』）】》〉\"')\]]*\s*"
_STRONG_MARK = re.compile(rf"(?:[。！？；…]+|[;!?]+(?=[\s”’\"')])){_CLOSING}")
_CLAUSE_MARK = re.compile(rf"(?:[，、：—]+|[,:–](?=\s)){_CLOSING}")
_SPACE = re.compile(r"\s+")
_LINE_FEED = re.compile(r"\n\s*")
_IN_PROSE = ((_STRONG_MARK, _AFTER_STRONG_MARK), (_CLAUSE_MARK, _AFTER_CLAUSE), (_SPACE, _AT_SPACE))
_IN_CODE = ((_LINE_FEED, _AFTER_STRONG_MARK), (_SPACE, _AT_SPACE))
_PARTS = 8  # a sentence longer than a context is cut into parts of about this share of one


@dataclass(frozen=True, slots=True)
class Piece:
    """Half-open offsets of a piece, its length, and what a cut just before it costs."""

    start: int
    end: int
    units: int
    cut_cost: float


@dataclass(frozen=True, slots=True)
class _Gap:
    """A place inside a sentence where it may be cut."""

    at: int
    cost: float


def cut_pieces(text: str, language: str, longest: int) -> list[Piece]:
    """The pieces of a text, in order, none of more than `longest` units.

    They cover all of the text but white space. Every piece has a unit, except where the whole text
    has none: what counts nothing (a rule, an emoji) joins the piece before it.
    """
    pieces: list[Piece] = []
    for piece in _iter_pieces(text, language, longest):
        if pieces and 0 in (piece.units, pieces[-1].units):
            pieces[-1] = _joined(pieces[-1], piece)
        else:
            pieces.append(piece)
    return pieces


def _joined(left: Piece, right: Piece) -> Piece:
    return Piece(left.start, right.end, left.units + right.units, left.cut_cost)


def _iter_pieces(text: str, language: str, longest: int) -> Iterator[Piece]:
    latest = BlockKind.RULE
    heading_units = 0  # of the headings that the next piece belongs to
    for block in iter_blocks(text):
        cost = _cost_between(latest, block.kind)
        for span in block_sentences(text, block, language):
            units = count_units(text[span.start : span.end])
            room = longest - heading_units
            yield from _fitted(text, block, Piece(span.start, span.end, units, cost), room, longest)
            if units > 0:
                latest = block.kind
                heading_units = heading_units + units if latest is BlockKind.HEADING else 0
            cost = _BETWEEN_SENTENCES


def _cost_between(latest: BlockKind, kind: BlockKind) -> float:
    if latest is BlockKind.HEADING:
        return _AFTER_HEADING
    if kind is BlockKind.HEADING:
        return _BEFORE_HEADING
    return _BEFORE_PARAGRAPH if kind in (BlockKind.PARAGRAPH, BlockKind.RULE) else _INSIDE_GROUP


def _fitted(text: str, block: Block, piece: Piece, room: int, longest: int) -> Iterator[Piece]:
    """The piece, or its parts where it does not fit behind its headings, or at all."""
    room = room if room >= longest / 2 else longest
    if piece.units <= room:
        yield piece
    else:
        yield from _parts(text, piece, room, block.kind is BlockKind.CODE)


def _parts(text: str, piece: Piece, room: int, is_code: bool) -> Iterator[Piece]:
    """The piece in parts of one to two eighths of the room, so that a context can be well filled.

    Of the gaps within reach the cheapest is taken, the later of equals.
    """
    span = Span(piece.start, piece.end)
    edges = _unit_edges(text, span)
    fewest = max(1, room // _PARTS)
    most = min(2 * fewest, room)
    start, cost, done = piece.start, piece.cut_cost, 0
    while piece.units - done > most:
        reach = range(done + most, done + fewest - 1, -1)
        gap, taken = min(
            ((_gap(text, edges, n, is_code), n) for n in reach), key=lambda found: found[0].cost
        )
        part = trimmed(text, start, gap.at)
        yield Piece(part.start, part.end, taken - done, cost)
        start, cost, done = gap.at, gap.cost, taken
    part = trimmed(text, start, piece.end)
    yield Piece(part.start, part.end, piece.units - done, cost)


def _unit_edges(text: str, span: Span) -> array[int]:
    """Start and end of every unit in turn, flat: a sentence may be all of a large file."""
    edges = array("q")
    for unit in units_of(text[span.start : span.end]):
        edges.append(span.start + unit.start())
        edges.append(span.start + unit.end())
    return edges


def _gap(text: str, edges: array[int], n: int, is_code: bool) -> _Gap:
    """Where, and at what cost, to cut between the units n - 1 and n of a sentence."""
    left, right = edges[2 * n - 1], edges[2 * n]
    for pattern, cost in _IN_CODE if is_code else _IN_PROSE:
        if found := pattern.search(text, left, right):
            return _Gap(found.end(), cost)
    return _Gap(right, _INSIDE_RUN)
