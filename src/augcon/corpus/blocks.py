"""A document's text in, its blocks out: paragraphs, headings, list items, table rows, code.

One pass over the lines, so any text takes linear time. The trade-off: this knows as much Markdown
as it takes not to join a heading, an item, a row or a piece of code with its neighbours, and no
more; a plain text without any mark-up comes out as its paragraphs. Two habits of plain Chinese
texts count too: a paragraph that opens with an indent, and one line for each paragraph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from augcon.corpus.spans import trimmed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "BlockKind", "iter_blocks"]


class BlockKind(Enum):
    """What a block is to its reader, which decides where it may be cut."""

    PARAGRAPH = "paragraph"
    HEADING = "heading"
    ITEM = "item"
    ROW = "row"
    CODE = "code"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Block:
    """Half-open offsets of a block, trimmed. Prose begins at `body`, after an item's marker."""

    kind: BlockKind
    start: int
    end: int
    body: int


# What a line opens with. The groups' names are the kinds; the first that fits wins.
_LINE = re.compile(
    r"""[ \t]*+(?:
      (?P<blank>\s*+\Z)
    | (?P<code>(?P<fence>`{3,}+|~{3,}+)[^`]*+\Z)
    | (?P<heading>\#{1,6}(?:[ \t]|\Z))
    | (?P<rule>(?P<dash>[-*_=~])(?:[ \t]*+(?P=dash)){2,}+\s*+\Z)
    | (?P<row>\|)
    | (?P<item>[-*+•·‣◦](?=\s)|[（(](?:\d{1,3}|[一二三四五六七八九十]{1,3}|[a-z])[)）]
             |[一二三四五六七八九十]{1,3}、|[（(]?(?:\d{1,3}|[a-zA-Z])[.)）](?=\s)|\d{1,3}[、．])
    )""",
    re.VERBOSE,
)
_FENCE_CLOSED = re.compile(r"[ \t]*+(`{3,}+|~{3,}+)\s*+\Z")
_UNDERLINE = re.compile(r"[ \t]{0,3}(?:=+|-{2,})\s*\Z")
_FIRST_OR_BULLET = re.compile(
    r"[ \t]*+(?:[(]?(?:1|a)[.)、．]|[一二三四五六七八九十]{1,3}、|[^\w(])"
)
_CHAPTER = re.compile(
    r"\s*(?:第[一二三四五六七八九十百千零〇两\d]+[章节回卷部篇编集](?P<gap>[\s　:：]|\Z)?"
    r"|(?i:chapter|part|section|book|appendix)[ \t]+(?:\d+|[IVXLC]+|[A-Z])\b)"
)
_ENDS_SENTENCE = re.compile(r"[。！？…｡!?.][”’」』）】》〉\"')\]]*\Z")
_ENDS_CHINESE_SENTENCE = re.compile(r"[。！？…｡][”’」』）】》〉]*\Z")
_NEVER_WRAPPED = 120  # characters; a longer line was not wrapped, so its end ends a paragraph
_LONGEST_TITLE = 60
_ENDING = 16  # so much of a line tells how it ends
_TABLE_GAPS = 2  # a line with as many tabs or spaced bars inside is a row of a table


def iter_blocks(text: str) -> Iterator[Block]:
    """The blocks of a text in order; all that is not white space is inside exactly one."""
    return _Scanner(text).blocks()


class _Line(NamedTuple):
    start: int
    end: int  # before the line feed
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


