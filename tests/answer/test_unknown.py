"""An honest "I don't know" names what is not known, and holds nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from augcon.answer import AnswerableCheck, Settled, Terms, UnknownReplies
from augcon.answer.unknown import honest_prompt, unfit
from augcon.corpus import count_units
from augcon.errors import RequestFailed
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.prompts.library import LANGUAGES
from augcon.records import BY_ROOT, Question, State, rejected
from tests.answer.questions import MILL, MILL_ZH, about, about_mill, about_mill_zh

WHO = "Who repaired the wheel of the mill at Orrow?"
WHO_ZH = "奥罗村磨坊的水轮是谁修复的？"
GOOD = [
    "I do not know who repaired the wheel of the mill at Orrow.",
    "Who repaired the wheel of the mill at Orrow is not known.",
    "I'm sorry, but I don't know who repaired the wheel at Orrow.",
    "I do not know who repaired the wheel. When it was done is not known to me either.",
]
GOOD_ZH = [
    "我不知道奥罗村磨坊的水轮是谁修复的。",
    "奥罗村磨坊的水轮由谁修复，目前还不清楚。",
    "很抱歉，我不知道水轮是谁修复的。",
]
BAD = [
    ("I do not know.", "does not name what was asked"),
    ("Tom Hale repaired the wheel of the mill.", "does not say"),
    ("I do not know who repaired the wheel. Perhaps the miller did.", "does not say"),
    ("I do not know whether Tom Hale repaired the wheel.", "Tom"),
    ("I do not know who repaired the wheel in 1860.", "1860"),
    ("I do not know who repaired the wheel; the passage does not say.", "mentions_source"),
    ("I do not know who repaired the wheel from the information given.", "hints"),
    ("Who repaired the wheel of the mill at Orrow?", "repeats_question"),
    ("I do not know who repaired the wheel (Source: NAME).", "names a source"),
    ("I do not know who repaired the wheel (Source: none).", "names a source"),
    ("I do not know who repaired the wheel. Source: unknown.", "names a source"),
    ("我不知道水轮是谁修复的，这一点没有记载。", "wrong_language"),
]
BAD_ZH = [
    ("我不知道。", "does not name what was asked"),
    ("水轮是李文远修复的。", "does not say"),
    ("我不知道水轮是不是王小明修复的。", "王小明"),
    ("我不知道水轮在1860年是谁修复的。", "1860"),
    ("文中没有提到水轮是谁修复的。", "mentions_source"),
    ("根据现有资料，无法确定水轮是谁修复的。", "hints"),
    ("I do not know who repaired the wheel.", "wrong_language"),
    ("我不知道水轮是谁修复的（来源：NAME）。", "names a source"),
    ("我不知道水轮是谁修复的【出处：无】。", "names a source"),
]
IN_ENGLISH, IN_CHINESE = Terms(language="en"), Terms(language="zh")


@pytest.mark.parametrize("reply", GOOD)
def test_a_reply_that_names_what_is_not_known_is_fit(reply: str) -> None:
    assert unfit(about_mill(WHO), reply) == ""


@pytest.mark.parametrize("reply", GOOD_ZH)
def test_a_reply_in_chinese_is_fit(reply: str) -> None:
    assert unfit(about_mill_zh(WHO_ZH), reply) == ""


@pytest.mark.parametrize(("reply", "why"), BAD)
def test_a_reply_that_invents_hints_or_says_nothing_is_not(reply: str, why: str) -> None:
    assert why in unfit(about_mill(WHO), reply)


@pytest.mark.parametrize(("reply", "why"), BAD_ZH)
def test_nor_is_one_in_chinese(reply: str, why: str) -> None:
    assert why in unfit(about_mill_zh(WHO_ZH), reply)


@pytest.mark.parametrize(
    ("question", "reply", "terms"),
    [
        (about_mill(WHO), "我不知道。", IN_CHINESE),
        (about_mill(WHO), "很抱歉，我不知道这个问题的答案。", IN_CHINESE),
        (about_mill(WHO), "目前尚不清楚，无从得知。", IN_CHINESE),
        (about_mill_zh(WHO_ZH), "I do not know.", IN_ENGLISH),
        (about_mill_zh(WHO_ZH), "I'm sorry, but I don't know the answer.", IN_ENGLISH),
        (about_mill_zh(WHO_ZH), "That is not known to me.", IN_ENGLISH),
    ],
)
def test_in_another_language_it_names_something_too(
    question: Question, reply: str, terms: Terms
) -> None:
    assert unfit(question, reply, terms=terms) == "it does not name what was asked"


def test_in_another_language_a_reply_that_does_is_fit() -> None:
    assert unfit(about_mill(WHO), "我不知道奥罗村磨坊的水轮是谁修复的。", terms=IN_CHINESE) == ""
    reply = "I do not know who repaired the wheel of the mill."
    assert unfit(about_mill_zh(WHO_ZH), reply, terms=IN_ENGLISH) == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("principles", Library().sets())
def test_a_reply_is_not_asked_for_a_source_and_keeps_the_other_principles(
    principles: str, language: str
) -> None:
    library = Library(chosen=principles)
    told = honest_prompt(library, language).told
    lines = library.principles(language).split("\n")
    asking = [line for line in lines if "{source}" in line]
    assert len(asking) == (principles == "cite")
    assert all(line in told for line in lines if line not in asking)
    assert not any(sign in told for sign in ("{", "NAME", "(Source", "（来源"))


async def test_that_is_what_the_model_is_asked_by() -> None:
    replies, model = replying(NO, GOOD[0])
    replies = replace(replies, library=Library(chosen="cite"))
    question = about_mill(WHO)
    await replies.settle(question, question.context, REFUSED)
    assert (
        model.requests[-1].messages[0].content.startswith(honest_prompt(replies.library, "en").told)
    )


def test_principles_that_ask_for_the_source_allow_its_mention() -> None:
    reply = "The text does not say who repaired the wheel of the mill at Orrow."
    assert unfit(about_mill(WHO), reply)
    assert unfit(about_mill(WHO), reply, may_mention_source=True) == ""


def test_the_prompts_examples_are_fit_themselves() -> None:
    for language in LANGUAGES:
        examples = Library().prompt("unknown", language).examples
        assert len(examples) == 2
        for shown in examples:
            assert (
                unfit(about(shown["context"], shown["question"], language), shown["answer"]) == ""
            )


def part_of(question: Question) -> Question:
    """The same question about the first sentence alone."""
    text, root = question.context.text, question.context
    end = (text.find("。") if "。" in text else text.find(".")) + 1
    child = root.child(text[:end], count_units(text[:end]), 0, end)
    return Question.of(child, question.text, 0)


def replying(verdicts: tuple[str, str], *replies: str) -> tuple[UnknownReplies, FakeModel]:
    left = list(replies)

    def script(request: Request) -> Reply:
        system = request.messages[0].content
        if "unanswerable" in system or "不可答" in system:
            chinese = "不可答" in system
            quoted = MILL_ZH if chinese else MILL
            told = {"evidence": quoted, "verdict": verdicts[chinese]}
        else:
            told = {"answer": left.pop(0)}
        return Reply((Choice(json.dumps(told, ensure_ascii=False)),))

    model = FakeModel(script)
    asker = Asker(Caller(model, MemoryJournal(), tries=2))
    check = AnswerableCheck(asker, Library())
    return UnknownReplies(check, asker, Library(), Sampling(0.2)), model


NO, YES, PARTLY = ("unanswerable", "不可答"), ("answerable", "可答"), ("partly", "部分")
REFUSED = Settled("I cannot answer.", rejected("unanswerable", "closest is: x"))
BOTH = [(about_mill(WHO), GOOD[0]), (about_mill_zh(WHO_ZH), GOOD_ZH[0])]


@pytest.mark.parametrize(("question", "reply"), BOTH)
async def test_the_whole_root_is_asked_about_before_a_reply_is_written(
    question: Question, reply: str
) -> None:
    replies, model = replying(NO, reply)
    settled = await replies.settle(part_of(question), question.context, REFUSED)
    doubt, write = (request.messages[-1].content for request in model.requests)
    last = question.context.text[-12:]
    assert last in doubt
    assert last not in write
    assert settled.text == reply
    assert settled.verdict == REFUSED.verdict
    assert settled.verification is not None
    assert (settled.verification.method, settled.verification.score) == (BY_ROOT, 1)


@pytest.mark.parametrize("verdicts", [YES, PARTLY])
@pytest.mark.parametrize(("question", "reply"), BOTH)
async def test_what_the_root_tells_even_in_part_is_never_said_not_to_be_known(
    question: Question, reply: str, verdicts: tuple[str, str]
) -> None:
    replies, model = replying(verdicts, reply)
    settled = await replies.settle(part_of(question), question.context, REFUSED)
    assert len(model.requests) == 1
    assert settled.verdict.reason == "unanswerable"
    assert settled.verdict.detail.startswith("its root tells: ")
    assert (settled.text, settled.verification) == (REFUSED.text, None)


async def test_a_reply_that_is_not_fit_is_asked_for_again_and_then_given_up() -> None:
    question = about_mill(WHO)
    replies, _ = replying(NO, BAD[0][0], GOOD[0])
    assert (await replies.settle(question, question.context, REFUSED)).text == GOOD[0]
    replies, model = replying(NO, *(reply for reply, _ in BAD))
    settled = await replies.settle(question, question.context, REFUSED)
    assert len(model.requests) == 3
    assert settled.verdict.reason == "unanswerable"
    assert settled.verdict.detail.startswith("no reply: ")
    assert settled.verification is None


@pytest.mark.parametrize(("question", "reply"), BOTH)
@pytest.mark.parametrize("reason", ["refusal", "not_supported"])
async def test_the_answer_stays_as_a_draft_with_what_was_found_of_it(
    question: Question, reply: str, reason: str
) -> None:
    doubted = replace(REFUSED, own=rejected(reason, "what was found"))
    settled = await replying(NO, reply)[0].settle(question, question.context, doubted)
    assert (settled.text, settled.verdict) == (reply, REFUSED.verdict)
    (draft,) = settled.drafts
    assert (draft.text, draft.verdict) == (REFUSED.text, rejected(reason, "what was found"))


async def test_where_the_server_stumbles_the_question_is_failed_for_now() -> None:
    class Stumbling(FakeModel):
        async def ask(self, request: Request) -> Reply:
            raise RequestFailed("HTTP 500")

    asker = Asker(Caller(Stumbling({}), MemoryJournal(), tries=2))
    replies = UnknownReplies(AnswerableCheck(asker, Library()), asker, Library(), Sampling())
    question = about_mill(WHO)
    settled = await replies.settle(question, question.context, REFUSED)
    assert (settled.verdict.state, settled.verdict.reason) == (State.FAILED, "server_fault")


async def test_a_reply_speaks_as_the_principles_ask() -> None:
    replies, model = replying(NO, GOOD[0])
    question = about_mill(WHO)
    await replies.settle(question, question.context, REFUSED)
    assert Library().principles("en") in model.requests[-1].messages[0].content
