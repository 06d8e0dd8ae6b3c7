"""How few-shot examples are chosen, by each of `answers.choose`, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from augcon.answer import FEWEST_TO_SEARCH, GenerateResponder, Responder, answers_of_search
from augcon.config import load_settings
from augcon.errors import SettingsError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.llm.models import Models
from augcon.prepare import prepare_responder
from augcon.prompts import Library
from augcon.records import Triplet
from tests.answer.annotated import ANNOTATED, answers_asked, is_grading, script_of
from tests.answer.test_bootstrap import script_of as own_answers
from tests.answer.test_examples import Encoder

EVERY_LANGUAGE = pytest.mark.parametrize("language", ["en", "zh"])

ALIKE = script_of(lambda *_: 4)


@pytest.fixture(autouse=True)
def _no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the examples are looked at first is tested with the audit."""

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr("augcon.prepare.audit_examples", nothing)


@dataclass
class Start:
    """One start of a run, over what an earlier one wrote down."""

    folder: Path
    annotated: list[Triplet]
    script: Callable[[Request], str] = ALIKE
    steps: dict[str, str] = field(default_factory=dict)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    said: list[str] = field(default_factory=list)
    encoder: Encoder | None = None

    async def __call__(self, languages: tuple[str, ...] = ("en",), **answers: object) -> Responder:
        path = self.folder / "mine.jsonl"
        rows = [
            {"context": t.context, "question": t.question, "answer": t.answer}
            for t in self.annotated
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        names = {f"answers.{key}": value for key, value in answers.items()}
        server = {"model.name": "m", "model.base_urls": ("http://h/v1",)}
        settings = load_settings(overrides={**server, "answers.examples": str(path), **names})
        self.model = FakeModel(self.script)
        embedder = self.encoder and Caller(self.encoder, self.journal)
        caller = Caller(self.model, self.journal)
        models = Models(caller, embedder, None, schema=True, contexts_at_once=1)
        library = Library(examples_file=path, answers_in=settings.answers.language)
        return await prepare_responder(
            settings, models, library, languages, self.remember, self.said.append
        )

    async def remember(self, name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
        if name not in self.steps:
            self.steps[name] = await do()
        return self.steps[name]

    def told(self, language: str = "en") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.steps[f"examples-{language}"])
        return found


async def shown_by(responder: Responder, language: str = "en") -> list[str]:
    assert isinstance(responder, GenerateResponder)
    asked = ("A mill.", "Who?") if language == "en" else ("一座磨坊。", "谁？")
    return [t.answer for t in await responder.examples.of(*asked, language)]


@EVERY_LANGUAGE
async def test_the_winner_of_the_search_is_shown_and_the_step_tells_of_it(
    tmp_path: Path, language: str
) -> None:
    lucky = ANNOTATED[language][7]
    script = script_of(lambda _, shown: 5 if lucky.id in shown else 2)
    start = Start(tmp_path, ANNOTATED[language], script)
    responder = await start((language,))
    told = start.told(language)
    assert (told["how"], told["why"], start.said) == ("search", "", [])
    assert await shown_by(responder, language) == [one["answer"] for one in told["examples"]]
    assert told["trials"][0]["examples"] == [one["id"] for one in told["examples"]]
    assert lucky.id in told["trials"][0]["examples"]
    assert told["curve"][-1] == {
        "answers": sum(trial["items"] for trial in told["trials"]),
        "grade": told["trials"][0]["fair"],
    }
    asked = len(answers_asked(start.model))
    assert told["curve"][-1]["answers"] == asked <= 48
    assert told["cost"]["calls"] == len(start.model.requests) == 2 * asked
    assert told["cost"]["prompt_tokens"] > 0
    assert told["cost"]["completion_tokens"] > 0


@pytest.mark.parametrize("choose", ["search", "bootstrapped", "nearest"])
async def test_a_second_start_asks_nothing_and_shows_the_same(tmp_path: Path, choose: str) -> None:
    first = Start(tmp_path, ANNOTATED["en"], encoder=Encoder())
    shown = await shown_by(await first(choose=choose))
    again = Start(tmp_path, ANNOTATED["en"], steps=first.steps, journal=first.journal)
    again.encoder = Encoder()
    responder = await again(choose=choose)
    assert again.model.requests == []
    assert again.encoder.texts == []
    assert await shown_by(responder) == shown


@pytest.mark.parametrize("after", [1, 7, 20, 35])
async def test_a_search_that_was_stopped_goes_on_and_tells_the_same(
    tmp_path: Path, after: int
) -> None:
    class Killed(Exception):  # noqa: N818
        pass

    whole = Start(tmp_path, ANNOTATED["en"])
    await whole()
    left = after

    def until_then(request: Request) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return ALIKE(request)

    stopped = Start(tmp_path, ANNOTATED["en"], until_then)
    with pytest.raises(Killed):
        await stopped()
    assert stopped.steps == {}
    known = len(stopped.journal.replies)
    again = Start(tmp_path, ANNOTATED["en"], journal=stopped.journal)
    await again()
    assert again.told() == whole.told()
    assert 0 < known < len(whole.model.requests)
    assert len(again.model.requests) == len(whole.model.requests) - known


@pytest.mark.parametrize(
    ("number", "shots", "taken"), [(3, 4, "all"), (1, 4, "all"), (3, 2, "the first 2")]
)
async def test_too_few_to_search_are_taken_as_they_are_and_it_is_said(
    tmp_path: Path, number: int, shots: int, taken: str
) -> None:
    start = Start(tmp_path, ANNOTATED["en"][:number])
    responder = await start(shots=shots)
    assert start.model.requests == []
    assert await shown_by(responder) == [t.answer for t in ANNOTATED["en"][:number][:shots]]
    assert start.told()["how"] == "first"
    (said,) = start.said
    assert said == f"few-shot examples (en): {start.told()['why']}"
    assert f"only {number} annotated" in said
    assert f"{taken} of them are used, in order" in said


async def test_as_many_as_are_needed_are_searched(tmp_path: Path) -> None:
    start = Start(tmp_path, ANNOTATED["zh"][:FEWEST_TO_SEARCH])
    await start(("zh",), search_trials=2, shots=3)
    assert start.told("zh")["how"] == "search"
    assert len(start.told("zh")["trials"]) == 2


@EVERY_LANGUAGE
@pytest.mark.parametrize(("number", "shots"), [(4, 4), (5, 5), (5, 9)])
async def test_where_all_can_be_shown_all_are_and_nothing_is_searched(
    tmp_path: Path, language: str, number: int, shots: int
) -> None:
    some = ANNOTATED[language][:number]
    start = Start(tmp_path, some)
    responder = await start((language,), shots=shots)
    assert await shown_by(responder, language) == [t.answer for t in some]
    assert (start.model.requests, start.told(language)["how"]) == ([], "first")
    (said,) = start.said
    assert f"only {number} annotated, no more than are shown: all of them are used" in said
    assert answers_of_search(number, shots, 8, 48) == 0


async def test_annotated_examples_of_one_context_are_not_searched_and_it_is_said(
    tmp_path: Path,
) -> None:
    same = [Triplet.of("One mill.", f"Question {n}?", f"{n}", "en") for n in range(6)]
    start = Start(tmp_path, same)
    assert await shown_by(await start()) == ["0", "1", "2", "3"]
    assert "no two sets could be compared" in start.said[0]
    assert start.told()["how"] == "first"


@EVERY_LANGUAGE
async def test_the_first_ones_are_shown_in_order_without_a_call_or_a_word(
    tmp_path: Path, language: str
) -> None:
    start = Start(tmp_path, ANNOTATED[language])
    responder = await start((language,), choose="first", shots=3)
    assert await shown_by(responder, language) == [t.answer for t in ANNOTATED[language][:3]]
    assert (start.model.requests, start.said) == ([], [])
    assert start.told(language)["cost"]["calls"] == 0


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"choose": "none"}, 'answers.choose = "none"'),
        ({"shots": 0}, "answers.shots = 0"),
        ({"shots": 0, "choose": "nearest"}, "answers.shots = 0"),
        ({"shots": 0, "choose": "bootstrapped"}, "answers.shots = 0"),
    ],
)
async def test_zero_shot_is_said(tmp_path: Path, answers: dict[str, object], why: str) -> None:
    start = Start(tmp_path, ANNOTATED["en"])
    assert await shown_by(await start(**answers)) == []
    assert start.said == [
        f"few-shot examples (en): {why}: answers are asked for without examples (zero-shot)"
    ]
    assert (start.told()["how"], start.told()["examples"]) == ("none", [])
    assert start.model.requests == []


