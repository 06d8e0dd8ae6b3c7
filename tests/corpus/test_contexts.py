from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.corpus import count_units, cut_contexts
from augcon.records import Context, Document

from .hard_texts import languages, texts, written


def sentence(units: int, word: str = "word") -> str:
    return " ".join(["The", *[word] * (units - 1)]) + "."


def paragraph(*lengths: int) -> str:
    return " ".join(sentence(units) for units in lengths)


def contexts(text: str, longest: int, shortest: int = 0, language: str = "en") -> list[Context]:
    return cut_contexts(Document.of("a.md", text, language), longest, shortest)


def units(text: str, longest: int, shortest: int = 0) -> list[int]:
    return [context.units for context in contexts(text, longest, shortest)]


@given(texts, languages, st.integers(1, 40), st.integers(0, 60))
@settings(max_examples=400)
def test_contexts_keep_to_the_bound_and_hold_all_of_the_text(
    text: str, language: str, longest: int, shortest: int
) -> None:
    cut = contexts(text, longest, shortest, language)
    assert all(context.units == count_units(context.text) <= longest for context in cut)
    assert "".join(written(context.text) for context in cut) == written(text)
    assert all(context.text == text[context.start : context.end] for context in cut)
    assert all(context.text == context.text.strip() != "" for context in cut)
    assert all(left.end <= right.start for left, right in pairwise(cut))


def test_a_root_context_names_its_document_and_itself() -> None:
    [context] = contexts("One whole sentence.", 10)
    assert (context.document, context.depth, context.parent_id) == ("a.md", 0, None)
    assert context.root_id == context.id


def test_the_same_document_gives_the_same_contexts() -> None:
    text = "\n\n".join(paragraph(20, 30, 10) for _ in range(30))
    assert contexts(text, 100) == contexts(text, 100)


def test_a_document_a_little_longer_than_the_bound_becomes_two_halves() -> None:
    assert units(paragraph(*[20] * 26), 500) == [260, 260]


def test_a_crumb_of_a_paragraph_does_not_stand_alone() -> None:
    text = paragraph(*[20] * 25) + "\n\n" + sentence(20)
    assert min(units(text, 500, 100)) >= 200


def test_paragraphs_are_cut_between_and_not_inside() -> None:
    text = "\n\n".join([paragraph(*[20] * 15)] * 3)
    assert units(text, 500) == [300, 300, 300]


def test_short_paragraphs_are_joined_to_their_neighbours() -> None:
    text = "\n\n".join([sentence(5)] * 40)
    assert units(text, 100) == [100, 100]


def test_a_paragraph_longer_than_the_bound_is_cut_between_sentences() -> None:
    cut = contexts(paragraph(*[30] * 20), 100)
    assert all(context.text.endswith(".") for context in cut)
    assert sorted(context.units for context in cut) == [60, *[90] * 6]


def test_a_sentence_longer_than_the_bound_is_cut_between_clauses() -> None:
    text = "The " + ", ".join(["one two three four five"] * 60) + "."
    cut = contexts(text, 50)
    assert all(context.text.endswith((",", ".")) for context in cut)


def test_a_chinese_sentence_longer_than_the_bound_is_cut_between_clauses() -> None:
    cut = contexts("我们昨天一起去了北京，" * 60 + "很高兴。", 100, language="zh")
    assert all(context.text.endswith(("，", "。")) for context in cut)


def test_a_sentence_without_punctuation_is_cut_between_words_or_characters() -> None:
    cut = contexts("sesquipedalian " * 100, 30)
    assert {word for context in cut for word in context.text.split()} == {"sesquipedalian"}
    assert all(70 <= context.units <= 100 for context in contexts("中" * 300, 100, language="zh"))


def test_code_longer_than_the_bound_is_cut_between_lines() -> None:
    text = "```py\n" + "value = compute(first, second)\n" * 100 + "```"
    cut = contexts(text, 60)
    assert all(context.text.endswith((")", "```")) for context in cut)


@pytest.mark.parametrize("heading", ["# A heading here", "A heading here\n====", "CHAPTER II"])
@pytest.mark.parametrize("lengths", [(20, 20, 55), (45, 45, 95), (90, 8, 40), (97, 97, 97)])
def test_a_heading_stays_with_what_follows(heading: str, lengths: tuple[int, ...]) -> None:
    text = "\n\n".join(f"{heading}\n\n{paragraph(length, 7)}" for length in lengths)
    cut = contexts(text, 100)
    assert not [context for context in cut if context.text.endswith(heading)]
    assert len(cut) > 1


def test_a_heading_stays_with_a_sentence_that_only_fits_without_it() -> None:
    text = f"{sentence(60)}\n\n# Four words of heading\n\n{sentence(100)}\n\n{sentence(60)}"
    assert not [c for c in contexts(text, 100) if c.text.endswith("heading")]


def test_a_cut_before_a_heading_is_preferred() -> None:
    part = "\n\n".join([sentence(20)] * 3)
    text = f"{part}\n\n{sentence(20)}\n\n# Heading\n\n{part}\n\n{sentence(20)}"
    assert [context.text.startswith("# Heading") for context in contexts(text, 100)] == [
        False,
        True,
    ]


def test_headings_alone_are_cut_where_the_bound_demands_it() -> None:
    assert sum(units("# one two three\n" * 50, 10)) == 150


def test_a_document_shorter_than_the_shortest_is_one_context() -> None:
    assert units("Short. Very short.", 500, 100) == [3]


def test_a_text_without_any_unit_is_one_context() -> None:
    assert units("---\n\n😀 !!!", 10) == [0]


def test_white_space_has_no_context() -> None:
    assert contexts(" \n\n ", 10) == []


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        contexts("Text.", 0)


def test_a_stretch_in_another_language_has_its_own() -> None:
    english = "\n\n".join(
        ["The museum was open yesterday and everybody liked the paintings a lot."] * 7
    )
    chinese = "\n\n".join(["我们昨天去了博物馆，大家都非常喜欢那里的画。"] * 4)
    cut = contexts(f"{english}\n\n# 中文\n\n{chinese}", 100)
    assert [context.language for context in cut] == ["en", "zh"]


def test_a_stretch_too_short_to_tell_has_the_language_of_its_document() -> None:
    assert [context.language for context in contexts("我们去了北京。", 100)] == ["en"]


def test_a_million_units_take_seconds() -> None:
    text = "\n\n".join([paragraph(12, 25, 7, 31, 18)] * 10_800)
    assert count_units(text) > 1_000_000
    started = time.process_time()
    cut = contexts(text, 1000, 100)
    assert time.process_time() - started < 15
    assert min(context.units for context in cut) > 700


@pytest.mark.parametrize("piece", ["word ", "我", "a, ", "a\n\n", "# a\n", "---\n", "😀"])
def test_a_million_characters_of_anything_take_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    cut = contexts(text, 500, 100)
    assert time.process_time() - started < 15
    assert all(context.units <= 500 for context in cut)
    assert sum(len(written(context.text)) for context in cut) == len(written(text))
