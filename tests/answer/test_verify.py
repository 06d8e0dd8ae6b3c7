"""Claims are judged by words, then by a model whose verdict is a whole word or none at all."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from augcon.answer import (
    Checking,
    FixedExamples,
    GenerateResponder,
    LexicalVerifier,
    ModelVerifier,
    Settled,
)
from augcon.answer.settle import FINDINGS
from augcon.answer.verify import GRADES, claim_spans, located, read_grade, rejection
from augcon.answer.window import WindowResponder
from augcon.corpus import Span
from augcon.errors import ReplyError
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.prompts.library import LANGUAGES
from augcon.records import Claim, ClaimVerdict, Question, Verification
from tests.answer.questions import MILL, MILL_ZH, about_mill, about_mill_zh
from tests.plain_texts import split

TOLD = "A flood carried off the wheel of the mill in March 1854. It was not repaired again."
TOLD_ZH = "磨坊的水轮在1854年3月被洪水冲走。此后没有再修复。"
INVENTED = "The mill burnt down in 1861."
Script = Callable[[Request], dict[str, str]]


def asker(script: Script) -> tuple[Asker, FakeModel]:
    def reply(request: Request) -> Reply:
        return Reply((Choice(json.dumps(script(request), ensure_ascii=False)),))

    model = FakeModel(reply)
    return Asker(Caller(model, MemoryJournal(), tries=2)), model


def judging(verdict: str, evidence: str = "") -> tuple[ModelVerifier, FakeModel]:
    """A model that gives one verdict on everything; its evidence is the context's last sentence."""

    def script(request: Request) -> dict[str, str]:
        asked = request.messages[-1].content
        quoted = "and it was never repaired" if MILL in asked else "此后再没有修复"
        return {"evidence": evidence or quoted, "verdict": verdict}

    found, model = asker(script)
    return ModelVerifier(found, Library()), model


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("supported", "supported"),
        (" Supported. ", "supported"),
        ("**contradicted**", "contradicted"),
        ("not supported", "not supported"),
        ("partly", "partly"),
        ("支持", "支持"),
        ("「支持」。", "支持"),
        ("不支持", "不支持"),
        ("矛盾", "矛盾"),
    ],
)
def test_a_verdict_is_one_whole_word(said: str, word: str) -> None:
    assert read_grade(said) == word


@pytest.mark.parametrize(("no", "yes"), [("not supported", "supported"), ("不支持", "支持")])
def test_a_no_that_contains_a_yes_is_a_no(no: str, yes: str) -> None:
    assert yes in no
    assert GRADES[read_grade(no)] == 0 < GRADES[read_grade(yes)] == 1


@pytest.mark.parametrize(
    "said",
    [
        *("", "yes", "supported or not", "It is supported", "unsupported?!x", "is not supported"),
        *("是", "并不支持", "支持吗", "支持或矛盾", "不矛盾", "supported contradicted", "1"),
    ],
)
def test_anything_else_is_no_verdict(said: str) -> None:
    with pytest.raises(Unusable, match="not one of the verdicts"):
        read_grade(said)


def test_every_verdict_of_the_prompts_examples_can_be_read_and_all_four_are_shown() -> None:
    for language in LANGUAGES:
        examples = Library().prompt("verify", language).examples
        grades = [GRADES[read_grade(example["verdict"])] for example in examples]
        assert sorted(grades) == [0, 0, 0.5, 1]
        for example in examples:
            found = located(example["evidence"], example["context"], language)
            assert (found is None) == (example["verdict"] in ("absent", "没有"))
            assert example["claim"] in example["answer"]


@pytest.mark.parametrize(
    ("quoted", "found"),
    [
        ("It ground rye for nine villages.", "It ground rye for nine villages."),
        ("“It ground rye for  nine villages”", "It ground rye for nine villages."),
        ("A flood took the wheel in 1854 and it was never repaired",
         "A flood took its wheel in March 1854, and it was never repaired."),
        ("none", ""),
        ("None.", ""),
        ("The mill is haunted by a miller's ghost.", ""),
    ],
)  # fmt: skip
def test_evidence_is_found_in_the_context_or_is_none(quoted: str, found: str) -> None:
    span = located(quoted, MILL, "en")
    assert (MILL[span.start : span.end] if span else "") == found


def test_evidence_is_found_in_a_chinese_context() -> None:
    span = located("洪水在1854年冲走水轮，再没有修复", MILL_ZH, "zh")
    assert span is not None
    assert MILL_ZH[span.start : span.end] == "洪水在1854年3月冲走了水轮，此后再没有修复。"
    assert located("无", MILL_ZH, "zh") is None


