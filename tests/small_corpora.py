"""Small corpora made on the spot: facts about an invented valley, in English and in Chinese."""

from __future__ import annotations

import random
from pathlib import Path

ENGLISH = (
    "The {a} {n} of {p} was {v} in {y} by {w}.",
    "In {y} the people of {p} decided that no {a} {n} should be {v} without a permit.",
    "Every spring the {n} near {p} is {v} again, because the {a} frost of {y} damaged it.",
    "{w} wrote in {y} that the {a} {n} had been {v} twice before.",
    "A {a} {n} costs about {y} crowns in {p}, and {w} keeps the accounts.",
)
WORDS = {
    "a": "old narrow wooden copper northern silent public broken famous small".split(),
    "n": "bridge mill library tower canal market lantern archive orchard quarry".split(),
    "p": "Harwick Ostrel Venmoor Tallin Brisgau Kelby Norvale Dunsk".split(),
    "v": "built repaired painted measured closed opened moved drawn".split(),
    "w": "Anna Berg|Tom Hale|Ines Rook|Karl Voss|Mira Lund".split("|"),
    "y": [str(year) for year in range(1701, 1999, 7)],
}
CHINESE = (
    "{p}的{a}{n}于{y}年由{w}主持{v}。",
    "{y}年冬天，{p}的居民决定，未经许可不得{v}{a}{n}。",
    "{w}在{y}年的信中写道，{p}的{a}{n}曾经两次被{v}。",
    "因为{y}年的洪水，{p}附近的{n}每年春天都要重新{v}。",
)
CHARACTERS = {
    "a": "古老的 狭窄的 木制的 铜制的 安静的 著名的 小型的".split(),
    "n": "石桥 水磨坊 图书馆 钟楼 运河 集市 果园 采石场".split(),
    "p": "青石镇 云溪村 白河县 松岭 柳湾 东陵".split(),
    "v": "修建 修缮 测量 关闭 迁移 绘制".split(),
    "w": "李文远 周明德 陈秋白 赵若兰 孙立人".split(),
    "y": [str(year) for year in range(1701, 1999, 7)],
}


def english(seed: int, sentences: int) -> str:
    return " ".join(_sentences(seed, sentences, ENGLISH, WORDS))


def chinese(seed: int, sentences: int) -> str:
    return "".join(_sentences(seed, sentences, CHINESE, CHARACTERS))


def write_corpus(folder: Path, english_files: int = 2, chinese_files: int = 1) -> Path:
    """Files of about 220 words or 330 characters each, in two paragraphs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(english_files):
        text = f"{english(number, 10)}\n\n{english(number + 100, 8)}\n"
        (folder / f"valley-{number}.txt").write_text(text, encoding="utf-8")
    for number in range(chinese_files):
        text = f"{chinese(number, 8)}\n\n{chinese(number + 100, 7)}\n"
        (folder / f"山谷-{number}.md").write_text(text, encoding="utf-8")
    return folder


def _sentences(
    seed: int, number: int, shapes: tuple[str, ...], words: dict[str, list[str]]
) -> list[str]:
    draw = random.Random(seed)
    return [
        draw.choice(shapes).format(**{key: draw.choice(many) for key, many in words.items()})
        for _ in range(number)
    ]
