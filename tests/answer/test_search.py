from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from augcon.answer import FEWEST_TO_SEARCH, GenerateResponder, Search, check_answer
from augcon.config import load_settings
from augcon.errors import ReplyError
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel, last_text
from augcon.llm.models import Models
from augcon.prepare import prepare_responder
from augcon.prompts import Asker, Library
from augcon.records import Context, Document, Question, Triplet

ANNOTATED = [
    Triplet.of(f"Context {n} tells of a mill.", f"Question {n}?", f"Reference {n}.", "en")
    for n in range(7)
]
Script = Callable[[Request], str]


def outputs_of(request: Request) -> list[str]:
    return list(json.loads(request.schema)["required"])


def is_judging(request: Request) -> bool:
    return outputs_of(request) == ["reason", "grade"]


def grading(grade: Callable[[str], str], answer: str = "It is so.") -> Script:
    """Answers with the shown examples, and grades by what was answered."""

    def script(request: Request) -> str:
        if is_judging(request):
            return json.dumps({"reason": "r", "grade": grade(last_text(request))})
        shown = "".join(sorted(m.content for m in request.messages if m.role == "assistant"))
        return json.dumps({"answer": f"{answer} {shown}"})

    return script


def responder(script: Script) -> tuple[GenerateResponder, FakeModel]:
    model = FakeModel(script)
    asker = Asker(Caller(model, MemoryJournal(), seed=3))
    return GenerateResponder(asker, Library(), {}, Sampling(0.2)), model


def search(generator: GenerateResponder, seed: int = 0, trials: int = 6, shots: int = 2) -> Search:
    return Search(generator, shots, trials, 4, seed)


async def test_the_item_asked_is_never_among_its_own_examples() -> None:
    generator, model = responder(grading(lambda _: "3"))
    await search(generator, shots=4).run(ANNOTATED, "en")
    asked = [request for request in model.requests if not is_judging(request)]
    assert len(asked) >= 6
    for request in asked:
        item = next(t for t in ANNOTATED if t.question in last_text(request))
        for message in request.messages[:-1]:
            for part in (item.context, item.question, item.answer):
                assert part not in message.content


async def test_an_example_that_shares_the_context_or_question_asked_is_left_out() -> None:
    generator, model = responder(lambda _: json.dumps({"answer": "a"}))
    same_context = Triplet.of("The mill.", "Other?", "x", "en")
    same_question = Triplet.of("The bridge.", "Who?", "x", "en")
    other = Triplet.of("The tower.", "Why?", "x", "en")
    await generator.answer("The mill.", "Who?", "en", [same_context, same_question, other], 0)
    turns = [m.content for m in model.requests[0].messages if m.role == "user"]
    assert len(turns) == 2
    assert "The tower." in turns[0]


async def test_the_prompt_of_an_answer_holds_principles_context_and_question() -> None:
    generator, model = responder(lambda _: json.dumps({"answer": " a "}))
    document = Document.of("a.txt", "石桥建于1801年。", "zh")
    root = Context.root(document, 0, len(document.text), 9, "zh")
    asked = Question.of(root, "石桥建于何时？", 0)
    assert await generator.respond(asked) == "a"
    (request,) = model.requests
    assert Library().principles("zh") in request.messages[0].content
    assert document.text in last_text(request)
    assert asked.text in last_text(request)
    assert request.seed == generator.asker.caller.seed_for("answer", asked.id)


async def test_the_search_follows_from_its_seed() -> None:
    generator, _ = responder(grading(lambda _: "3"))
    first = await search(generator, seed=1).run(ANNOTATED, "en")
    assert await search(generator, seed=1).run(ANNOTATED, "en") == first
    assert await search(generator, seed=2).run(ANNOTATED, "en") != first


async def test_the_set_with_the_best_grades_wins() -> None:
    lucky = ANNOTATED[4].answer
    generator, _ = responder(
        grading(lambda said: "5" if lucky in said.split("Answer")[-1] else "2")
    )
    trials = await search(generator, trials=8).run(ANNOTATED, "en")
    assert [trial.grade for trial in trials] == sorted((t.grade for t in trials), reverse=True)
    assert ANNOTATED[4].id in trials[0].examples
    assert trials[0].grade > trials[-1].grade


async def test_equal_grades_go_by_agreement_with_the_references() -> None:
    generator, _ = responder(grading(lambda _: "4"))
    trials = await search(generator, trials=8).run(ANNOTATED, "en")
    assert {trial.grade for trial in trials} == {4.0}
    agreements = [trial.agreement for trial in trials]
    assert agreements == sorted(agreements, reverse=True)


