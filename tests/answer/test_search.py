from __future__ import annotations

import json
from collections import Counter

import pytest

from augcon.answer import FixedExamples, GenerateResponder, Search, answers_of_search, check_answer
from augcon.answer.search import Found, Trial, on_same_items
from augcon.errors import ModelError, ReplyError, RequestFailed
from augcon.llm.base import Reply, Request
from augcon.llm.fake import FakeModel, last_text
from augcon.prompts import Library
from augcon.records import Context, Document, Question, Triplet
from tests.answer.annotated import (
    ANNOTATED,
    Shown,
    Shuffled,
    answers_asked,
    is_grading,
    item_of,
    responder,
    script_of,
    shown_in,
)

EVERY_LANGUAGE = pytest.mark.parametrize("language", ["en", "zh"])


def search(
    model: FakeModel, shots: int = 3, trials: int = 8, budget: int = 48, seed: int = 0
) -> Search:
    return Search(responder(model), shots, trials, budget, seed)


def ids(some: list[Triplet]) -> tuple[str, ...]:
    return tuple(t.id for t in some)


def test_grades_on_other_items_are_compared_as_if_on_the_same() -> None:
    spared, unspared = {"easy": 5.0, "plain": 4.0}, {"hard": 1.0, "plain": 4.0}
    third = {"easy": 5.0, "hard": 1.0, "plain": 4.0}
    assert len(set(on_same_items([spared, unspared, third]))) == 1
    better = {"hard": 2.0, "plain": 5.0}
    found = on_same_items([spared, better, third])
    assert found[1] > found[0] == pytest.approx(found[2], abs=0.3)


def test_sets_without_an_item_in_common_are_not_compared() -> None:
    assert len(set(on_same_items([{"easy": 5.0}, {"hard": 1.0}]))) == 1


def test_few_lucky_items_weigh_less_than_many() -> None:
    items = "abcdef"
    many, plain = dict.fromkeys(items, 5.0), dict.fromkeys(items, 3.0)
    few = {"a": 5.0}
    ranks = on_same_items([few, many, plain])
    assert ranks[1] > ranks[0] > ranks[2]


def test_grades_that_all_agree_are_told_as_they_are() -> None:
    assert on_same_items([{"a": 4.0, "b": 4.0}, {"c": 4.0}]) == [4.0, 4.0]
    assert on_same_items([{}, {}]) == [0.0, 0.0]


@EVERY_LANGUAGE
async def test_the_item_asked_is_never_among_its_own_examples(language: str) -> None:
    model = FakeModel(script_of(lambda *_: 3))
    await search(model, shots=4).run(ANNOTATED[language], language)
    assert len(answers_asked(model)) > 12
    for request in answers_asked(model):
        item = item_of(last_text(request))
        assert len(shown_in(request.messages)) == 4
        for message in request.messages[:-1]:
            for part in (item.context, item.question, item.answer):
                assert part not in message.content


async def test_no_set_is_asked_what_shares_a_context_or_a_question_with_it() -> None:
    pairs = [
        Triplet.of(t.context, f"{t.question} {n}", f"{n}", "en")
        for t in ANNOTATED["en"][:4]
        for n in range(2)
    ]
    model = FakeModel(script_of(lambda *_: 3))
    found = await search(model, shots=2).run(pairs, "en")
    assert found.trials
    for request in answers_asked(model):
        asked = item_of(last_text(request))
        shown = [item_of(m.content).context for m in request.messages[1:-1:2]]
        assert len(shown) == 2
        assert asked.context not in shown


@EVERY_LANGUAGE
async def test_what_is_found_does_not_depend_on_the_order_of_the_replies(language: str) -> None:
    def grade(item: Triplet, shown: Shown) -> int:
        return 1 + sum(map(ord, item.id + min(shown))) % 5

    results = []
    for seed in range(4):
        model = Shuffled(script_of(grade), seed)
        results.append(await search(model, seed=5).run(ANNOTATED[language], language))
    assert results[0].trials
    assert all(result == results[0] for result in results)


async def test_the_search_follows_from_its_seed() -> None:
    model = FakeModel(script_of(lambda *_: 3))
    first = await search(model, seed=1).run(ANNOTATED["en"], "en")
    assert await search(model, seed=1).run(ANNOTATED["en"], "en") == first
    assert await search(model, seed=2).run(ANNOTATED["en"], "en") != first


@pytest.mark.parametrize("trials", [2, 3, 5, 8, 13])
@pytest.mark.parametrize("budget", [13, 20, 24, 36, 100])
@pytest.mark.parametrize("shots", [1, 4, 8])
async def test_the_budget_is_never_exceeded_and_the_forecast_is_exact(
    trials: int, budget: int, shots: int
) -> None:
    model = FakeModel(script_of(lambda *_: 3))
    found = await search(model, shots, trials, budget).run(ANNOTATED["en"], "en")
    asked = len(answers_asked(model))
    assert min(trials, 9 if shots == 1 else trials) <= asked <= budget
    assert asked == sum(map(is_grading, model.requests)) == found.curve[-1].answers
    assert asked == answers_of_search(len(ANNOTATED["en"]), shots, trials, budget)
    assert [one.answers for one in found.curve] == sorted({one.answers for one in found.curve})


