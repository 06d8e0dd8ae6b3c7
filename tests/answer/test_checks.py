"""What no answer may be, and what is no fault although it looks like one."""

from __future__ import annotations

import pytest

from augcon.answer import check_answer
from augcon.records import Question
from tests.answer.questions import about, about_mill, about_mill_zh

GOOD = [
    "In 1801.",
    "Its wheel was lost in a flood, and nobody repaired it.",
    "- It ground rye\n- It lost its wheel",
    "Nine villages brought their rye; see https://orrow.example/mill.",
    "There was a flood. Then:\n1. the wheel broke\n2. nobody came",
    'Kolbe said: "It will stand."',
    "In the context of the flood, the wheel was lost.",
]
GOOD_ZH = [
    "1801年。",
    "一场洪水冲走了水轮，之后再也没有修。",
    "有两点：\n1. 水轮没了\n2. 没人来修",
    "WTU",
]
GERMAN = (
    "Das Rad der Mühle wurde im März von einer Flut mitgenommen und danach niemals wieder "
    "instand gesetzt, sodass sie verfiel."
)
BAD = [
    ("I'm sorry, but I can't help with that.", "refusal"),
    ("I cannot answer this question.", "refusal"),
    ("As an AI language model, I have no opinion.", "refusal"),
    ("According to the passage, a flood took the wheel.", "mentions_source"),
    ("A flood took it, as stated in the text.", "mentions_source"),
    ("The passage does not say what became of it.", "refusal"),
    ("What became of the mill at Orrow is not known.", "refusal"),
    ("Based on the provided context, it was never repaired.", "mentions_source"),
    ("A flood took its wheel. After that it was nev", "cut_off"),
    ("一八五四年三月，一场洪水冲走了磨坊的水轮。", "wrong_language"),
    (GERMAN, "wrong_language"),
]
BAD_ZH = [
    ("抱歉，我无法回答这个问题。", "refusal"),
    ("作为一个人工智能，我没有看法。", "refusal"),
    ("无法确定。", "refusal"),
    ("根据上文，洪水冲走了水轮。", "mentions_source"),
    ("文中提到，洪水冲走了水轮。", "mentions_source"),
    ("如前文所述，水轮被冲走了。", "mentions_source"),
    ("洪水冲走了水轮。此后磨坊再没", "cut_off"),
    ("In March 1854 a flood took its wheel.", "wrong_language"),
]


@pytest.mark.parametrize("answer", GOOD)
def test_a_plain_answer_stands(answer: str) -> None:
    assert check_answer(about_mill(), answer).kept


@pytest.mark.parametrize("answer", GOOD_ZH)
def test_a_plain_answer_in_chinese_stands(answer: str) -> None:
    assert check_answer(about_mill_zh(), answer).kept


@pytest.mark.parametrize(("answer", "reason"), BAD)
def test_an_answer_that_can_be_none_is_rejected(answer: str, reason: str) -> None:
    assert check_answer(about_mill(), answer).reason == reason


@pytest.mark.parametrize(("answer", "reason"), BAD_ZH)
def test_an_answer_that_can_be_none_is_rejected_in_chinese(answer: str, reason: str) -> None:
    assert check_answer(about_mill_zh(), answer).reason == reason


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (about_mill("What happened according to the text?"), "According to the text, a flood."),
        (about("Say: according to the manual. The text says no.", "What is said?"),
         "The text says no more."),
        (about("他答道：抱歉，我无法前去。他走了。", "他怎样回答？", "zh"), "抱歉，我无法前去。"),
    ],
)  # fmt: skip
def test_what_the_question_or_the_context_says_itself_is_no_fault(
    question: Question, answer: str
) -> None:
    assert check_answer(question, answer).kept


def test_principles_that_ask_for_the_source_allow_its_mention() -> None:
    answer = "According to the passage, a flood took the wheel."
    assert check_answer(about_mill(), answer, may_mention_source=True).kept
    assert check_answer(about_mill_zh(), "根据上文，洪水冲走了水轮。", True).kept