@pytest.mark.parametrize(
    "said",
    ["10", "0", "6", "4/5", "4.5", "5分", "不是", "是", "five", "-5", "5 of 5", "４", "true"],
)
async def test_what_is_not_a_whole_grade_is_no_grade(said: str) -> None:
    generator, model = responder(grading(lambda _: said))
    trials = await search(generator, trials=1).run(ANNOTATED, "en")
    assert (trials[0].grade, trials[0].agreement) == (1.0, 0.0)
    judged = [request for request in model.requests if is_judging(request)]
    assert len(judged) == 4 * 4  # every item was asked again, up to the last try


@pytest.mark.parametrize("said", ["5", " 5 "])
async def test_a_whole_grade_is_one(said: str) -> None:
    generator, _ = responder(grading(lambda _: said))
    assert (await search(generator, trials=1).run(ANNOTATED, "en"))[0].grade == 5.0


async def test_an_answer_that_cannot_be_had_counts_as_the_worst() -> None:
    def script(request: Request) -> str:
        if is_judging(request):
            return json.dumps({"reason": "r", "grade": "5"})
        unlucky = any(t.question in last_text(request) for t in ANNOTATED[:3])
        return "no JSON" if unlucky else json.dumps({"answer": "a"})

    generator, _ = responder(script)
    trials = await search(generator, trials=8).run(ANNOTATED, "en")
    assert trials[-1].grade < 5.0
    assert all(1.0 <= trial.grade <= 5.0 for trial in trials)


async def test_more_shots_than_there_are_leave_one_item_to_be_asked() -> None:
    generator, _ = responder(grading(lambda _: "3"))
    trials = await search(generator, shots=50).run(ANNOTATED[:4], "en")
    assert {len(trial.examples) for trial in trials} == {3}


async def remembered(
    annotated: int, tmp_path: Path, **more: object
) -> tuple[dict[str, dict[str, object]], FakeModel]:
    """What the step that prepares the answers writes down."""
    path = tmp_path / "mine.jsonl"
    rows = [{"context": f"c {n}", "question": f"q {n}", "answer": "a"} for n in range(annotated)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = {"model.name": "m", "model.base_urls": ("http://h/v1",), **more}
    settings = load_settings(overrides={**overrides, "answers.examples": str(path)})
    model = FakeModel(grading(lambda _: "4"))
    models = Models(Caller(model, MemoryJournal()), None, None, schema=True, contexts_at_once=1)
    document = Document.of("a.txt", "The mill.", "en")
    roots = [Context.root(document, 0, 9, 2, "en")]
    steps: dict[str, dict[str, object]] = {}

    async def remember(name: str, do: Callable, *inputs: str) -> str:  # type: ignore[type-arg]
        output = await do()
        steps[name] = json.loads(output)
        return str(output)

    await prepare_responder(settings, models, Library(examples_file=path), roots, remember)
    searching = [r for r in model.requests if outputs_of(r) != ["finding", "verdict"]]
    model.requests[:] = searching  # less those that look at the examples
    return steps, model


async def test_too_few_annotated_examples_are_taken_as_they_are_and_it_is_said(
    tmp_path: Path,
) -> None:
    steps, model = await remembered(FEWEST_TO_SEARCH - 1, tmp_path)
    told = steps["examples-en"]
    assert (told["searched"], told["why"]) == (False, "3 annotated")
    assert len(told["examples"]) == 3  # type: ignore[arg-type]
    assert model.requests == []


async def test_enough_annotated_examples_are_searched(tmp_path: Path) -> None:
    steps, model = await remembered(FEWEST_TO_SEARCH, tmp_path, **{"answers.search_trials": 2})
    told = steps["examples-en"]
    assert told["searched"] is True
    assert len(told["trials"]) == 2  # type: ignore[arg-type]
    assert told["examples"] == told["trials"][0]["examples"]  # type: ignore[index]
    assert model.requests


async def test_no_trials_mean_no_search(tmp_path: Path) -> None:
    steps, model = await remembered(7, tmp_path, **{"answers.search_trials": 0})
    assert steps["examples-en"]["why"] == "search_trials = 0"
    assert model.requests == []


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


async def test_a_reply_that_cannot_be_used_is_raised_for_the_item() -> None:
    generator, _ = responder(lambda _: "no JSON")
    with pytest.raises(ReplyError):
        await generator.answer("c", "q", "en", (), 0)