def test_claims_are_the_sentences_that_say_something() -> None:
    spans = claim_spans(f"{TOLD} ...", "en")
    assert [TOLD[s.start : s.end].split()[0] for s in spans] == ["A", "It"]
    assert len(claim_spans(TOLD_ZH, "zh")) == 2
    assert claim_spans(" … ", "en") == []


async def test_by_words_each_claim_has_its_own_verdict() -> None:
    answer = f"{TOLD} {INVENTED}"
    found = await LexicalVerifier().verify(about_mill(), answer)
    assert [claim.verdict for claim in found.claims] == [
        *(ClaimVerdict.SUPPORTED, ClaimVerdict.SUPPORTED, ClaimVerdict.ABSENT)
    ]
    verdict = rejection(found, answer)
    assert verdict.reason == "not_supported"
    assert verdict.detail == f"{INVENTED} (1861)"
    assert found.score == found.claims[-1].score < found.claims[0].score


async def test_the_model_is_not_asked_about_what_the_words_reject() -> None:
    verifier, model = judging("supported")
    found = await verifier.verify(about_mill(), f"{TOLD} {INVENTED}")
    assert model.requests == []
    assert found.method == "lexical"


async def test_the_model_is_not_asked_about_the_contexts_own_sentences() -> None:
    verifier, model = judging("contradicted")
    found = await verifier.verify(about_mill(), "It ground rye for nine villages.")
    assert model.requests == []
    assert found.worst is None


@pytest.mark.parametrize(
    ("question", "answer", "yes", "no"),
    [
        (about_mill(), TOLD, "supported", "not supported"),
        (about_mill_zh(), TOLD_ZH, "支持", "不支持"),
    ],
)
async def test_the_model_judges_every_other_claim(
    question: Question, answer: str, yes: str, no: str
) -> None:
    verifier, model = judging(yes)
    found = await verifier.verify(question, answer)
    assert len(model.requests) == 2
    assert rejection(found, answer).kept
    text = question.context.text
    assert all(text[c.evidence_start : c.evidence_end] for c in found.claims)
    verifier, _ = judging(no)
    assert rejection(await verifier.verify(question, answer), answer).reason == "not_supported"


@pytest.mark.parametrize("verdict", ["partly", "部分支持"])
async def test_a_claim_that_says_more_than_the_context_is_not_supported(verdict: str) -> None:
    verifier, _ = judging(verdict)
    found = await verifier.verify(about_mill(), TOLD)
    assert {claim.score for claim in found.claims} == {0.5}
    assert rejection(found, TOLD).reason == "not_supported"


async def test_a_supporting_sentence_that_is_not_in_the_context_is_no_evidence() -> None:
    verifier, model = judging("supported", "The claim is correct, trust me on this one.")
    with pytest.raises(ReplyError, match="not in the context"):
        await verifier.verify(about_mill(), TOLD)
    assert len(model.requests) >= 2


@pytest.mark.parametrize(
    ("question", "answer", "verdict", "evidence"),
    [
        (about_mill("Who built the mill at Orrow?"), "A woman did.", "supported",
         "The mill at Orrow was built in 1801 by Anna Kolbe."),
        (about_mill_zh("奥罗村的磨坊由谁建成？"), "一名女子。", "支持",
         "奥罗村的磨坊由安娜·科尔贝于1801年建成。"),
    ],
)  # fmt: skip
async def test_evidence_for_a_claim_in_other_words_may_have_those_of_the_question(
    question: Question, answer: str, verdict: str, evidence: str
) -> None:
    verifier, _ = judging(verdict, evidence)
    claim = await verifier.judge(question, answer, Span(0, len(answer)), seed=0)
    assert claim.verdict is ClaimVerdict.SUPPORTED


