"""A document in, its root contexts out: the whole text, cut where it hurts a reader least.

All cuts of a document are chosen together, as a typesetter breaks a paragraph into lines: the sum
over contexts of ((l - length) / l)**2 and of the costs of the cuts is made as small as it can be
(Knuth and Plass, "Breaking paragraphs into lines", 1981). So a text a little longer than l becomes
two halves, not a full context and a crumb. The trade-off: a change at the start of a document may
move the cuts, and with them the ids, of all its contexts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcon.corpus.language import guess_language
from augcon.corpus.pieces import cut_pieces
from augcon.corpus.units import count_units
from augcon.records import Context

if TYPE_CHECKING:
    from augcon.corpus.pieces import Piece
    from augcon.records import Document

__all__ = ["cut_contexts"]

_TOO_SHORT = 1.0  # what a context shorter than the shortest costs on top
_FEW_UNITS = 20  # nothing can be said about the language of so short a context
_CONFIDENT = 0.7


def cut_contexts(document: Document, longest: int, shortest: int) -> list[Context]:
    """The root contexts of a document, in order, each of at most `longest` units (l).

    Everything but white space is inside exactly one of them. A document of fewer than `shortest`
    units is one context. Linear in the number of sentences times those that fit a context.
    """
    if longest < 1:
        raise ValueError(f"a context must hold at least one unit, not {longest}")
    pieces = cut_pieces(document.text, document.language, longest)
    starts = _choose_starts(pieces, longest, shortest)
    ends = [*starts[1:], len(pieces)] if pieces else []
    return [
        _context(document, pieces[first].start, pieces[after - 1].end)
        for first, after in zip(starts, ends, strict=True)
    ]


def _context(document: Document, start: int, end: int) -> Context:
    text = document.text[start:end]
    units = count_units(text)
    return Context.root(document, start, end, units, _language(document, text, units))


def _language(document: Document, text: str, units: int) -> str:
    """The document's, unless this stretch of it is clearly in another."""
    if units <= _FEW_UNITS:
        return document.language
    guess = guess_language(text)
    return guess.language if guess.confidence >= _CONFIDENT else document.language


def _choose_starts(pieces: list[Piece], longest: int, shortest: int) -> list[int]:
    """The pieces that contexts start with, by dynamic programming over the end of a context.

    `settled[i]` is the least cost of all contexts that end before piece i, and of a cut there.
    """
    import numpy as np

    n_pieces = len(pieces)
    length = np.cumsum([0, *(piece.units for piece in pieces)])
    cut_cost = [*(piece.cut_cost for piece in pieces), 0.0]
    sizes = np.arange(longest + 1)
    fit = ((longest - sizes) / longest) ** 2 + _TOO_SHORT * (sizes < shortest)
    lowest = np.searchsorted(length, length - longest).tolist()
    settled = np.zeros(n_pieces + 1)
    came_from = [0] * (n_pieces + 1)
    for end in range(1, n_pieces + 1):
        low = lowest[end]
        costs = settled[low:end] + fit[length[end] - length[low:end]]
        best = int(costs.argmin())
        came_from[end] = low + best
        settled[end] = costs[best] + cut_cost[end]
    return _trace_back(came_from)


def _trace_back(came_from: list[int]) -> list[int]:
    starts = []
    at = len(came_from) - 1
    while at > 0:
        at = came_from[at]
        starts.append(at)
    return starts[::-1]
