from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.errors import RequestFailed, RequestRefused
from augcon.llm.base import Choice, Reply, Request, TokenLogprob
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Library
from augcon.records import UNSCORED
from augcon.scorer import Item, JudgeScorer, Score, gives_logprobs
from augcon.scorer.judge import expected_score

ITEM = Item("The mill of Harwick was built by Tom Hale in 1801.", "Who built the mill of Harwick?")
CHINESE = Item("青石镇的石桥由李文远于1801年修建。", "谁修建了青石镇的石桥？")


def judge(reply: str | Reply, **more: object) -> tuple[JudgeScorer, FakeModel]:
    answer = reply if isinstance(reply, Reply) else Reply((Choice(reply),))
    model = FakeModel(lambda _: answer)
    told = {"logprobs": True, **more}
    return JudgeScorer(Caller(model, MemoryJournal()), Library(), **told), model  # type: ignore[arg-type]


def at(token: str, **top: float) -> TokenLogprob:
    """A token with the likeliest ones at its place, by their probabilities."""
    likeliest = tuple((name.lstrip("_"), math.log(p)) for name, p in top.items())
    return TokenLogprob(token, -0.1, likeliest)


async def test_the_model_is_asked_for_one_digit_with_the_log_probabilities_of_its_place() -> None:
    scorer, model = judge("4")
    assert await scorer.score([ITEM]) == [Score(4.0)]
    (request,) = model.requests
    assert request.endpoint == "chat"
    assert request.top_logprobs == 5
    assert request.sampling.temperature == 0
    assert (request.schema, request.grammar) == ("", "")
    assert ITEM.context in request.messages[-1].content
    assert ITEM.question in request.messages[-1].content
    shown = [m.content for m in request.messages if m.role == "assistant"]
    assert sorted(shown) == ["1", "2", "3", "4", "5"]


async def test_a_chinese_question_is_judged_by_the_chinese_rubric() -> None:
    scorer, model = judge("5")
    await scorer.score([CHINESE, ITEM])
    first, second = (request.messages[0].content for request in model.requests)
    assert "可答" in first
    assert "Answerability" in second


async def test_the_score_is_the_mean_of_the_digits_as_the_model_weighs_them() -> None:
    tokens = (at("4", _4=0.5, _5=0.3, _3=0.1, maybe=0.05, _9=0.05),)
    scorer, _ = judge(Reply((Choice("4", tokens=tokens),)))
    (score,) = await scorer.score([ITEM])
    assert score.value == pytest.approx((4 * 0.5 + 5 * 0.3 + 3 * 0.1) / 0.9)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), 4.0),
        ((at("4"),), 4.0),
        ((at("4", four=1.0),), 4.0),
        ((at("4", _4=0.5, _2=0.5), at("</s>", _1=1.0)), 3.0),
        ((at("4", _1=1.0), at("</think>"), at(" 4", **{"_ 4": 0.5, "_ 5": 0.5})), 4.5),
        ((at("4", **{"_4": 0.25, "_ 4": 0.25, "_5": 0.5}),), 4.5),
    ],
)
def test_what_is_not_told_of_the_digits_leaves_the_digit(
    tokens: tuple[TokenLogprob, ...], expected: float
) -> None:
    assert expected_score(tokens, "4") == pytest.approx(expected)


@given(st.lists(st.floats(-50, 0), min_size=5, max_size=5), st.sampled_from("12345"))
def test_the_score_lies_between_1_and_5(logprobs: list[float], digit: str) -> None:
    top = tuple(zip("12345", logprobs, strict=True))
    assert 1 <= expected_score((TokenLogprob(digit, -1.0, top),), digit) <= 5 + 1e-9


@pytest.mark.parametrize(
    "reply", ["", "0", "6", "4.5", "4 out of 5", "Score: 4", "45", "four", "４"]
)
async def test_a_reply_that_is_not_one_digit_from_1_to_5_is_asked_again_and_then_no_score(
    reply: str,
) -> None:
    scorer, model = judge(reply)
    (score,) = await scorer.score([ITEM])
    assert score.value == UNSCORED
    assert score.why_none.startswith("unusable_reply: ")
    assert len(model.requests) == 4


async def test_a_digit_after_the_models_thoughts_counts_and_a_reply_cut_off_does_not() -> None:
    scorer, _ = judge("<think>It is answered, so 5? No, 3.</think>\n3")
    assert await scorer.score([ITEM]) == [Score(3.0)]
    scorer, _ = judge(Reply((Choice("3", "length"),)))
    (score,) = await scorer.score([ITEM])
    assert "cut off" in score.why_none


async def test_an_item_that_the_server_refuses_costs_only_itself() -> None:
    def reply(request: Request) -> Reply:
        if "Paris" in request.messages[-1].content:
            raise RequestRefused("no")
        return Reply((Choice("2"),))

    caller = Caller(FakeModel(reply), MemoryJournal())
    scores = await JudgeScorer(caller, Library(), logprobs=False).score(
        [ITEM, Item("Paris.", "Where?"), CHINESE]
    )
    assert scores == [Score(2.0), Score(UNSCORED, "request_refused: no"), Score(2.0)]


async def test_a_model_on_this_machine_is_held_to_a_digit_by_a_grammar() -> None:
    scorer, model = judge("3", grammar=True)
    assert await scorer.score([ITEM]) == [Score(3.0)]
    (request,) = model.requests
    assert request.grammar == "root ::= [1-5]"
    assert request.top_logprobs > 5
    assert request.sampling.max_tokens < 10


async def test_a_model_without_a_chat_is_asked_to_go_on_with_the_text() -> None:
    scorer, model = judge("[[score]]\n2", endpoint="completion")
    assert await scorer.score([ITEM]) == [Score(2.0)]
    (request,) = model.requests
    assert (request.endpoint, request.top_logprobs) == ("completion", 0)
    assert "[[score]]" in request.text


async def test_without_log_probabilities_none_are_asked_for() -> None:
    scorer, model = judge("3", logprobs=False)
    await scorer.score([ITEM])
    assert model.requests[0].top_logprobs == 0


@pytest.mark.parametrize("refusal", [RequestRefused("no logprobs"), RequestFailed("it stumbled")])
async def test_a_server_that_refuses_log_probabilities_is_found_out(refusal: Exception) -> None:
    def reply(request: Request) -> Reply:
        if request.top_logprobs:
            raise refusal
        return Reply((Choice("3"),))

    assert not await gives_logprobs(Caller(FakeModel(reply), MemoryJournal()))
    assert await gives_logprobs(judge("3")[0].caller)


def test_the_rubrics_examples_show_every_score_once_in_both_languages() -> None:
    for language in ("en", "zh"):
        shown = [example["score"] for example in Library().prompt("score", language).examples]
        assert sorted(shown) == ["1", "2", "3", "4", "5"]
