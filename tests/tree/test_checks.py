from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.corpus import count_units
from augcon.prompts import Library
from augcon.records import Context, Document, Verdict
from augcon.tree.checks import check_parts, check_places
from tests.small_corpora import chinese, english

BETWEEN = {"en": " ", "zh": ""}
SENTENCES = {
    "en": [
        "The mill of Harwick stands below the weir of the river.",
        "Its wheel was cut from a single oak in 1801.",
        "Anna Berg bought the mill when the ferry was closed for good.",
        "No.",
        "A flood carried away half of the dam in the spring of 1830.",
        "The town council paid for the repair out of the toll.",
    ],
    "zh": [
        "青石镇的水磨坊建在河坝下游的岸边。",
        "磨坊的水轮是1801年用一整棵橡树做成的。",
        "渡口关闭以后，赵若兰买下了这座磨坊。",
        "不。",
        "1830年春天，洪水冲走了半座河坝。",
        "镇公所用过桥费支付了修理的费用。",
    ],
}
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def context_of(text: str, language: str = "en") -> Context:
    return Context.root(Document.of("a", text, language), 0, len(text), count_units(text), language)


def checked(language: str, *parts: list[str]) -> Verdict:
    between = BETWEEN[language]
    parent = context_of(between.join(SENTENCES[language]), language)
    return check_parts(parent, [between.join(part) for part in parts], 0.7)


@LANGUAGES
def test_a_split_at_any_sentence_or_of_sentences_picked_anywhere_is_followed(language: str) -> None:
    told = SENTENCES[language]
    for cut in range(1, len(told)):
        assert checked(language, told[:cut], told[cut:]).kept
    assert checked(language, told[::2], told[1::2]).kept


@LANGUAGES
def test_a_sentence_that_neither_part_holds_is_named(language: str) -> None:
    told = SENTENCES[language]
    lost = checked(language, told[:2], told[3:])
    assert (lost.reason, lost.detail[:12]) == ("parts_lose_text", told[2][:12])


@LANGUAGES
def test_a_sentence_of_a_word_or_two_may_go(language: str) -> None:
    told = SENTENCES[language]
    assert checked(language, told[:3], told[4:]).kept


def test_a_sentence_in_other_words_is_not_lost() -> None:
    parent = context_of("Tom Hale built the mill in 1801 by the weir. He sold it to Anna Berg.")
    parts = ("In 1801 Tom Hale built the mill by the weir.", "Tom Hale sold the mill to Anna Berg.")
    assert check_parts(parent, parts, 0.7).kept
    dropped = ("In 1801 Tom Hale built the mill by the weir.", "Tom Hale built the mill by it.")
    assert check_parts(parent, dropped, 0.5).reason in ("parts_overlap", "parts_lose_text")


def test_the_clauses_of_a_single_sentence_may_both_name_what_it_is_about() -> None:
    start = "Other early friends of the school of Harrowby were"
    one, two = "Ada Bart and Leo Mand, who paid for the hall", "Jo Walk, who lent a barn and taught"
    parts = [f"{start} {one}.", f"{start} {two} the youngest children to read and to count."]
    whole = f"{start} {one}, and {two} the youngest children to read and to count."
    assert check_parts(context_of(whole), parts, 0.7).kept


@LANGUAGES
def test_text_that_is_in_both_parts_ends_the_branch_and_a_name_does_not(language: str) -> None:
    told = SENTENCES[language]
    assert checked(language, told[:4], told[2:]).reason == "parts_overlap"
    assert checked(language, told[:3], told[:5]).reason == "parts_overlap"


@LANGUAGES
def test_what_the_context_says_twice_may_be_in_both_parts(language: str) -> None:
    sentence, *others = SENTENCES[language]
    between = BETWEEN[language]
    parent = context_of(between.join([sentence, others[0], sentence, others[1]]), language)
    parts = (between.join([sentence, others[0]]), between.join([sentence, others[1]]))
    assert check_parts(parent, parts, 0.7).kept


@LANGUAGES
def test_the_splits_that_the_prompts_show_pass_their_own_checks(language: str) -> None:
    for example in Library().prompt("tree", language).examples:
        parent = context_of(example["context"], language)
        assert check_parts(parent, (example["first"], example["second"]), 0.7).kept


@given(st.integers(0, 50), st.integers(4, 12), st.data(), st.sampled_from(["en", "zh"]))
@settings(max_examples=40)
def test_cutting_between_sentences_never_loses_or_repeats_text(
    seed: int, number: int, data: st.DataObject, language: str
) -> None:
    text = english(seed, number) if language == "en" else chinese(seed, number)
    ends = [i + 1 for i, letter in enumerate(text) if letter in ".。"][:-1]
    cut = data.draw(st.sampled_from(ends))
    parts = (text[:cut].strip(), text[cut:].strip())
    assert check_parts(context_of(text, language), parts, 0.7).kept


def test_a_part_that_has_no_place_in_its_source_is_a_hallucination() -> None:
    root = context_of(" ".join(SENTENCES["en"]))
    placed, elsewhere = root.child("a", 1, 0, 5, 0.6), root.child("b", 1, 6, 9, 0.4)
    assert check_places([placed, placed.child("c", 1, 0, 2)]).kept
    assert check_places([placed, elsewhere]) == Verdict(
        "rejected",
        "part_not_placed",
        "its place explains 40% of it",  # type: ignore[arg-type]
    )
    assert check_places([placed, placed]).reason == "parts_overlap"


@pytest.mark.parametrize(("text", "language"), [(english(0, 45), "en"), (chinese(0, 20), "zh")])
def test_a_context_of_full_length_takes_milliseconds(text: str, language: str) -> None:
    cut = text.index(".。"[language == "zh"], len(text) // 2) + 1
    parent = context_of(text, language)
    parts = (text[:cut].strip(), text[cut:].strip())
    assert check_parts(parent, parts, 0.7).kept
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        check_parts(parent, parts, 0.7)
        best = min(best, time.process_time() - began)
    assert best < 0.02
