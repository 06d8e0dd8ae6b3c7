"""How large a tree becomes: by its text and λ alone, whatever the text and the model are like."""

from __future__ import annotations

import asyncio
import math
import time
import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from augcon.corpus import count_units, cut_contexts, sentence_spans
from augcon.prompts import Weakening
from augcon.records import Context, Document, Node
from augcon.tree import Division, Tree
from tests.hard_corpora import HARD, language_of, one_line
from tests.small_corpora import chinese, english

SHORTEST = 20  # λ
Parts = Callable[[Context], tuple[str, ...]]


class Dividing:
    """Asks the same of every context, and divides it as a function says."""

    languages: frozenset[str] | None = None

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def divide(self, node: Context, pass_number: int) -> Division:
        return Division("Why?" if node.language == "en" else "为什么？", self._parts(node))

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return "Why?"


def halves(node: Context) -> tuple[str, ...]:
    """At the sentence that begins closest to the middle; a single one at a unit, as a model may."""
    text = node.text
    begins = [span.start for span in sentence_spans(text, node.language)][1:]
    if not begins:
        gaps = [i for i, letter in enumerate(text) if letter == " "] or range(1, len(text))
        begins = [i for i in gaps if text[:i].strip() and text[i:].strip()]
    if not begins:
        return ()
    cut = min(begins, key=lambda start: abs(2 * start - len(text)))
    return text[:cut].strip(), text[cut:].strip()


def grow(text: str, language: str, longest: int, parts: Parts = halves) -> list[tuple[Node, ...]]:
    """One pass over every root of the text."""
    tree = Tree(Dividing(parts), SHORTEST, 0.7)
    roots = cut_contexts(Document.of("a.txt", text, language), longest, SHORTEST)

    async def all_of_them() -> list[tuple[Node, ...]]:
        return [await tree.grow(root, 0) for root in roots]

    return asyncio.run(all_of_them())


def questions(trees: Sequence[Sequence[Node]]) -> int:
    return sum(node.question is not None for tree in trees for node in tree)


def deepest(tree: Sequence[Node]) -> int:
    return max(node.context.depth for node in tree)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_grow_linearly_with_the_text(language: str) -> None:
    make, short = (english, 20) if language == "en" else (chinese, 12)
    rates = []
    for times in (1, 2, 4, 8):
        text = make(1, short * times)
        rates.append(questions(grow(text, language, 500)) / count_units(text))
    assert max(rates) < 1.5 * min(rates)
    assert 0.5 / SHORTEST < rates[-1] < 2 / SHORTEST


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("longest", [80, 160, 320, 640])
def test_a_tree_is_as_deep_as_its_root_can_be_halved_down_to_the_shortest_length(
    language: str, longest: int
) -> None:
    text = english(2, 90) if language == "en" else chinese(2, 60)
    for tree in grow(text, language, longest):
        root = tree[0].context
        levels = math.log2(root.units / SHORTEST)
        assert math.floor(levels) <= deepest(tree) <= math.ceil(levels) + 2


@pytest.mark.parametrize("name", HARD)
def test_no_text_makes_a_tree_run_away(name: str) -> None:
    text, language = HARD[name], language_of(HARD[name])
    trees = grow(text, language, 200)
    assert trees
    for tree in trees:
        root = tree[0].context
        assert len(tree) <= 4 * root.units / SHORTEST + 1
        assert deepest(tree) <= math.log2(root.units / SHORTEST) + 2
        assert all(node.context.units < SHORTEST or node.question for node in tree)
    assert questions(trees) >= count_units(text) / 200


def peeled(node: Context) -> tuple[str, ...]:
    first, _, rest = node.text.partition(" ")
    return (first, rest) if rest else ()


def overlapping(node: Context) -> tuple[str, ...]:
    words = node.text.split()
    return " ".join(words[: 3 * len(words) // 5]), " ".join(words[2 * len(words) // 5 :])


def first_half_twice(node: Context) -> tuple[str, ...]:
    words = node.text.split()
    half = " ".join(words[: len(words) // 2])
    return half, half


def itself(node: Context) -> tuple[str, ...]:
    return node.text, node.text


@pytest.mark.parametrize("parts", [peeled, overlapping, first_half_twice, itself])
@pytest.mark.parametrize("text", [english(3, 40), HARD["one word"], HARD["no punctuation"]])
def test_no_way_to_divide_makes_a_tree_run_away(parts: Parts, text: str) -> None:
    for tree in grow(text, "en", 400, parts):
        root = tree[0].context
        levels = math.ceil(math.log2(root.units / SHORTEST))
        assert deepest(tree) <= 2 * levels + 2
        assert len(tree) <= 4 * root.units / SHORTEST + 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_million_characters_in_one_line_are_cut_in_seconds(language: str) -> None:
    text = one_line(language, 1_000_000)
    began = time.process_time()
    roots = cut_contexts(Document.of("a.txt", text, language), 500, SHORTEST)
    assert time.process_time() - began < 20
    assert max(root.units for root in roots) <= 500
    assert len(roots) < 1.2 * count_units(text) / 500 + 1
    held = "".join("".join(root.text.split()) for root in roots)
    assert held == "".join(text.split())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_cutting_one_long_line_takes_memory_by_its_length_alone(language: str) -> None:
    def peak(characters: int) -> float:
        document = Document.of("a.txt", one_line(language, characters), language)
        tracemalloc.start()
        cut_contexts(document, 500, SHORTEST)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most / characters

    peak(1000)  # what is loaded once
    few, many = peak(25_000), peak(100_000)
    assert many < 1.5 * few
    assert many < 100
