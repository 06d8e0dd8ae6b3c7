"""One root context's story with a mix: which passes are made, and what is asked in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from augcon.answer import Checking, Responder
from augcon.augment import Stages, augment
from augcon.records import Augmented, Context, Granularity, Question
from augcon.scorer import HeuristicScorer
from augcon.sections import SelectionSettings
from augcon.select import apportion
from augcon.tree import Division, Tree
from tests.small_corpora import chinese, english
from tests.tree.test_grow import Scripted, halves, root_of

MACRO, CONCEPT, DETAIL = Granularity
MIX = {MACRO: 0.25, CONCEPT: 0.25, DETAIL: 0.5}


class Plain:
    languages: frozenset[str] | None = None

    async def respond(self, question: Question, sample: int = 0) -> str:
        return question.context.text

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        return ""


class Inventive(Scripted):
    """Halves every context, and asks something else in each pass."""

    def __init__(self) -> None:
        super().__init__(halves)

    async def divide(self, node: Context, pass_number: int) -> Division:
        divided = await super().divide(node, pass_number)
        words = " ".join(f"{node.id}{pass_number}{letter}" for letter in "abc")
        asked = f"{words}是怎样建成的？" if node.language == "zh" else f"What of {words}?"
        return Division(asked, divided.parts)


def ready(value: Any) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


class Forgetful(Plain):
    """Says nothing to the first `times` questions that it is asked, and to no others."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked: list[str] = []

    async def respond(self, question: Question, sample: int = 0) -> str:
        self.asked.append(question.id)
        return "" if len(self.asked) <= self.times else question.context.text


async def augmented(
    root: Context,
    quota: int,
    mix: dict[Granularity, float],
    divider: Scripted,
    least: int = 20,
    responder: Responder | None = None,
) -> Augmented:
    selection = SelectionSettings.model_validate(
        {"mix": {kind.value: share for kind, share in mix.items()}}
    )
    tree, scorer = Tree(divider, least, 0.7), HeuristicScorer()
    responds = ready(responder or Plain())
    stages = Stages(tree, ready(scorer), responds, Checking(None), selection, 8)
    return await augment(root, quota, stages)


def kinds(result: Augmented) -> dict[Granularity, int]:
    kept = [j.question.granularity for j in result.questions if j.verdict.kept]
    return {kind: kept.count(kind) for kind in Granularity if kind in kept}


@pytest.mark.parametrize(("text", "language"), [(english(1, 30), "en"), (chinese(1, 20), "zh")])
async def test_passes_go_on_until_every_kind_has_its_places(text: str, language: str) -> None:
    root, quota = root_of(text, language), 16
    result = await augmented(root, quota, MIX, Inventive())
    assert kinds(result) == apportion(quota, MIX, root.id)
    assert 1 < result.passes < 8
    without = await augmented(root, quota, {}, Inventive())
    assert sum(kinds(without).values()) == quota
    assert without.passes < result.passes


async def test_a_pass_for_macro_questions_asks_about_the_upper_nodes_alone() -> None:
    divider = Inventive()
    root = root_of(english(1, 30))
    result = await augmented(root, 10, {MACRO: 0.8, CONCEPT: 0.1, DETAIL: 0.1}, divider)
    assert kinds(result)[MACRO] >= 7
    by_pass = [[n for n in result.nodes if n.pass_number == number] for number in range(3)]
    asked = [sum(n.question is not None for n in nodes) for nodes in by_pass]
    assert asked[0] > 15
    assert asked[1] == asked[2] <= 3
    assert len(divider.asked) < asked[0] + 3 * result.passes


async def test_a_root_that_is_one_sentence_fills_its_quota_whatever_the_mix() -> None:
    divider = Inventive()
    text = "The copper bridge of Norvale was built in 1801 by Anna Berg and repaired twice by Tom."
    result = await augmented(root_of(text), 1, {MACRO: 1, CONCEPT: 0, DETAIL: 0}, divider, 10)
    assert kinds(result) == {DETAIL: 1}
    assert result.passes == 1
    assert len(divider.asked) == 1