async def test_the_set_of_no_search_is_a_candidate_and_sets_are_distinct_and_ordered() -> None:
    annotated = ANNOTATED["en"][:4]
    model = FakeModel(script_of(lambda *_: 3))
    found = await search(model, shots=1, trials=50, budget=500).run(annotated, "en")
    assert sorted(t.examples for t in found.trials) == sorted((t.id,) for t in annotated)
    found = await search(model, shots=2, trials=50, budget=500).run(annotated, "en")
    assert len({t.examples for t in found.trials}) == len(found.trials) == 12
    assert ids(annotated[:2]) in {t.examples for t in found.trials}


@pytest.mark.parametrize("seed", range(5))
async def test_where_no_set_is_better_the_search_changes_nothing(seed: int) -> None:
    """However hard the items are: a set that holds the hard ones is spared them."""

    def grade(item: Triplet, _: Shown) -> int:
        return 1 if int(item.question.split()[3]) < 4 else 5

    model = FakeModel(script_of(grade, lambda *_: "As good as any."))
    found = await search(model, seed=seed).run(ANNOTATED["en"], "en")
    assert found.trials[0].examples == ids(ANNOTATED["en"][:3])
    assert max(t.grade for t in found.trials) > min(t.grade for t in found.trials)


@EVERY_LANGUAGE
async def test_the_set_with_the_best_grades_wins_although_its_items_are_harder(
    language: str,
) -> None:
    annotated = ANNOTATED[language]
    hard, lucky = annotated[0], annotated[7]

    def grade(item: Triplet, shown: Shown) -> int:
        return (1 if item == hard else 3) + (lucky.id in shown)

    model = FakeModel(script_of(grade))
    found = await search(model, trials=12, budget=80).run(annotated, language)
    assert lucky.id in found.trials[0].examples
    assert found.trials[0].fair > found.trials[-1].fair


async def test_hopeless_sets_are_abandoned_early_and_the_rest_go_on_with_more_items() -> None:
    bad = ANNOTATED["en"][7]
    model = FakeModel(script_of(lambda _, shown: 1 if bad.id in shown else 5))
    found = await search(model, trials=8, budget=48).run(ANNOTATED["en"], "en")
    by_fate: dict[int | None, list[Trial]] = {}
    for trial in found.trials:
        by_fate.setdefault(trial.abandoned, []).append(trial)
    assert {fate: len(some) for fate, some in by_fate.items()} == {None: 2, 2: 2, 1: 4}
    assert [t.items for t in found.trials] == sorted((t.items for t in found.trials), reverse=True)
    assert max(t.items for t in by_fate[1]) == 2
    assert not any(bad.id in t.examples for t in by_fate[None])
    bad_ones = [t for t in found.trials if bad.id in t.examples]
    assert len(bad_ones) >= 2
    assert all(t.abandoned is not None for t in bad_ones)


@EVERY_LANGUAGE
@pytest.mark.parametrize("seed", range(4))
async def test_the_set_of_no_search_goes_to_the_end_and_the_winner_is_never_graded_worse(
    language: str, seed: int
) -> None:
    annotated = ANNOTATED[language]

    def grade(item: Triplet, shown: Shown) -> int:
        worse = annotated[1].id in shown
        return 1 + sum(map(ord, item.id + min(shown))) % (3 if worse else 5)

    found = await search(FakeModel(script_of(grade)), seed=seed).run(annotated, language)
    winner, (first,) = (
        found.trials[0],
        [t for t in found.trials if t.examples == ids(annotated[:3])],
    )
    assert first.abandoned is None
    assert winner.fair >= first.fair
    assert (
        found.curve[-1].grade
        == winner.fair
        == max(t.fair for t in found.trials if t.abandoned is None)
    )


async def test_equal_grades_go_by_agreement_with_the_references_then_by_the_earlier_set() -> None:
    wordy = ANNOTATED["en"][8]

    def answer(item: Triplet, shown: Shown) -> str:
        return item.answer if wordy.id in shown else f"{item.answer} Or so they say, at least."

    model = FakeModel(script_of(lambda *_: 4, answer))
    found = await search(model, trials=8).run(ANNOTATED["en"], "en")
    assert {trial.grade for trial in found.trials} == {4.0}
    assert wordy.id in found.trials[0].examples
    assert found.trials[0].agreement == max(t.agreement for t in found.trials)


async def test_an_answer_or_a_grade_that_cannot_be_had_counts_as_the_worst() -> None:
    unlucky = {ANNOTATED["en"][n].id for n in (0, 1)}

    def script(request: Request) -> str:
        if is_grading(request):
            return json.dumps({"reason": "r", "grade": "5"})
        shown = set(shown_in(request.messages))
        return "no JSON" if shown & unlucky else json.dumps({"answer": "a"})

    found = await search(FakeModel(script), trials=8).run(ANNOTATED["en"], "en")
    for trial in found.trials:
        worst = bool(unlucky & set(trial.examples))
        assert (trial.grade, trial.agreement) == ((1.0, 0.0) if worst else (5.0, 0.0))
    assert not unlucky & set(found.trials[0].examples)
    ungraded = FakeModel(script_of(lambda *_: "不是"))
    found = await search(ungraded, trials=2, budget=4).run(ANNOTATED["zh"], "zh")
    assert {(t.grade, t.agreement) for t in found.trials} == {(1.0, 0.0)}


