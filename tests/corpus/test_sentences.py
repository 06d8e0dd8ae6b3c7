from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings

from augcon.corpus import sentence_spans

from .hard_texts import languages, texts, written


def sentences(text: str, language: str = "en") -> list[str]:
    return [text[span.start : span.end] for span in sentence_spans(text, language)]


@given(texts, languages)
@settings(max_examples=400)
def test_spans_cover_what_is_written_exactly_once_in_order(text: str, language: str) -> None:
    spans = sentence_spans(text, language)
    assert "".join(written(text[span.start : span.end]) for span in spans) == written(text)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    assert all(text[span.start : span.end] == text[span.start : span.end].strip() for span in spans)
    assert all(span.start < span.end for span in spans)


def test_abbreviations_numbers_and_wrapped_lines_do_not_end_a_sentence() -> None:
    text = "Dr. Smith ran 3.5 m, e.g. this way,\nand in\n1984. Then he\nstopped at 5 p.m. sharp."
    assert sentences(text) == [
        "Dr. Smith ran 3.5 m, e.g. this way,\nand in\n1984.",
        "Then he\nstopped at 5 p.m. sharp.",
    ]


def test_offsets_count_code_points_behind_emoji_and_rare_characters() -> None:
    text = "😀 One 𠀀 here. 👨‍👩‍👧 Two\u2028here. 我们去。Three."
    assert sentences(text) == ["😀 One 𠀀 here.", "👨‍👩‍👧 Two\u2028here.", "我们去。", "Three."]


def test_chinese_closers_stay_with_their_sentence() -> None:
    text = "他说：「第一句。第二句。」然后走了。真的吗？！‘好。’）』是的……"
    assert sentences(text, "zh") == [
        "他说：「第一句。第二句。」",
        "然后走了。",
        "真的吗？！",
        "‘好。’）』",
        "是的……",
    ]


def test_an_opening_quote_goes_with_what_it_opens() -> None:
    assert sentences('It ended. "Now begin.') == ["It ended.", '"Now begin.']


def test_marks_without_a_word_are_no_sentence_of_their_own() -> None:
    assert sentences("Stop! ... !!! Go on.") == ["Stop! ... !!!", "Go on."]


def test_headings_items_rows_and_code_never_join_the_next_paragraph() -> None:
    text = (
        "# A heading\nIts text. More.\n- an item\n- another\n  that is wrapped. And on.\n"
        "1. numbered\n\n| a. | b |\n|----|---|\n| c. | d |\nAfter.\n"
        "```py\nx = 1.\n\ny = 2. # Z\n```\n"
        "Under\n=====\nLast"
    )
    assert sentences(text) == [
        "# A heading",
        "Its text.",
        "More.",
        "- an item",
        "- another\n  that is wrapped.",
        "And on.",
        "1. numbered",
        "| a. | b |",
        "|----|---|",
        "| c. | d |",
        "After.",
        "```py\nx = 1.\n\ny = 2. # Z\n```",
        "Under\n=====",
        "Last",
    ]


def test_a_plain_chinese_text_has_its_titles_and_paragraphs_apart() -> None:
    text = (
        "第一章 总则\n第一条　为了规范。\n一、范围\n本法适用于全国\n"
        "　　第二段没有句号\n\n第二章 分则\n正文。"
    )
    assert sentences(text, "zh") == [
        "第一章 总则",
        "第一条　为了规范。",
        "一、范围",
        "本法适用于全国",
        "第二段没有句号",
        "第二章 分则",
        "正文。",
    ]


def test_a_fence_that_is_never_closed_does_not_swallow_the_text() -> None:
    assert sentences("```\nOne here. Two here.") == ["```\nOne here.", "Two here."]


def test_a_longer_fence_holds_shorter_ones() -> None:
    text = "````\n```\nOne. Two.\n```\n````\nThree."
    assert sentences(text) == [text[: text.index("\nThree")], "Three."]


def test_sentences_on_one_long_line_are_found_as_on_a_short_one() -> None:
    sentence = "Dr. Smith said that it is 3.5 m, e.g. on Mondays. "
    assert sentences(sentence * 500) == [sentence.strip()] * 500
    assert sentences("我们去了「天安门。」" * 500, "zh") == ["我们去了「天安门。」"] * 500


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "word ",
        "我",
        ".",
        ". ",
        "我们去天安门。",
        "This is it. ",
        '"',
        "“a. ",
        "(",
        "。」",
        "a, ",
        "😀",
        " ",
        "\n",
        "a\n",
        "a\n\n",
        "# a\n",
        "- a\n",
        "| a | b |\n",
        "```a\n",
        "```\n",
        "- [a](http://b.c/d)\n",
        "x = f(y);\n",
    ],
)
def test_a_million_characters_take_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    spans = sentence_spans(text, "en")
    assert time.process_time() - started < 8
    assert sum(len(written(text[span.start : span.end])) for span in spans) == len(written(text))


def test_a_million_characters_of_one_sentence_are_quick() -> None:
    started = time.process_time()
    assert len(sentence_spans("word " * 200_000, "en")) == 1
    assert time.process_time() - started < 2