def test_what_semicolons_divide_is_several_claims() -> None:
    told = "桥长二十六米，宽四米二；桥身没有一根铁钉；工程用了十四个月。"
    assert [told[s.start : s.end] for s in claim_spans(told, "zh")] == [
        "桥长二十六米，宽四米二；", "桥身没有一根铁钉；", "工程用了十四个月。",
    ]  # fmt: skip
    told = "The bridge is 26 m long; it has no nail. It took 14 months; ;"
    assert [told[s.start : s.end] for s in claim_spans(told, "en")] == [
        "The bridge is 26 m long;", "it has no nail.", "It took 14 months;",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "verdict", "evidence"),
    [
        (about_mill(), "A flood took the wheel of the mill in spring.", "contradicted",
         "A flood took its wheel in March 1854, and it was never repaired."),
        (about_mill_zh(), "洪水在春天冲走了磨坊的水轮。", "矛盾",
         "洪水在1854年3月冲走了水轮，此后再没有修复。"),
    ],
)  # fmt: skip
async def test_a_contradicted_answer_is_revised_with_what_the_context_says(
    question: Question, answer: str, verdict: str, evidence: str
) -> None:
    def script(request: Request) -> dict[str, str]:
        judged = "verdict" in json.loads(request.schema)["required"]
        return {"evidence": evidence, "verdict": verdict} if judged else {"answer": answer}

    found, model = asker(script)
    responder = GenerateResponder(found, Library(), FixedExamples({}), Sampling(0.2))
    settled = await Checking(ModelVerifier(found, Library())).settle(question, responder)
    assert settled.verdict.reason == "contradicted"
    (told,) = (r.messages[-1].content for r in model.requests if answer in r.messages[-1].content
               and "verdict" not in json.loads(r.schema)["required"])  # fmt: skip
    assert told.count(evidence) == 2  # in the context, and in what was found


def test_a_contradiction_weighs_more_than_what_is_only_absent() -> None:
    absent = Claim(0, 5, ClaimVerdict.ABSENT, 0.0, 0, 0)
    against = Claim(6, 9, ClaimVerdict.CONTRADICTED, 0.1, 0, 0)
    verdict = rejection(Verification("model", (absent, against)), "first two")
    assert (verdict.reason, verdict.detail) == ("contradicted", "two")


def test_a_verification_is_the_same_after_it_was_written_down() -> None:
    claims = (
        Claim(0, 5, ClaimVerdict.SUPPORTED, 0.875, 3, 9),
        Claim(6, 9, ClaimVerdict.ABSENT, 0.25, 0, 0, "1861, Berg"),
    )
    told = Verification("lexical", claims)
    assert Verification.from_json(json.loads(json.dumps(told.as_json()))) == told


def answering(*answers: str) -> tuple[GenerateResponder, FakeModel]:
    """A model that gives one answer after the other, whatever it is asked."""
    left = list(answers)
    found, model = asker(lambda _: {"answer": left.pop(0)})
    return GenerateResponder(found, Library(), FixedExamples({}), Sampling(0.2)), model


async def settled(question: Question, *answers: str) -> tuple[Settled, list[Request]]:
    responder, model = answering(*answers)
    return await Checking(LexicalVerifier()).settle(question, responder), model.requests


async def test_an_answer_that_passes_is_asked_for_once() -> None:
    found, requests = await settled(about_mill(), TOLD)
    assert found.text == TOLD
    assert found.verdict.kept
    assert len(requests) == 1


async def test_an_answer_that_fails_is_asked_for_once_more_with_what_was_found() -> None:
    found, (first, second) = await settled(about_mill(), INVENTED, TOLD)
    assert found.text == TOLD
    assert found.verdict.kept
    asked = second.messages[-1].content
    assert INVENTED in asked
    assert "does not say this" in asked
    assert "1861" not in first.messages[-1].content


async def test_an_answer_that_fails_twice_is_rejected_and_not_asked_for_again() -> None:
    found, requests = await settled(about_mill(), TOLD[:-9], INVENTED, TOLD)
    assert len(requests) == 2
    assert found.text == INVENTED
    assert found.verdict.reason == "not_supported"
    assert found.verification is not None


async def test_a_chinese_answer_is_told_in_chinese_what_was_found() -> None:
    found, (_, second) = await settled(about_mill_zh(), "抱歉，我无法回答。", TOLD_ZH)
    assert found.verdict.kept
    assert FINDINGS["zh"]["refusal"] in second.messages[-1].content


async def test_without_a_verifier_only_what_no_answer_may_be_is_rejected() -> None:
    responder, _ = answering(INVENTED)
    found = await Checking(None).settle(about_mill(), responder)
    assert found.verdict.kept
    assert found.verification is None


async def test_a_window_that_fails_a_check_has_no_second_answer() -> None:
    responder = WindowResponder(Caller(FakeModel(lambda _: Reply()), MemoryJournal()), split)
    assert await responder.revise(about_mill(), "x", "y") == ""


def test_every_reason_has_its_finding_in_every_language() -> None:
    assert {frozenset(findings) for findings in FINDINGS.values()} == {frozenset(FINDINGS["en"])}
    assert set(FINDINGS) == set(LANGUAGES)
