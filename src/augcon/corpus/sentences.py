"""A text in, the spans of its sentences out, in order and together covering all that is written.

Blocks are found first, so a heading, an item, a row or a piece of code is never joined with the
sentence after it; prose is then handed to sentencex, which knows the abbreviations of some 200
languages. sentencex takes quadratic time, so it is given windows. The trade-off: a sentence longer
than a window is put together from parts, and a quotation longer than one may be cut inside.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from augcon.corpus.blocks import BlockKind, iter_blocks
from augcon.corpus.spans import Span, trimmed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from augcon.corpus.blocks import Block

__all__ = ["block_sentences", "iter_sentences", "sentence_ends_whole", "sentence_spans"]

_WINDOW = 1000  # characters; sentencex takes twice as long for each with twice as many
_PROSE = (BlockKind.PARAGRAPH, BlockKind.ITEM)
_PUNCTUATION = re.compile(r"[^\w\s]")
_WORD = re.compile(r"\w")
_OTHER_SPACE = re.compile(r"[^\S ]")
_CLOSERS = re.compile(r"[”’」』）】》〉〕｝)\]}]++")
_MARK = re.compile(r"(?<=\S)(?:\[(?:\d{1,3}|[a-z][a-z ]{2,30})\])++")  # of a note, as in "[3]"
_STOP_ZH = re.compile(r"[。！？](?=[0-9０-９A-Za-zＡ-Ｚａ-ｚ])")
_OPENERS_AT_END = re.compile(r"\s([\"'“‘«「『（《〈【〔(\[{]+)\Z")
_WHOLE = re.compile(r"[.!?。！？…｡．؟۔।॥։።][\"'”’»」』）】》〉)\]*_`]*\Z")
_EDGE = 8  # quotation marks, brackets and white space in a row are no more than these characters


def sentence_spans(text: str, language: str) -> list[Span]:
    """The sentences of a text, trimmed, in order, never overlapping.

    Every character that is not white space is inside exactly one span. A heading, a row of a
    table, a rule and a fenced piece of code are one span each. Linear in the length of the text.
    """
    return list(iter_sentences(text, language))


def iter_sentences(text: str, language: str) -> Iterator[Span]:
    """`sentence_spans`, one at a time, for who needs the first few only."""
    for block in iter_blocks(text):
        yield from block_sentences(text, block, language)


def sentence_ends_whole(text: str) -> bool:
    """Whether a text ends as a sentence does: terminal punctuation, then closers if any."""
    return _WHOLE.search(text[-_EDGE:]) is not None


def block_sentences(text: str, block: Block, language: str) -> Iterator[Span]:
    """The sentences of one block of the text; the marker of an item belongs to its first."""
    if block.kind not in _PROSE or not _PUNCTUATION.search(text, block.body, block.end):
        yield Span(block.start, block.end)
        return
    start = block.start
    for after in (*_starts(text, block, language), block.end):
        yield trimmed(text, start, after)
        start = after


def _starts(text: str, block: Block, language: str) -> Iterator[int]:
    """Where the second and later sentences start; what holds no word joins the one before it."""
    latest, seen = block.start, False
    boundaries = _boundaries(text, Span(block.body, block.end), language)
    for start in chain((_settled(text, at) for at in boundaries), (block.end,)):
        if _WORD.search(text, latest, start):
            if seen:
                yield latest
            seen = True
        latest = max(latest, start)


def _settled(text: str, start: int) -> int:
    """A sentence's start, moved so that closers stay behind it and openers come with it. The mark
    of a note, where it is written without a space, goes with what it is a note to."""
    if closed := _CLOSERS.match(text, start) or _MARK.match(text, start):
        return closed.end()
    openers = _OPENERS_AT_END.search(text[max(0, start - _EDGE) : start])
    return start - len(openers[1]) if openers else start


def _boundaries(text: str, span: Span, language: str) -> Iterator[int]:
    """Where sentencex sees sentences start, asked window by window.

    The last sentence of a window may go on behind it, so the next window starts with it. Where
    one sentence fills a window, the next goes on from the window's end.
    """
    at = span.start
    while at < span.end:
        end = _window_end(text, at, span.end)
        starts = [at + start for start in _ask_sentencex(text[at:end], language)]
        yield from starts
        at = starts[-1] if starts and end < span.end else end


def _window_end(text: str, start: int, limit: int) -> int:
    """At white space where there is some, for half a word may look like a sentence's end."""
    if limit - start <= _WINDOW:
        return limit
    end = start + _WINDOW
    return 1 + max(text.rfind(space, start + _WINDOW // 2, end) for space in " \n") or end


def _ask_sentencex(text: str, language: str) -> list[int]:
    """Offsets of the second and later sentences of a text that is one block.

    Every white space is a plain space for the library: a wrapped line that opens with a number is
    a list to it, and white space beyond ASCII makes it panic in some languages. A panic is no
    `Exception`, so without the guard it would end the run for one sentence's boundaries. It sees
    no boundary between a Chinese full stop and a digit or a Latin letter.
    """
    from sentencex import get_sentence_boundaries

    plain = _OTHER_SPACE.sub(" ", text)
    try:
        boundaries = get_sentence_boundaries(language, plain)
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        return []
    found = {boundary["start_index"] for boundary in boundaries}
    found.update(stop.end() for stop in _STOP_ZH.finditer(plain))
    return sorted(start for start in found if start > 0)
