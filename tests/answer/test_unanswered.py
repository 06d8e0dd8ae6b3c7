"""Where an answer failed, the question is asked about; where none did, nothing is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from augcon.answer import (
    AnswerableCheck,
    Checking,
    FixedExamples,
    GenerateResponder,
    LexicalVerifier,
    Settled,
    Unanswered,
)
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.records import Question, State, Verification
from tests.answer.questions import about_mill, about_mill_zh
from tests.answer.test_verify import INVENTED, TOLD, TOLD_ZH

WHO = about_mill("Who repaired the mill at Orrow in 1860?")
WHO_ZH = about_mill_zh("1860年是谁修复了奥罗村的磨坊？")
REFUSED, REFUSED_ZH = "I cannot answer this question.", "抱歉，我无法回答。"
INVENTED_ZH = "磨坊在1861年烧毁了。"
NO, YES, PARTLY = ("unanswerable", "不可答"), ("answerable", "可答"), ("partly", "部分")
QUOTED = (
    "The mill at Orrow was built in 1801 by Anna Kolbe.",
    "奥罗村的磨坊由安娜·科尔贝于1801年建成。",
)
BOTH = [(WHO, REFUSED, INVENTED, TOLD), (WHO_ZH, REFUSED_ZH, INVENTED_ZH, TOLD_ZH)]


class Scripted:
    """Answers in order to whoever wants an answer, and one verdict on the question."""

    def __init__(self, answers: list[str], verdict: tuple[str, str]) -> None:
        self._answers: Iterator[str] = iter(answers)
        self._verdict = verdict
        self.doubts = 0
        self.revisions: list[str] = []
        self.model = FakeModel(self._reply)
        self.asker = Asker(Caller(self.model, MemoryJournal(), tries=2))

    def _reply(self, request: Request) -> Reply:
        system, chinese = request.messages[0].content, "任务" in request.messages[0].content
        if "unanswerable" in system or "不可答" in system:
            self.doubts += 1
            told = {"evidence": QUOTED[chinese], "verdict": self._verdict[chinese]}
        else:
            if "correct answers" in system or "改正回答" in system:
                self.revisions.append(request.messages[-1].content)
            told = {"answer": next(self._answers)}
        return Reply((Choice(json.dumps(told, ensure_ascii=False)),))

    async def settle(self, question: Question, *, judged: bool = True, samples: int = 1) -> Settled:
        check = AnswerableCheck(self.asker, Library()) if judged else None
        responder = GenerateResponder(self.asker, Library(), FixedExamples({}), Sampling())
        checking = Checking(LexicalVerifier(), samples=samples, unanswered=Unanswered(check))
        return await checking.settle(question, responder)


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_a_model_that_rightly_refuses_is_not_asked_again(
    question: Question, refused: str, invented: str, told: str
) -> None:
    model = Scripted([refused, told], NO)
    settled = await model.settle(question)
    assert settled.verdict.reason == "unanswerable"
    assert settled.verdict.detail == f"closest is: {QUOTED[question.context.language == 'zh']}"
    assert (settled.text, model.doubts, model.revisions) == (refused, 1, [])


@pytest.mark.parametrize("verdict", [YES, PARTLY])
@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_a_refusal_of_what_is_told_even_in_part_is_asked_again_with_the_finding(
    question: Question, refused: str, invented: str, told: str, verdict: tuple[str, str]
) -> None:
    model = Scripted([refused, told], verdict)
    settled = await model.settle(question)
    assert settled.verdict.kept
    assert (settled.text, model.doubts, len(model.revisions)) == (told, 1, 1)
    assert "which part is not known" in model.revisions[0] or "哪一部分" in model.revisions[0]


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_an_answer_that_says_twice_what_is_not_told_puts_the_question_in_doubt(
    question: Question, refused: str, invented: str, told: str
) -> None:
    model = Scripted([invented, invented], NO)
    settled = await model.settle(question)
    assert settled.verdict.reason == "unanswerable"
    assert (model.doubts, len(model.revisions)) == (1, 1)
    blamed = Scripted([invented, invented], PARTLY)
    settled = await blamed.settle(question)
    assert settled.verdict.reason == "not_supported"
    assert (settled.text, blamed.doubts) == (invented, 1)


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_a_refusal_after_an_invention_puts_it_in_doubt_too(
    question: Question, refused: str, invented: str, told: str
) -> None:
    model = Scripted([invented, refused], NO)
    assert (await model.settle(question)).verdict.reason == "unanswerable"
    assert model.doubts == 1


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_answers_that_pass_cost_nothing(
    question: Question, refused: str, invented: str, told: str
) -> None:
    for answers in ([told], [invented, told]):
        model = Scripted(answers, NO)
        assert (await model.settle(question)).verdict.kept
        assert model.doubts == 0
        assert len(model.model.requests) == len(answers)


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_without_a_judge_two_refusals_are_needed(
    question: Question, refused: str, invented: str, told: str
) -> None:
    model = Scripted([refused, refused], NO)
    settled = await model.settle(question, judged=False)
    assert settled.verdict.reason == "unanswerable"
    assert settled.verdict.detail.startswith("refused twice: ")
    for answers, reason in (
        ([refused, invented], "not_supported"),
        ([invented, refused], "refusal"),
        ([invented, invented], "not_supported"),
    ):
        model = Scripted(answers, NO)
        assert (await model.settle(question, judged=False)).verdict.reason == reason
        assert model.doubts == 0


@pytest.mark.parametrize(("question", "refused", "invented", "told"), BOTH)
async def test_of_several_answers_the_chosen_one_and_its_revision_are_the_two(
    question: Question, refused: str, invented: str, told: str
) -> None:
    model = Scripted([refused, told[:-4], refused], NO)
    settled = await model.settle(question, judged=False, samples=2)
    assert [draft.verdict.reason for draft in settled.drafts] == ["cut_off", "refusal"]
    assert (settled.verdict.reason, len(model.revisions)) == ("unanswerable", 1)
    model = Scripted([refused, refused, invented], NO)
    settled = await model.settle(question, judged=False, samples=2)
    assert (settled.verdict.reason, len(model.revisions)) == ("not_supported", 1)


async def test_a_faulty_answer_of_another_kind_says_nothing_of_its_question() -> None:
    model = Scripted([TOLD[:-9], "一八五四年三月，一场洪水冲走了磨坊的水轮。"], NO)
    assert (await model.settle(about_mill())).verdict.reason == "wrong_language"
    assert model.doubts == 0


async def test_a_question_is_failed_where_the_judge_says_nothing_usable() -> None:
    settled = await Scripted([REFUSED], ("perhaps", "也许")).settle(WHO)
    assert settled.verdict.state is State.FAILED
    assert "not one of the verdicts" in settled.verdict.detail


async def test_what_was_found_of_the_failed_answer_stays_with_it() -> None:
    settled = await Scripted([INVENTED, INVENTED], NO).settle(WHO)
    assert isinstance(settled.verification, Verification)
    assert settled.text == INVENTED