class _Scanner:
    """Walks over the lines once; an open block is its kind, its start and its latest line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._kind: BlockKind | None = None
        self._start = self._body = 0
        self._last: _Line | None = None  # the latest line of the open block
        self._n_lines = 0  # how many lines the open block has
        self._unclosed: dict[str, int] = {}  # fence character → shortest length known to stay open

    def blocks(self) -> Iterator[Block]:
        while self._at < len(self._text):
            line = self._line(self._at)
            self._at = line.end + 1
            yield from self._take(line)
        yield from self._close()

    def _line(self, start: int) -> _Line:
        end = self._text.find("\n", start)
        end = len(self._text) if end < 0 else end
        return _Line(start, end, self._text[start:end])

    def _take(self, line: _Line) -> Iterator[Block]:
        match = _LINE.match(line.text) if line.text else None
        mark = "" if match is None else match.lastgroup or ""
        if self._underlines(line):
            self._extend(line)
            self._kind = BlockKind.HEADING
            yield from self._close()
        elif mark == "blank" or not line.text:
            yield from self._close()
        elif match is not None and mark == "code" and (end := self._fence_end(match["fence"])):
            yield from self._close()
            yield self._fenced(line.start, end)
        else:
            yield from self._take_text(line, mark, match.end() if match else 0)

    def _take_text(self, line: _Line, mark: str, marker_end: int) -> Iterator[Block]:
        kind = self._kind_of(line, mark)
        if kind is None:
            self._extend(line)
            return
        yield from self._close()
        body = line.start + marker_end if kind is BlockKind.ITEM else line.start
        self._kind, self._start, self._body = kind, line.start, body
        self._extend(line)
        if kind not in (BlockKind.PARAGRAPH, BlockKind.ITEM):
            yield from self._close()

    def _kind_of(self, line: _Line, mark: str) -> BlockKind | None:
        """The kind of block that this line opens, or None where it goes on with the open one."""
        if mark in ("heading", "rule", "row"):
            return BlockKind(mark)
        if mark == "item" and self._may_open_item(line):
            return BlockKind.ITEM
        if _is_row(line.text):
            return BlockKind.ROW
        if not self._opens_paragraph(line):
            return None
        return BlockKind.HEADING if self._is_chapter(line) else BlockKind.PARAGRAPH

    def _may_open_item(self, line: _Line) -> bool:
        """A number that opens a line inside a wrapped paragraph is no item, unless it is a 1."""
        if self._kind is not BlockKind.PARAGRAPH or self._opens_paragraph(line):
            return True
        return _FIRST_OR_BULLET.match(line.text) is not None

    def _opens_paragraph(self, line: _Line) -> bool:
        if self._last is None or line.text.startswith("\u3000"):
            return True
        latest = self._last.text[-_ENDING:].rstrip()
        if _ENDS_CHINESE_SENTENCE.search(latest):
            return True
        if self._kind is BlockKind.ITEM:
            return self._text[self._body - 1] in "、）．"
        if len(self._last.text) > _NEVER_WRAPPED:
            return True
        return line.indent > self._last.indent and _ENDS_SENTENCE.search(latest) is not None

    def _is_chapter(self, line: _Line) -> bool:
        """A numbered title of a plain text: "第一章 总则", or "CHAPTER II" on a line of its own."""
        title = line.text.strip()
        match = _CHAPTER.match(line.text)
        if match is None or len(title) > _LONGEST_TITLE or _ENDS_SENTENCE.search(title):
            return False
        return match["gap"] is not None or not self._line(line.end + 1).text.strip()

    def _underlines(self, line: _Line) -> bool:
        """Whether this line makes the single line before it a heading, as Markdown's === does."""
        if self._kind is not BlockKind.PARAGRAPH or self._last is None or self._n_lines > 1:
            return False
        title = self._last.text
        if len(title) > _NEVER_WRAPPED or _ENDS_CHINESE_SENTENCE.search(title.rstrip()):
            return False
        return _UNDERLINE.match(line.text) is not None

    def _fence_end(self, fence: str) -> int | None:
        """Where code ends that a fence opens here; None if it stays open, and so is no code.

        What stays open once stays open for every later fence as long, so the text is searched to
        its end at most once for each length.
        """
        if len(fence) >= self._unclosed.get(fence[0], len(fence) + 1):
            return None
        at = self._at
        while (at := self._text.find(fence, at)) >= 0:
            line = self._line(self._text.rfind("\n", 0, at) + 1)
            if _FENCE_CLOSED.match(line.text):
                return line.end
            at = line.end
        self._unclosed[fence[0]] = len(fence)
        return None

    def _fenced(self, start: int, end: int) -> Block:
        self._at = end + 1
        span = trimmed(self._text, start, end)
        return Block(BlockKind.CODE, span.start, span.end, span.start)

    def _extend(self, line: _Line) -> None:
        self._last = line
        self._n_lines += 1

    def _close(self) -> Iterator[Block]:
        if self._kind is not None and self._last is not None:
            span = trimmed(self._text, self._start, self._last.end)
            yield Block(self._kind, span.start, span.end, max(self._body, span.start))
        self._kind = self._last = None
        self._n_lines = 0


def _is_row(line: str) -> bool:
    """A row of a table without outer bars, or of a file of values set apart by tabs."""
    return max(line.count(" | "), line.strip().count("\t")) >= _TABLE_GAPS
