"""The words of a context tell what an answer has beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.answer.lexical import Passage, Support, lexical_support
from augcon.corpus import sentence_spans
from tests.answer.questions import MILL, MILL_ZH

QUESTION = "Who built the mill at Orrow?"


def support(
    claim: str, context: str = MILL, language: str = "en", question: str = QUESTION
) -> Support:
    return lexical_support(claim, Passage(context, question, language))


@pytest.mark.parametrize(
    "claim",
    [
        "It ground rye for nine villages.",
        "it ground rye for nine villages",
        "Anna Kolbe built the mill in eighteen hundred and one.",
        "Its wheel was lost to the flood of March 1854.",
        "The mill, built by Kolbe, ground the rye of 9 villages.",
        "Yes.",
    ],
)
def test_what_the_context_says_passes(claim: str) -> None:
    found = support(claim)
    assert found.missing == ()
    assert found.passes


@pytest.mark.parametrize(
    "claim",
    [
        "它为九个村子磨黑麦。",
        "磨坊建于1801年，是安娜·科尔贝建的。",
        "一八五四年三月，洪水冲走了磨坊的水轮。",
        "是的。",
    ],
)
def test_what_a_chinese_context_says_passes(claim: str) -> None:
    found = support(claim, MILL_ZH, "zh", "磨坊是谁建的？")
    assert found.missing == ()
    assert found.passes


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ("The mill was built in 1811.", ("1811",)),
        ("It ground rye for nineteen villages.", ("nineteen",)),
        ("The mill was built by Anna Berg.", ("Berg",)),
        ("A flood took its wheel in April 1854.", ("April",)),
        ('People called it "the old lady" of Orrow.', ("the old lady",)),
    ],
)
def test_numbers_names_and_quotations_from_elsewhere_are_named(
    claim: str, missing: tuple[str, ...]
) -> None:
    found = support(claim)
    assert found.missing == missing
    assert not found.passes


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ("磨坊建于1811年。", ("1811",)),
        ("它为三十五个村子磨黑麦。", ("三十五个",)),
        ("磨坊位于上海。", ("上海",)),
        ("《奥罗村志》记载了洪水冲走水轮。", ("奥罗村志",)),
    ],
)
def test_they_are_named_in_chinese_too(claim: str, missing: tuple[str, ...]) -> None:
    found = support(claim, MILL_ZH, "zh", "")
    assert found.missing == missing
    assert not found.passes


def test_words_from_elsewhere_fail_without_any_name_or_number() -> None:
    found = support("Beekeepers weigh their hives before the first frost arrives.")
    assert found.missing == ()
    assert not found.passes


def test_chinese_words_from_elsewhere_fail_too() -> None:
    found = support("养蜂人在下霜以前称量蜂箱的重量。", MILL_ZH, "zh", "")
    assert found.missing == ()
    assert not found.passes


def test_what_the_question_names_is_not_missed_in_the_context() -> None:
    claim = "Governor Tessen had the mill built."
    assert support(claim, question="").missing == ("Tessen",)
    assert support(claim, question="What did Governor Tessen have built?").missing == ()


def test_an_abbreviation_of_a_name_of_the_context_is_known() -> None:
    text = "The World Tram Union met in Estermond."
    assert support("In Estermond the WTU met.", text).missing == ()
    assert support("In Estermond the XTU met.", text).missing == ("XTU",)


def test_the_evidence_is_the_sentence_that_holds_most_of_the_claim() -> None:
    found = support("In 1854 the wheel was taken by a flood.")
    assert found.evidence is not None
    assert MILL[found.evidence.start : found.evidence.end].startswith("A flood took its wheel")
    found = support("1854年，水轮被洪水冲走。", MILL_ZH, "zh")
    assert found.evidence is not None
    assert MILL_ZH[found.evidence.start : found.evidence.end].startswith("洪水在1854年3月")


@pytest.mark.parametrize(("text", "language"), [(MILL, "en"), (MILL_ZH, "zh")])
def test_a_sentence_of_the_context_word_for_word_scores_highest(text: str, language: str) -> None:
    for span in sentence_spans(text, language):
        said = text[span.start : span.end]
        assert support(said.rstrip(".。"), text, language).score == 1.0
        assert support(said[: len(said) // 2], text, language).score < 1.0


@pytest.mark.parametrize(
    ("claim", "text", "language"),
    [
        ("4 million pounds.", "The bridge cost 1.4 million pounds.", "en"),
        ("十三人。", "村里共有一百四十三人。", "zh"),
        ("十二公斤。", "每筐重五十二公斤。", "zh"),
    ],
)
def test_the_end_of_a_number_is_another_number(claim: str, text: str, language: str) -> None:
    assert not support(claim, text, language).passes


@given(st.text(), st.text(), st.text())
def test_any_claim_on_any_text_has_a_score_and_evidence_inside_the_text(
    claim: str, context: str, question: str
) -> None:
    found = lexical_support(claim, Passage(context, question, "en"))
    assert 0 <= found.score <= 1
    if found.evidence is not None:
        assert 0 <= found.evidence.start < found.evidence.end <= len(context)
