"""Parts that are computed, not asked for: no model reads the text to find them.

    middle     at the sentence border nearest the middle, the paper's ablation
    recursive  between paragraphs, else sentences, else clauses, nearest the middle: what
               retrieval libraries do
    semantic   between the sentences whose sides have the least in common, by embeddings

The parts are the node's own text, less white space at the cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from augcon.corpus import sentence_spans
from augcon.llm.call import Caller
from augcon.llm.encode import encode
from augcon.records import Context
from augcon.tree.boundary import balance_of_halves, coherence_of_halves
from augcon.tree.halves import halves, sentence_borders

__all__ = ["MiddleSplitter", "RecursiveSplitter", "SemanticSplitter"]

CLOSERS = r"[”’」』）】》〉\"')\]]*"
PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
# A comma within a number, a colon within a time: in scripts with spaces a clause ends before one.
STRONG_CLAUSE = re.compile(rf"(?:[；：]|[;:](?=\s)|—+){CLOSERS}\s*")
CLAUSE = re.compile(rf"(?:[，、]|,(?=[\s”’\"')\]])){CLOSERS}\s*")
DECIMALS = 9  # to which two cuts are equally good


class MiddleSplitter:
    """Cut at the sentence border nearest the middle."""

    async def parts(self, node: Context) -> tuple[str, ...]:
        return halves(node.text, sentence_borders(node))


class RecursiveSplitter:
    """Cut at the coarsest kind of border that the text has, nearest the middle."""

    async def parts(self, node: Context) -> tuple[str, ...]:
        for borders in _borders_by_kind(node):
            if parts := halves(node.text, borders):
                return parts
        return ()


@dataclass(frozen=True, slots=True)
class SemanticSplitter:
    """Cut where the sides have the least in common, nearest the middle of several such places.

    With unit vectors, |sum|²/n of both sides together is largest where the distance of their means,
    weighted by their lengths, is (as in Ward's clustering), so that a stray sentence at an end is
    not cut off before the subject changes.
    """

    encoder: Caller

    async def parts(self, node: Context) -> tuple[str, ...]:
        spans = sentence_spans(node.text, node.language)
        if len(spans) < 2:
            return ()
        vectors = await encode(self.encoder, [node.text[s.start : s.end] for s in spans])
        coherence = np.round(coherence_of_halves(vectors), DECIMALS)
        lengths = np.array([span.end - span.start for span in spans], dtype=np.float64)
        cut = max(zip(coherence, balance_of_halves(lengths), spans[1:], strict=True), key=_merit)[2]
        return halves(node.text, [cut.start])


def _merit(cut: tuple[float, float, object]) -> tuple[float, float]:
    return cut[0], cut[1]


def _borders_by_kind(node: Context) -> Iterator[list[int]]:
    yield [found.end() for found in PARAGRAPH.finditer(node.text)]
    yield sentence_borders(node)
    for mark in (STRONG_CLAUSE, CLAUSE):
        yield [found.end() for found in mark.finditer(node.text)]
