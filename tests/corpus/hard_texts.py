"""Texts that a splitter finds hard: scripts, quotes, mark-up and white space in odd orders."""

from __future__ import annotations

from hypothesis import strategies as st

_FRAGMENTS = (
    "word",
    "Dr. Smith",
    "3.5 m",
    "e.g. this",
    "don't",
    "中文",
    "我们去了北京。",
    "「好。」",
    "“你好！”他说",
    "……",
    "。",
    "！",
    "?",
    ". ",
    ".",
    ", ",
    "，",
    "；",
    '"',
    "'",
    "(",
    ")",
    "）",
    "「",
    "」",
    " ",
    "\u3000",
    "\t",
    "\n",
    "\n\n",
    "\n\n\n",
    "\x85",
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\u200d",
    "e\u0301",
    "😀",
    "👨‍👩‍👧",
    "𠀀",
    "カﾞ",
    "# Title\n",
    "\n## 标题\n",
    "\n- item ",
    "\n1. first ",
    "\n一、总则\n",
    "\n| a | b |\n",
    "|---|---|\n",
    "\n```\n",
    "\n```py\nx = 1\n```\n",
    "\n~~~\n",
    "\n---\n",
    "\n===\n",
    "第一章 总则\n",
    "a\tb\tc\n",
    "http://a.b/c?d=e",
)

texts = st.lists(
    st.sampled_from(_FRAGMENTS) | st.characters(exclude_categories=("Cs",)), max_size=60
)
texts = texts.map("".join)
languages = st.sampled_from(("en", "zh", "de", "ja", "fr", "ru", "und", "xx"))


def written(text: str) -> str:
    """All of a text that is not white space."""
    return "".join(text.split())
