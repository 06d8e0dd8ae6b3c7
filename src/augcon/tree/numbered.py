"""The model sees numbered sentences and replies with numbers: a few tokens in place of the text.

The parts are the node's own text, so nothing in them can be invented or lost. What the paper's way
gets by polishing, a part that can be read alone, they lack; `augcon.tree.decontextualise` mends the
worst of it.
"""

from __future__ import annotations

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence

from augcon.corpus import Span, sentence_spans
from augcon.llm.call import Unusable
from augcon.records import Context
from augcon.tree.prompted import PromptedDivider
from augcon.tree.split import Division, Excerpt

__all__ = ["AssignDivider", "CutDivider", "joined", "numbered", "read_numbers"]

ONE = re.compile(r"\[?([0-9]{1,6})\]?")
SOME = re.compile(rf"{ONE.pattern}(?:\s*[-–~至]\s*{ONE.pattern})?")  # a number or a range
BETWEEN = re.compile(r"\s*(?:[,、;]\s*(?:and\b|和)?|\band\b|[和与及])\s*|(?<=\])(?=\[)|\s+")
STOPS = ".。"
DASH = re.compile(r"\s*([-–~至])\s*")
GAPS = ("", " ", "\n", "\n\n")  # the wider of two comes later


class _NumberedDivider(PromptedDivider):
    def _shown(self, node: Context) -> Mapping[str, str]:
        return {"sentences": numbered(node.text, _spans(node))}

    def _known_parts(self, node: Context) -> tuple[Excerpt, ...] | None:
        spans = _spans(node)
        if len(spans) > 2:
            return None
        return tuple(_excerpt(node.text, spans, {n}) for n in (1, 2)) if spans[1:] else ()

    def _division(self, node: Context, outputs: Mapping[str, str]) -> Division:
        spans = _spans(node)
        first, second = self._numbers(outputs, len(spans))
        excerpts = (_excerpt(node.text, spans, first), _excerpt(node.text, spans, second))
        return Division.verbatim(outputs["question"], excerpts)

    @abstractmethod
    def _numbers(self, outputs: Mapping[str, str], most: int) -> tuple[set[int], set[int]]:
        """The numbers of the sentences of either part, of the numbers from 1 to `most`."""


class CutDivider(_NumberedDivider):
    """Asks a model for the question and for the last sentence of the first part."""

    prompt_name = "tree_boundary"

    def _numbers(self, outputs: Mapping[str, str], most: int) -> tuple[set[int], set[int]]:
        if not (found := ONE.fullmatch(_plain(outputs["last"]))):
            raise Unusable("the place to divide is not a number")
        if not 1 <= (last := int(found[1])) < most:
            raise Unusable(f"there is no place to divide after sentence {last} of {most}")
        return set(range(1, last + 1)), set(range(last + 1, most + 1))


class AssignDivider(_NumberedDivider):
    """Asks a model for the question and for the sentences of the second part.

    The parts need not be contiguous; the one that holds the first sentence comes first.
    """

    prompt_name = "tree_assign"

    def _numbers(self, outputs: Mapping[str, str], most: int) -> tuple[set[int], set[int]]:
        one = read_numbers(outputs["second"], most)
        other = set(range(1, most + 1)) - one
        if not other:
            raise Unusable("one part has all the sentences")
        return (one, other) if 1 in one else (other, one)


def numbered(text: str, spans: Sequence[Span]) -> str:
    """Each sentence in a line of its own behind its number, paragraphs apart."""
    lines = []
    for number, span in enumerate(spans, 1):
        if number > 1 and _gap(text[spans[number - 2].end : span.start]) == GAPS[-1]:
            lines.append("")
        lines.append(f"[{number}] {text[span.start : span.end]}")
    return "\n".join(lines)


def read_numbers(told: str, most: int) -> set[int]:
    """The numbers from 1 to `most` in a list such as "3, 5-7", "[3][5]", 「3和5」 or "３。".

    Raises Unusable where it holds anything else, a number twice, or none.
    """
    numbers: list[int] = []
    for piece in BETWEEN.split(DASH.sub(r"\1", _plain(told))):
        if not (found := SOME.fullmatch(piece)):
            raise Unusable(f"{piece[:40]!r} is not the number of a sentence")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= most:
            raise Unusable(f"{piece!r} is not among the sentences 1 to {most}")
        numbers += range(first, last + 1)
    if len(set(numbers)) < len(numbers):
        raise Unusable("a sentence is named twice")
    return set(numbers)


def joined(text: str, spans: Sequence[Span], numbers: Collection[int]) -> str:
    """The sentences of these numbers in order, with as much between them as stands in the text:
    nothing between Chinese ones, an empty line between paragraphs."""
    parts: list[str] = []
    latest = 0
    for number in sorted(numbers):
        span = spans[number - 1]
        if parts and number == latest + 1:
            parts.append(text[spans[latest - 1].end : span.start])
        elif parts:
            skipped = range(latest, number)
            gaps = (_gap(text[spans[n - 1].end : spans[n].start]) for n in skipped)
            parts.append(max(gaps, key=GAPS.index))
        parts.append(text[span.start : span.end])
        latest = number
    return "".join(parts)


def _plain(told: str) -> str:
    """In ASCII digits, without the full stop of a sentence."""
    return unicodedata.normalize("NFKC", told).strip().rstrip(STOPS).rstrip()


def _excerpt(text: str, spans: Sequence[Span], numbers: Collection[int]) -> Excerpt:
    start, end = spans[min(numbers) - 1].start, spans[max(numbers) - 1].end
    return Excerpt(joined(text, spans, numbers), start, end)


def _gap(between: str) -> str:
    """What kind of gap stands between two sentences."""
    return GAPS[2 + (between.count("\n") > 1)] if "\n" in between else " " if between else ""


def _spans(node: Context) -> Sequence[Span]:
    return sentence_spans(node.text, node.language)
