"""Questions on contexts of their own, for the tests of answers."""

from __future__ import annotations

from augcon.corpus import count_units
from augcon.records import Context, Document, Question

MILL = (
    "The mill at Orrow was built in 1801 by Anna Kolbe. It ground rye for nine villages. "
    "A flood took its wheel in March 1854, and it was never repaired."
)
MILL_ZH = (
    "奥罗村的磨坊由安娜·科尔贝于1801年建成。它为九个村子磨黑麦。"
    "洪水在1854年3月冲走了水轮，此后再没有修复。"
)


def about(context: str, question: str, language: str = "en") -> Question:
    document = Document.of("d.txt", context, language)
    root = Context.root(document, 0, len(context), count_units(context), language)
    return Question.of(root, question, 0)


def about_mill(question: str = "What became of the mill at Orrow?") -> Question:
    return about(MILL, question)


def about_mill_zh(question: str = "奥罗村的磨坊后来怎样了？") -> Question:
    return about(MILL_ZH, question, "zh")