@pytest.mark.parametrize("choose", ["search", "first", "nearest", "bootstrapped", "none"])
async def test_a_language_without_annotated_examples_is_answered_zero_shot(
    tmp_path: Path, choose: str
) -> None:
    start = Start(tmp_path, ANNOTATED["en"], encoder=Encoder())
    responder = await start(("en", "zh"), choose=choose)
    assert await shown_by(responder, "zh") == []
    assert bool(await shown_by(responder, "en")) is (choose != "none")
    assert start.told("zh")["how"] == "none"
    assert "zero-shot" in start.said[-1]
    empty = Start(tmp_path, [], encoder=Encoder())
    assert await shown_by(await empty(choose=choose)) == []
    assert empty.model.requests == []
    assert "zero-shot" in empty.said[0]


@pytest.mark.parametrize(("language", "wanted"), [("en", "zh"), ("zh", "en")])
async def test_examples_whose_answers_have_another_language_are_told_as_what_they_are(
    tmp_path: Path, language: str, wanted: str
) -> None:
    start = Start(tmp_path, ANNOTATED[language])
    both = ("en", "zh")
    assert await shown_by(await start(both, language=wanted), language) == []
    said = {line[19:21]: line for line in start.said}
    assert "has an answer in that of answers.language: answers are asked" in said[language]
    assert "no annotated example is in this language: answers are asked" in said[wanted]