async def test_a_server_that_is_gone_ends_the_search() -> None:
    class Gone(FakeModel):
        async def ask(self, request: Request) -> Reply:
            raise ModelError("gone")

    with pytest.raises(ModelError):
        await search(Gone({})).run(ANNOTATED["en"], "en")


@EVERY_LANGUAGE
@pytest.mark.parametrize("failing", ["answer", "grade"])
async def test_a_server_that_fails_at_one_request_is_no_worst_grade_but_ends_the_search(
    language: str, failing: str
) -> None:
    unlucky = ANNOTATED[language][4]

    def script(request: Request) -> str:
        grading = is_grading(request)
        if grading is (failing == "grade") and item_of(last_text(request)) == unlucky:
            raise RequestFailed("http 500")
        return script_of(lambda *_: 4)(request)

    with pytest.raises(ModelError, match="the server failed") as caught:
        await search(FakeModel(script)).run(ANNOTATED[language], language)
    assert repr(unlucky.question) in str(caught.value)


async def test_one_item_beyond_the_shots_is_the_one_to_be_asked() -> None:
    model = FakeModel(script_of(lambda *_: 3))
    found = await search(model, shots=3).run(ANNOTATED["en"][:4], "en")
    assert {len(trial.examples) for trial in found.trials} == {3}
    assert {trial.items for trial in found.trials} == {1}


async def test_examples_of_one_context_leave_nothing_to_search() -> None:
    same = [
        Triplet.of("Mill 1 was built by Anna Kolbe.", f"Mill {n}?", f"{n}", "en") for n in range(6)
    ]
    model = FakeModel({})
    assert await search(model).run(same, "en") == Found((), ())
    assert model.requests == []


async def test_every_set_is_asked_in_the_same_order() -> None:
    model = FakeModel(script_of(lambda *_: 3))
    await search(model, trials=6, budget=60).run(ANNOTATED["en"], "en")
    orders: dict[tuple[str, ...], list[str]] = {}
    for request in answers_asked(model):
        asked = orders.setdefault(tuple(shown_in(request.messages)), [])
        asked.append(item_of(last_text(request)).id)
    longest = max(orders.values(), key=len)
    before = Counter(
        (one, other)
        for order in orders.values()
        for i, one in enumerate(order)
        for other in order[i + 1 :]
    )
    assert len(longest) >= 5
    assert not any((other, one) in before for one, other in before)


# What the search's responder is besides


async def test_an_example_that_shares_the_context_or_question_asked_is_left_out() -> None:
    model = FakeModel(lambda _: json.dumps({"answer": "a"}))
    same_context = Triplet.of("The mill.", "Other?", "x", "en")
    same_question = Triplet.of("The bridge.", "Who?", "x", "en")
    other = Triplet.of("The tower.", "Why?", "x", "en")
    shots = [same_context, same_question, other]
    await responder(model).answer("The mill.", "Who?", "en", shots, 0)
    turns = [m.content for m in model.requests[0].messages if m.role == "user"]
    assert len(turns) == 2
    assert "The tower." in turns[0]


async def test_the_prompt_of_an_answer_holds_principles_examples_context_and_question() -> None:
    model = FakeModel(lambda _: json.dumps({"answer": " a "}))
    document = Document.of("a.txt", "石桥建于1801年。", "zh")
    root = Context.root(document, 0, len(document.text), 9, "zh")
    asked = Question.of(root, "石桥建于何时？", 0)
    bare = responder(model)
    shown = FixedExamples({"zh": ANNOTATED["zh"][:2], "en": ANNOTATED["en"][:1]})
    generator = GenerateResponder(bare.asker, bare.library, shown, bare.sampling)
    assert await generator.respond(asked) == "a"
    (request,) = model.requests
    assert Library().principles("zh") in request.messages[0].content
    assert shown_in(request.messages) == [t.id for t in ANNOTATED["zh"][:2]]
    assert document.text in last_text(request)
    assert asked.text in last_text(request)
    assert request.seed == generator.asker.caller.seed_for("answer", asked.id)


async def test_a_reply_that_cannot_be_used_is_raised_for_the_item() -> None:
    with pytest.raises(ReplyError):
        await responder(FakeModel(lambda _: "no JSON")).answer("c", "q", "en", (), 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("In 1801.", ""),
        ("", "empty_answer"),
        (" ?! ", "empty_answer"),
        ("when was it BUILT", "repeats_question"),
    ],
)
def test_an_answer_says_something_that_the_question_did_not(answer: str, reason: str) -> None:
    document = Document.of("a.txt", "The mill.", "en")
    asked = Question.of(Context.root(document, 0, 9, 2, "en"), "When was it built?", 0)
    verdict = check_answer(asked, answer)
    assert verdict.reason == reason
    assert verdict.kept is (reason == "")
