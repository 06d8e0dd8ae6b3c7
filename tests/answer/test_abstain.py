"""A sentence that says something is not known is told from one that only sounds like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.answer.abstain import abstains

NOT_KNOWN = [
    "I do not know who designed the lighthouse.",
    "I don't know.",
    "I don’t know what a pair costs.",
    "I honestly cannot say when the mill was repaired.",
    "We do not know how deep the well is.",
    "I know not who lit the lamp, my friend.",
    "Who designed the lighthouse is not known.",
    "It is not known whether the bell survived.",
    "It isn't known for certain when he died.",
    "The price is not precisely known.",
    "This part is still not known.",
    "How long the work took is unknown.",
    "Their number remains unknown to us.",
    "It is unclear why the ferry stopped.",
    "It is not clear who paid for it.",
    "I have no information about the architect.",
    "I'm not sure how many keepers there were.",
    "The price of a pair cannot be determined.",
    "There is no record of the builder's name.",
    "No one knows where the wheel was taken.",
    "What they cost was not recorded.",
    "No further details are available.",
    "The text does not say who designed the lighthouse.",
    "This document doesn’t mention any price.",
]
NOT_KNOWN_ZH = [
    "我不知道灯塔是谁设计的。",
    "我们并不清楚井有多深。",
    "灯是谁点的，老夫并不晓得。",
    "灯塔由谁设计，目前还不清楚。",
    "至于一双鞋卖多少钱，尚不清楚。",
    "不清楚。",
    "设计者是谁，不得而知。",
    "一双的价格无从得知。",
    "無從得知。",
    "这一点无法确定。",
    "修了多久，至今未知。",
    "建造者的姓名是未知的。",
    "价格不详。",
    "关于设计者，没有相关记载。",
    "没有人知道水轮被冲到了哪里。",
    "文中没有说明一双卖多少钱。",
    "文章并未提到设计者。",
]
KNOWN = [
    "The mill was built in 1801 by Anna Kolbe.",
    "Orrow is well known for its rye.",
    "The village is not known for its wine.",
    "He was not known as a painter.",
    "She did not know the way to the harbour.",
    "The tomb of the unknown soldier stands in the square.",
    "The island was a place unknown to the sailors.",
    "The water of the pond is not clear.",
    "The prize was not given that year.",
    "The keepers know when the lamp must be lit.",
    "Do you not know that the mill is closed?",
    "Is it not known who built it?",
    "Take what you know and write it down.",
    "The miller cannot be replaced.",
    "The source does not run dry in summer.",
    "",
]
KNOWN_ZH = [
    "磨坊由安娜·科尔贝于1801年建成。",
    "石碑上的字迹不清楚。",
    "他不知道去港口的路。",
    "不明飞行物的报道登在报上。",
    "池塘里的水不清。",
    "知道的人都去了集市。",
    "你知道磨坊是谁建的吗？",
    "不清楚灯塔是谁设计的吗？",
    "未知数用字母表示。",
    "知道的是公厕，不知道的还以为是景点。",
]


@pytest.mark.parametrize("sentence", [*NOT_KNOWN, *NOT_KNOWN_ZH])
def test_a_sentence_that_says_something_is_not_known_is_recognised(sentence: str) -> None:
    assert abstains(sentence)


@pytest.mark.parametrize("sentence", [*KNOWN, *KNOWN_ZH])
def test_a_sentence_that_tells_something_is_none_of_these(sentence: str) -> None:
    assert not abstains(sentence)


@pytest.mark.parametrize("sentence", NOT_KNOWN)
def test_letter_case_and_line_breaks_do_not_matter(sentence: str) -> None:
    assert abstains(sentence.upper())
    assert abstains(sentence.replace(" ", "\n"))


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert abstains(f"I do not know. {text}!")