async def test_a_language_without_prompts_is_asked_in_english(tmp_path: Path) -> None:
    start = Start(tmp_path, ANNOTATED["en"])
    await start(("de", "en"), choose="first")
    assert list(start.steps) == ["examples-en"]


async def test_nearest_examples_are_embedded_by_the_server_once(tmp_path: Path) -> None:
    start = Start(tmp_path, ANNOTATED["en"], encoder=Encoder())
    responder = await start(choose="nearest", shots=2)
    assert start.encoder is not None
    assert len(set(start.encoder.texts)) == len(start.encoder.texts) == 2 * len(ANNOTATED["en"])
    assert len(await shown_by(responder)) == 2
    assert start.told()["how"] == "nearest"
    assert start.told()["cost"]["calls"] == 2 * len(ANNOTATED["en"])
    assert start.model.requests == []


async def test_nearest_examples_need_embeddings_and_it_is_said_before_a_call(
    tmp_path: Path,
) -> None:
    start = Start(tmp_path, ANNOTATED["en"])
    with pytest.raises(SettingsError, match=r"answers\.choose = \"nearest\" needs embeddings"):
        await start(choose="nearest")
    assert start.model.requests == []


@EVERY_LANGUAGE
async def test_bootstrapped_examples_are_the_models_own_and_verified(
    tmp_path: Path, language: str
) -> None:
    annotated = ANNOTATED[language]
    start = Start(tmp_path, annotated, own_answers())
    shown = await shown_by(await start((language,), choose="bootstrapped"), language)
    assert len(shown) == 4
    assert not set(shown) & {t.answer for t in annotated}
    told = start.told(language)
    assert told["how"] == "bootstrapped"
    assert len(told["tried"]) == len(annotated)
    assert [one["example"] for one in told["tried"][:4]] == told["examples"]
    assert told["cost"]["calls"] == len(start.model.requests) == 2 * len(annotated)


async def test_where_no_answer_of_its_own_passes_the_first_set_is_shown_and_it_is_said(
    tmp_path: Path,
) -> None:
    start = Start(tmp_path, ANNOTATED["en"], own_answers(lambda _: "It was built in 1066."))
    shown = await shown_by(await start(choose="bootstrapped"))
    assert shown == [t.answer for t in ANNOTATED["en"][:4]]
    assert "none of the model's own answers passed" in start.said[0]
    assert (start.told()["how"], len(start.told()["tried"])) == ("first", 9)
    assert not any(map(is_grading, start.model.requests))


async def test_only_what_choosing_asked_is_its_cost(tmp_path: Path) -> None:
    """Other stages ask the same model meanwhile, through the same journal."""
    start = Start(tmp_path, ANNOTATED["en"])
    other = Caller(FakeModel(lambda _: "yes"), start.journal)
    await other.ask(Request("completion", text="another stage"), _text)
    await start()
    assert start.told()["cost"]["calls"] == len(start.model.requests)


def _text(reply: Reply) -> str:
    return reply.text


@pytest.mark.parametrize(
    ("language", "texts", "verify", "warned"),
    [
        ("zh", ("en",), "lexical", True),
        ("en", ("en", "zh"), "lexical", True),
        ("zh", ("zh",), "lexical", False),
        ("context", ("en", "zh"), "lexical", False),
        ("zh", ("en",), "model", False),
        ("zh", ("en",), "off", False),
    ],
)
async def test_it_is_said_where_answers_in_another_language_are_hardly_checked(
    tmp_path: Path, language: str, texts: tuple[str, ...], verify: str, warned: bool
) -> None:
    start = Start(tmp_path, [*ANNOTATED["en"], *ANNOTATED["zh"]])
    await start(texts, language=language, verify=verify, choose="none")
    assert any("only numbers and names" in line for line in start.said) is warned
