"""Several answers to a question: one of those that pass is taken, and none is lost."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.answer import Checking, FixedExamples, GenerateResponder, LexicalVerifier, Settled
from augcon.errors import ReplyError
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.records import Question, State, Verification
from tests.answer.questions import about_mill, about_mill_zh

TOLD = "A flood carried off the wheel of the mill in March 1854. It was not repaired again."
TOLD_TOO = "In March 1854 a flood carried off the wheel of the mill, and it was not repaired."
RYE = "It ground rye for nine villages."
INVENTED = "The mill burnt down in 1861."
TWICE_INVENTED = "The mill burnt down in 1861. Its owner died in 1862."
CUT_OFF = "A flood took its wheel. The mill was"
TOLD_ZH = "磨坊的水轮在1854年3月被洪水冲走。此后没有再修复。"
TOLD_ZH_TOO = "1854年3月，磨坊的水轮被洪水冲走，此后没有再修复。"
RYE_ZH = "它为九个村子磨黑麦。"
INVENTED_ZH = "磨坊在1861年被烧毁了。"
REFUSES_ZH = "抱歉，我无法回答。"
UNUSABLE = ""  # in a script: the model gives nothing usable


@dataclass
class Scripted:
    """Answers by their number, and the one that is written once more; an empty one cannot be had.

    waits  so that replies come in disorder
    """

    answers: tuple[str, ...]
    revised: str = ""
    waits: random.Random | None = None
    languages: frozenset[str] | None = None
    told: list[tuple[str, str]] = field(default_factory=list)

    async def respond(self, question: Question, sample: int = 0) -> str:
        if self.waits:
            await asyncio.sleep(self.waits.random() / 1000)
        if not self.answers[sample]:
            raise ReplyError("nothing usable (asked 4 times)", "")
        return self.answers[sample]

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        self.told.append((answer, finding))
        if not self.revised:
            raise ReplyError("nothing usable (asked 4 times)", "")
        return self.revised


@dataclass
class Counting:
    """A verifier by words that counts what it is asked, and has no word on some answers."""

    asked: list[str] = field(default_factory=list)
    mute_on: str = ""

    async def verify(self, question: Question, answer: str) -> Verification:
        self.asked.append(answer)
        if answer == self.mute_on:
            raise ReplyError("no verdict (asked 4 times)", "")
        return await LexicalVerifier().verify(question, answer)


async def settled(question: Question, responder: Scripted) -> Settled:
    checking = Checking(LexicalVerifier(), samples=len(responder.answers))
    return await checking.settle(question, responder)


def fates(found: Settled) -> list[tuple[int, str]]:
    return [(draft.number, draft.verdict.reason) for draft in found.drafts]


EITHER = pytest.mark.parametrize(
    ("question", "told", "too", "rye", "invented"),
    [
        (about_mill(), TOLD, TOLD_TOO, RYE, INVENTED),
        (about_mill_zh(), TOLD_ZH, TOLD_ZH_TOO, RYE_ZH, INVENTED_ZH),
    ],
)


@EITHER
async def test_of_those_that_pass_the_one_that_agrees_most_is_the_answer(
    question: Question, told: str, too: str, rye: str, invented: str
) -> None:
    found = await settled(question, Scripted((rye, told, too, told)))
    assert (found.text, found.number, found.asked) == (told, 1, 4)
    assert found.verdict.kept
    assert fates(found) == [(0, "less_consistent"), (2, "less_consistent"), (3, "repeats_answer")]
    assert [draft.text for draft in found.drafts] == [rye, too, told]
    assert all(draft.verification is not None for draft in found.drafts)


@EITHER
async def test_those_that_fail_have_no_vote(
    question: Question, told: str, too: str, rye: str, invented: str
) -> None:
    wrong = told + invented
    found = await settled(question, Scripted((wrong, told, wrong, rye)))
    assert found.text == rye  # the context's own words; with votes of the others it would be `told`
    assert fates(found) == [(0, "not_supported"), (1, "less_consistent"), (2, "not_supported")]


@EITHER
async def test_those_that_fail_keep_their_reason_and_cost_no_second_try(
    question: Question, told: str, too: str, rye: str, invented: str
) -> None:
    responder = Scripted((invented, told, invented, invented))
    found = await settled(question, responder)
    assert (found.text, found.number) == (told, 1)
    assert fates(found) == [(0, "not_supported"), (2, "not_supported"), (3, "not_supported")]
    assert responder.told == []


@EITHER
async def test_where_none_passes_the_best_is_written_once_more(
    question: Question, told: str, too: str, rye: str, invented: str
) -> None:
    responder = Scripted((REFUSES_ZH if question.context.language == "zh" else CUT_OFF, invented))
    responder.revised = told
    found = await settled(question, responder)
    assert [answer for answer, _ in responder.told] == [invented]
    assert "1861" in responder.told[0][1]
    assert (found.text, found.number, found.asked) == (told, 2, 3)
    assert found.verdict.kept
    assert {reason for _, reason in fates(found)} == {
        *("not_supported", "refusal" if question.context.language == "zh" else "cut_off")
    }
    assert sorted(number for number, _ in fates(found)) == [0, 1]


async def test_the_best_of_those_that_fail_has_the_fewest_claims_that_do() -> None:
    responder = Scripted((TWICE_INVENTED, INVENTED, CUT_OFF), revised=TWICE_INVENTED)
    found = await settled(about_mill(), responder)
    assert [answer for answer, _ in responder.told] == [INVENTED]
    assert found.verdict.reason == "not_supported"
    assert len(found.drafts) == 3


async def test_a_sample_that_cannot_be_had_costs_only_itself() -> None:
    found = await settled(about_mill(), Scripted((UNUSABLE, TOLD, UNUSABLE)))
    assert (found.text, found.verdict.kept) == (TOLD, True)
    assert fates(found) == [(0, "unusable_reply"), (2, "unusable_reply")]
    assert {draft.verdict.state for draft in found.drafts} == {State.FAILED}


async def test_a_sample_that_fails_is_not_written_once_more_while_there_is_another() -> None:
    responder = Scripted((UNUSABLE, CUT_OFF), revised=TOLD)
    found = await settled(about_mill(), responder)
    assert [answer for answer, _ in responder.told] == [CUT_OFF]
    assert (found.text, found.asked) == (TOLD, 3)


@pytest.mark.parametrize("number", [1, 3])
async def test_the_question_fails_only_where_all_samples_do(number: int) -> None:
    responder = Scripted((UNUSABLE,) * number, revised=TOLD)
    found = await settled(about_mill(), responder)
    assert (found.text, found.verdict.state) == ("", State.FAILED)
    assert "nothing usable" in found.verdict.detail
    assert (found.asked, len(found.drafts), responder.told) == (number, number - 1, [])


async def test_an_answer_that_cannot_be_written_once_more_fails_and_the_first_is_kept() -> None:
    found = await settled(about_mill(), Scripted((INVENTED,)))
    assert (found.text, found.verdict.state, found.asked) == ("", State.FAILED, 2)
    assert [(draft.text, draft.verdict.reason) for draft in found.drafts] == [
        (INVENTED, "not_supported")
    ]


async def test_a_draft_that_could_not_be_verified_is_kept_with_its_words() -> None:
    checking = Checking(Counting(mute_on=TOLD), samples=2)
    found = await checking.settle(about_mill(), Scripted((TOLD, RYE)))
    assert found.text == RYE
    (draft,) = found.drafts
    assert (draft.text, draft.verdict.state) == (TOLD, State.FAILED)


async def test_the_same_words_are_verified_once() -> None:
    verifier = Counting()
    await Checking(verifier, samples=4).settle(about_mill(), Scripted((TOLD, RYE, TOLD, TOLD)))
    assert sorted(verifier.asked) == sorted([TOLD, RYE])


@given(
    st.lists(
        st.sampled_from([TOLD, TOLD_TOO, RYE, INVENTED, CUT_OFF, UNUSABLE]), min_size=1, max_size=5
    ),
    st.sampled_from([TOLD, INVENTED, UNUSABLE]),
    st.integers(0, 9),
)
def test_every_answer_that_was_asked_for_is_there_whatever_the_order_of_the_replies(
    answers: list[str], revised: str, seed: int
) -> None:
    async def both() -> tuple[Settled, Settled]:
        script = tuple(answers), revised
        late = Scripted(*script, waits=random.Random(seed))
        return await settled(about_mill(), Scripted(*script)), await settled(about_mill(), late)

    found, again = asyncio.run(both())
    assert found == again
    assert len(found.drafts) + 1 == found.asked
    numbers = {found.number, *(draft.number for draft in found.drafts)}
    assert numbers == set(range(found.asked))
    assert all(not draft.verdict.kept and draft.verdict.reason for draft in found.drafts)
    by_number = {draft.number: draft.text for draft in found.drafts} | {found.number: found.text}
    assert [by_number[n] for n in range(len(answers))] == answers
    passes = any(text in (TOLD, TOLD_TOO, RYE) for text in answers)
    assert found.verdict.kept or not passes


def generating(answer: str) -> tuple[GenerateResponder, FakeModel]:
    def reply(_: Request) -> Reply:
        return Reply((Choice(json.dumps({"answer": answer})),))

    model = FakeModel(reply)
    asker = Asker(Caller(model, MemoryJournal()))
    return GenerateResponder(
        asker, Library(), FixedExamples({}), Sampling(0.2), sample_temperature=0.9
    ), model


@pytest.mark.parametrize(("question", "told"), [(about_mill(), TOLD), (about_mill_zh(), TOLD_ZH)])
async def test_the_first_sample_is_the_answer_that_one_alone_would_be(
    question: Question, told: str
) -> None:
    alone, asked_alone = generating(told)
    await Checking(None).settle(question, alone)
    several, asked = generating(told)
    await Checking(None, samples=3).settle(question, several)
    (request,) = asked_alone.requests
    assert asked.requests[0].identity("m") == request.identity("m")
    assert [r.sampling.temperature for r in asked.requests] == [0.2, 0.9, 0.9]
    assert len({r.seed for r in asked.requests}) == 3
    assert len({r.messages for r in asked.requests}) == 1