async def test_what_is_wanted_of_a_kind_that_no_node_has_costs_no_further_pass() -> None:
    divider = Inventive()
    root = root_of(english(1, 20))
    mix = {MACRO: 0.5, CONCEPT: 0, DETAIL: 0.5}
    result = await augmented(root, 2, mix, divider, least=90)
    assert DETAIL not in kinds(result)
    assert sum(kinds(result).values()) == 2
    assert result.passes == 1


async def test_passes_go_on_until_the_quota_is_reached_by_the_kinds_that_there_are() -> None:
    mix = {MACRO: 0.2, CONCEPT: 0.1, DETAIL: 0.7}
    result = await augmented(root_of(english(1, 20)), 12, mix, Inventive(), least=90)
    assert DETAIL not in kinds(result)
    assert sum(kinds(result).values()) == 12
    assert 1 < result.passes < 8


async def test_a_model_that_always_asks_the_same_is_given_up_and_the_rest_is_filled() -> None:
    root = root_of(english(1, 30))
    result = await augmented(root, 8, {MACRO: 1, CONCEPT: 0, DETAIL: 0}, Scripted(halves))
    assert sum(kinds(result).values()) == 8
    assert kinds(result)[MACRO] <= 2
    assert result.passes == 3


@pytest.mark.parametrize("mix", [{}, MIX])
@pytest.mark.parametrize(("text", "language"), [(english(1, 30), "en"), (chinese(1, 20), "zh")])
async def test_another_question_takes_the_place_of_one_that_could_not_be_answered(
    mix: dict[Granularity, float], text: str, language: str
) -> None:
    root, quota, responder = root_of(text, language), 8, Forgetful(3)
    result = await augmented(root, quota, mix, Inventive(), responder=responder)
    answered = [a for a in result.answers if a.verdict.kept]
    assert len(answered) == quota
    assert len(result.answers) == quota + 3 == len(set(responder.asked)) == len(responder.asked)
    kept = {j.question.id for j in result.questions if j.verdict.kept}
    assert {a.question.id for a in result.answers} == kept
    if mix:
        of_kind = [a.question.granularity for a in answered]
        assert {kind: of_kind.count(kind) for kind in MIX} == apportion(quota, MIX, root.id)


@pytest.mark.parametrize("mix", [{}, MIX])
async def test_an_answer_that_stands_is_never_given_up_for_a_later_question(
    mix: dict[Granularity, float],
) -> None:
    for quota, lost in ((24, 2), (25, 1), (16, 9)):
        responder = Forgetful(lost)
        root = root_of(english(1, 30))
        result = await augmented(root, quota, mix, Inventive(), responder=responder)
        assert len(responder.asked) == len(result.answers)
        assert sum(a.verdict.kept for a in result.answers) == quota


async def test_the_tree_is_not_grown_while_questions_are_left_for_the_free_places() -> None:
    root = root_of(english(1, 30))
    plain = await augmented(root, 24, {}, Inventive())
    spare = sum(j.verdict.reason == "over_quota" for j in plain.questions)
    assert spare > 2
    result = await augmented(root, 24, {}, Inventive(), responder=Forgetful(2))
    assert result.passes == plain.passes


async def test_the_tree_is_grown_again_where_no_question_is_left_for_a_free_place() -> None:
    root = root_of(english(1, 30))
    quota = 20
    plain = await augmented(root, quota, {}, Inventive())
    result = await augmented(root, quota, {}, Inventive(), responder=Forgetful(quota))
    assert sum(a.verdict.kept for a in result.answers) == quota
    assert result.passes > plain.passes


async def test_a_model_that_answers_nothing_is_soon_given_up() -> None:
    root, quota = root_of(english(1, 20)), 4
    result = await augmented(root, quota, {}, Inventive(), responder=Forgetful(10_000))
    assert not any(a.verdict.kept for a in result.answers)
    assert len(result.answers) == sum(j.verdict.kept for j in result.questions) == 2 * quota
