"""Texts that give a tree nothing to hold on to: no sentences, no words, no meaning."""

from __future__ import annotations

__all__ = ["HARD", "language_of", "one_line"]

HARD = {
    "one word": "mill " * 400,
    "one character": "桥" * 400,
    "no punctuation": "the mill stands by the river and the bridge leads to the town where " * 30,
    "没有标点": "石桥很古老水磨坊在河边镇里的人每年春天都要重新测量它" * 16,
    "table": "| year | mill | crowns |\n|---|---|---|\n"
    + "".join(f"| {1700 + n} | mill {n} | {n * 17} |\n" for n in range(60)),
    "表格": "| 年份 | 磨坊 | 银元 |\n|---|---|---|\n"
    + "".join(f"| {1700 + n} | 第{n}座 | {n * 17} |\n" for n in range(40)),
    "code": "".join(
        f"def turn_{n}(wheel, speed):\n    if wheel.size > {n}:\n        return speed * {n}\n\n"
        for n in range(40)
    ),
    "代码": "".join(f"# 第{n}个水轮\n水轮[{n}] = 转速({n}) * 2\n" for n in range(40)),
    "links": "".join(f"- [Mill {n}](https://example.org/mills/{n}?page=1)\n" for n in range(50)),
    "链接": "".join(f"- [第{n}座磨坊](https://example.org/磨坊/{n})\n" for n in range(40)),
    "same sentence": "The mill of Harwick is old and grey. " * 50,
    "同一句": "青石镇的石桥很古老。" * 40,
}


def language_of(text: str) -> str:
    return "zh" if any("一" <= letter <= "鿿" for letter in text) else "en"


def one_line(language: str, characters: int) -> str:
    """So many characters without a line feed or a mark."""
    piece = HARD["没有标点" if language == "zh" else "no punctuation"]
    return (piece * (characters // len(piece) + 1))[:characters]
