from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from augcon.answer import Bootstrap, Checking, LexicalVerifier, ModelVerifier
from augcon.errors import ModelError, RequestFailed
from augcon.llm.base import Request
from augcon.llm.fake import FakeModel, last_text
from augcon.records import Triplet
from tests.answer.annotated import (
    ANNOTATED,
    Shuffled,
    answers_asked,
    is_grading,
    item_of,
    responder,
    shown_in,
)

EVERY_LANGUAGE = pytest.mark.parametrize("language", ["en", "zh"])
INVENTED = {"en": "It was built in 1066.", "zh": "它建于1066年。"}
RETOLD = {"en": "That mill dates from {year}.", "zh": "那座磨坊建于{year}年。"}


def retold(item: Triplet) -> str:
    """Another answer than the reference, and as true."""
    year = 1800 + int("".join(c for c in item.question if c.isdigit()))
    return RETOLD[item.language].format(year=year)


def script_of(
    answer: Callable[[Triplet], str] = retold, grade: Callable[[Triplet], object] = lambda _: 5
) -> Callable[[Request], str]:
    def script(request: Request) -> str:
        item = item_of(last_text(request))
        if is_grading(request):
            return json.dumps({"reason": "r", "grade": str(grade(item))})
        return json.dumps({"answer": answer(item)})

    return script


def bootstrap(model: FakeModel, shots: int = 3, budget: int = 36) -> Bootstrap:
    return Bootstrap(responder(model), Checking(LexicalVerifier()), shots, budget, 0)


@EVERY_LANGUAGE
async def test_the_examples_are_the_models_own_answers_the_best_grades_first(language: str) -> None:
    annotated = ANNOTATED[language]
    best = annotated[5]
    model = FakeModel(script_of(grade=lambda item: 5 if item == best else 4))
    tried = await bootstrap(model).run(annotated, language)
    assert len(tried) == len(annotated)
    assert tried[0].item == best.id
    for one in tried:
        item = next(t for t in annotated if t.id == one.item)
        assert one.example is not None
        assert one.example.answer == retold(item) != item.answer
        assert (one.example.context, one.example.question) == (item.context, item.question)
        assert one.example.language == language


@EVERY_LANGUAGE
async def test_no_item_is_shown_its_own_reference(language: str) -> None:
    model = FakeModel(script_of())
    await bootstrap(model, shots=50).run(ANNOTATED[language], language)
    assert len(answers_asked(model)) == len(ANNOTATED[language])
    for request in answers_asked(model):
        item = item_of(last_text(request))
        assert len(shown_in(request.messages)) == len(ANNOTATED[language]) - 1
        assert all(item.answer not in message.content for message in request.messages)


@EVERY_LANGUAGE
async def test_an_answer_that_is_not_verified_is_no_example_and_is_not_graded(
    language: str,
) -> None:
    annotated = ANNOTATED[language]
    wrong = {annotated[0], annotated[3]}
    model = FakeModel(script_of(lambda t: INVENTED[language] if t in wrong else retold(t)))
    tried = await bootstrap(model).run(annotated, language)
    rejected = {one.item: one.reason for one in tried if one.example is None}
    assert rejected == {item.id: "not_supported" for item in wrong}
    assert [one.example is None for one in tried] == [False] * 7 + [True] * 2
    assert sum(map(is_grading, model.requests)) == 7


async def test_the_checks_of_all_answers_count_too() -> None:
    annotated = ANNOTATED["en"]
    script = script_of(lambda _: "According to the passage, it was Anna Kolbe.")
    tried = await bootstrap(FakeModel(script)).run(annotated, "en")
    assert {(one.example, one.reason) for one in tried} == {(None, "mentions_source")}


async def test_where_a_run_asks_the_model_to_verify_so_is_it_here() -> None:
    def script(request: Request) -> str:
        if "verdict" in request.schema:
            return json.dumps({"evidence": "none", "verdict": "contradicted"})
        return script_of()(request)

    model = FakeModel(script)
    found = bootstrap(model)
    checking = Checking(ModelVerifier(found.responder.asker, found.responder.library))
    strict = Bootstrap(found.responder, checking, 3, 36, 0)
    tried = await strict.run(ANNOTATED["en"], "en")
    assert {(one.example, one.reason) for one in tried} == {(None, "contradicted")}


@pytest.mark.parametrize("grade", [1, 2, 3])
async def test_a_low_grade_is_no_example(grade: int) -> None:
    script = script_of(grade=lambda _: grade)
    tried = await bootstrap(FakeModel(script)).run(ANNOTATED["zh"], "zh")
    assert {(one.example, one.reason, one.grade) for one in tried} == {(None, "low_grade", grade)}


async def test_equal_grades_go_by_agreement_with_the_reference() -> None:
    closest = ANNOTATED["en"][4]
    script = script_of(lambda item: item.answer if item == closest else retold(item))
    tried = await bootstrap(FakeModel(script)).run(ANNOTATED["en"], "en")
    assert (tried[0].item, tried[0].agreement) == (closest.id, 1.0)


async def test_a_question_that_the_model_fails_at_is_passed_over() -> None:
    unlucky = ANNOTATED["en"][2]

    def script(request: Request) -> str:
        failing = not is_grading(request) and item_of(last_text(request)) == unlucky
        return "no JSON" if failing else script_of()(request)

    tried = await bootstrap(FakeModel(script)).run(ANNOTATED["en"], "en")
    assert [(one.item, one.reason) for one in tried if one.example is None] == [
        (unlucky.id, "unusable_reply")
    ]


@EVERY_LANGUAGE
@pytest.mark.parametrize("failing", ["answer", "evidence", "grade"])
async def test_a_server_that_fails_at_one_request_is_waited_for_and_passes_nothing_over(
    language: str, failing: str
) -> None:
    unlucky = ANNOTATED[language][2]

    def script(request: Request) -> str:
        if f'"{failing}"' in request.schema and unlucky.question in last_text(request):
            raise RequestFailed("http 500")
        if "verdict" in request.schema:
            item = item_of(last_text(request))
            supported = {"en": "supported", "zh": "支持"}[language]
            return json.dumps({"evidence": item.context, "verdict": supported})
        return script_of()(request)

    found = bootstrap(FakeModel(script))
    checking = Checking(ModelVerifier(found.responder.asker, found.responder.library))
    strict = Bootstrap(found.responder, checking, 3, 36, 0)
    with pytest.raises(ModelError, match="the server failed") as caught:
        await strict.run(ANNOTATED[language], language)
    assert repr(unlucky.question) in str(caught.value)


@pytest.mark.parametrize("budget", [1, 4, 9, 50])
async def test_no_more_answers_are_asked_for_than_the_budget_allows(budget: int) -> None:
    model = FakeModel(script_of())
    tried = await bootstrap(model, budget=budget).run(ANNOTATED["en"], "en")
    assert len(tried) == len(answers_asked(model)) == min(budget, len(ANNOTATED["en"]))


async def test_what_is_found_does_not_depend_on_the_order_of_the_replies() -> None:
    script = script_of(grade=lambda item: 3 + sum(map(ord, item.id)) % 3)
    found = [
        await bootstrap(Shuffled(script, seed)).run(ANNOTATED["en"], "en") for seed in range(3)
    ]
    assert found[0] == found[1] == found[2]
    assert len({one.grade for one in found[0]}) > 1
