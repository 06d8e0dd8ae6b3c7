"""Annotated examples of the user's own are looked at as answers are, and asked about once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from augcon.answer.verify import read_grade
from augcon.assemble import library_of
from augcon.audit import KEPT, MOST_TOLD, audit_examples
from augcon.config import load_settings
from augcon.errors import ModelError, RequestFailed, TooLongError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel, last_text
from augcon.llm.models import Models
from augcon.prompts import Library
from augcon.prompts.library import LANGUAGES

SERVER: Mapping[str, object] = {"model.name": "m", "model.base_urls": ("http://localhost/v1",)}
GOOD = {"context": "The mill ground rye.", "question": "What did it grind?", "answer": "Rye."}
GOOD_ZH = {"context": "磨坊磨黑麦。", "question": "磨坊磨什么？", "answer": "磨黑麦。"}
Script = Callable[[Request], str | Reply]


def verdict(word: str) -> Script:
    return lambda _: json.dumps({"finding": "It is so.", "verdict": word}, ensure_ascii=False)


class Audited:
    """What an audit told and wrote down, and what it asked."""

    def __init__(self, script: Script) -> None:
        self.model = FakeModel(script)  # type: ignore[arg-type]
        self.said: list[str] = []
        self.steps: dict[str, dict[str, object]] = {}

    async def remember(self, name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
        assert inputs
        output = await do()
        self.steps[name] = json.loads(output)
        return output

    async def of(
        self, languages: set[str], at: Mapping[str, object] = SERVER, **chosen: object
    ) -> Audited:
        names = {f"answers.{key}": value for key, value in chosen.items()}
        settings = load_settings(overrides={**names, **at})
        caller = Caller(self.model, MemoryJournal(), tries=2)
        models = Models(caller, None, None, schema=True, contexts_at_once=1)
        library = library_of(settings)
        await audit_examples(settings, models, library, languages, self.remember, self.said.append)
        return self

    def found(self, language: str = "en") -> list[tuple[str, str]]:
        step = self.steps[f"audit-{language}"]
        return [(each["reason"], each["detail"]) for each in step["found"]]  # type: ignore[attr-defined]


def lines(folder: Path, *examples: dict[str, str]) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(json.dumps(e, ensure_ascii=False) for e in examples), "utf-8")
    return path


@pytest.mark.parametrize("name", Library().sets())
async def test_ready_sets_are_not_looked_at(name: str) -> None:
    audited = await Audited(verdict("broken")).of({"en", "zh"}, principles=name)
    assert (audited.steps, audited.said, audited.model.requests) == ({}, [], [])


async def test_only_examples_of_the_corpus_languages_are_looked_at(tmp_path: Path) -> None:
    path = lines(tmp_path, GOOD, GOOD_ZH)
    audited = await Audited(verdict("遵守")).of({"zh"}, examples=path)
    assert set(audited.steps) == {"audit-zh"}
    assert audited.found("zh") == []
    (request,) = audited.model.requests
    assert GOOD_ZH["answer"] in last_text(request)
    assert Library().principles("zh") in last_text(request)


@pytest.mark.parametrize(
    ("language", "good", "word"), [("en", GOOD, "broken"), ("zh", GOOD_ZH, "违反")]
)
async def test_a_broken_principle_is_told_in_the_models_words(
    language: str, good: dict[str, str], word: str, tmp_path: Path
) -> None:
    audited = await Audited(verdict(word)).of({language}, examples=lines(tmp_path, good))
    assert audited.found(language) == [("breaks_principles", "It is so.")]
    (line,) = audited.said
    question = good["question"]
    assert line == f"WARNING: annotated example {question!r}: breaks_principles: It is so."


async def test_an_answer_that_its_context_does_not_support_is_told_with_the_claim(
    tmp_path: Path,
) -> None:
    path = lines(tmp_path, {**GOOD, "answer": "It ground rye for 40 farms."})
    audited = await Audited(verdict("kept")).of({"en"}, examples=path)
    assert audited.found() == [("not_supported", "It ground rye for 40 farms. (40)")]
    off = await Audited(verdict("kept")).of({"en"}, examples=path, verify="off")
    assert off.found() == []


async def test_an_example_without_a_source_is_told_where_answers_are_to_name_it(
    tmp_path: Path,
) -> None:
    principles = tmp_path / "mine.md"
    principles.write_text("Name the {source}.")
    path = lines(
        tmp_path,
        GOOD,
        {**GOOD, "source": "mill.md"},
        {**GOOD, "source": "mill.md", "answer": "Rye (mill.md)."},
    )
    audited = await Audited(verdict("kept")).of({"en"}, examples=path, principles=principles)
    assert audited.found() == [
        ("no_source", "its line has no source, which answers are to name"),
        ("no_source", "mill.md"),
    ]
    assert sum("Source:\n<<<\nmill.md" in last_text(r) for r in audited.model.requests) == 2


async def test_an_answer_in_another_language_than_its_question_is_told(tmp_path: Path) -> None:
    path = lines(tmp_path, {**GOOD, "answer": "磨坊为附近的九个村子磨黑麦和小麦。"})
    audited = await Audited(verdict("kept")).of({"en"}, examples=path)
    assert audited.found() == [("wrong_language", "in Chinese")]


async def test_a_model_that_says_nothing_usable_costs_the_example_its_audit_and_no_more(
    tmp_path: Path,
) -> None:
    path = lines(tmp_path, GOOD, {**GOOD, "answer": "Only rye."})
    audited = await Audited(verdict("kept, mostly")).of({"en"}, examples=path)
    assert [reason for reason, _ in audited.found()] == ["unusable_reply", "unusable_reply"]


async def test_the_embedded_model_is_not_asked_and_the_words_are_still_checked(
    tmp_path: Path,
) -> None:
    path = lines(tmp_path, GOOD, {**GOOD, "answer": "It ground rye for 40 farms."})
    audited = await Audited(verdict("broken")).of({"en"}, examples=path, at={})
    assert [reason for reason, _ in audited.found()] == ["not_supported"]
    assert audited.model.requests == []


async def test_a_fault_of_many_examples_is_told_once_on_the_terminal(tmp_path: Path) -> None:
    many = [{**GOOD, "question": f"What did it grind in {n}?"} for n in range(MOST_TOLD + 3)]
    audited = await Audited(verdict("broken")).of({"en"}, examples=lines(tmp_path, *many))
    assert len(audited.found()) == MOST_TOLD + 3
    (line,) = audited.said
    assert f"'What did it grind in 0?' and {MOST_TOLD + 2} more: breaks_principles" in line


async def test_many_faults_are_not_all_told_on_the_terminal(tmp_path: Path) -> None:
    years = range(1900, 1900 + MOST_TOLD + 3)
    many = [{**GOOD, "answer": f"It was built in {year}."} for year in years]
    audited = await Audited(verdict("kept")).of({"en"}, examples=lines(tmp_path, *many))
    assert len(audited.found()) == MOST_TOLD + 3
    assert len(audited.said) == MOST_TOLD + 1
    assert audited.said[-1] == "WARNING: and 3 other faults, which the report lists"


@pytest.mark.parametrize(("language", "good"), [("en", GOOD), ("zh", GOOD_ZH)])
@pytest.mark.parametrize("failing", ["finding", "evidence"])
async def test_a_server_that_fails_stops_the_run_and_nothing_is_remembered(
    language: str, good: dict[str, str], failing: str, tmp_path: Path
) -> None:
    """Whether it is asked about the principles or about what supports the answer."""

    def script(request: Request) -> str:
        if f'"{failing}"' in request.schema:
            raise RequestFailed("http 500")
        return json.dumps({"finding": "f", "verdict": "kept" if language == "en" else "遵守"})

    told = {"en": "It ground rye there.", "zh": "磨坊磨黑麦了。"}
    path = lines(tmp_path, {**good, "answer": told[language]})
    audited = Audited(script)
    with pytest.raises(ModelError, match="the server failed") as caught:
        await audited.of({language}, examples=path, verify="model")
    assert repr(good["question"]) in str(caught.value)
    assert audited.steps == {}


@pytest.mark.parametrize(
    ("language", "good", "line", "word"),
    [
        ("en", GOOD, "Write in {language}.", "Chinese"),
        ("zh", GOOD_ZH, "请用{language}写。", "英语"),
    ],
)
async def test_the_language_of_answers_is_filled_in_where_principles_name_it(
    language: str, good: dict[str, str], line: str, word: str, tmp_path: Path
) -> None:
    principles = tmp_path / "mine.md"
    principles.write_text(line, encoding="utf-8")
    other = {"en": "磨黑麦。", "zh": "It ground rye."}[language]
    audited = await Audited(verdict("kept" if language == "en" else "遵守")).of(
        {language},
        examples=lines(tmp_path, {**good, "answer": other}),
        principles=principles,
        language="zh" if language == "en" else "en",
    )
    (request,) = audited.model.requests
    assert line.replace("{language}", word) in last_text(request)
    assert "{language}" not in last_text(request)


async def test_principles_that_make_the_audit_too_long_stop_the_run(tmp_path: Path) -> None:
    def refuse(_: Request) -> str:
        raise TooLongError("too many tokens")

    principles = tmp_path / "long.md"
    principles.write_text("Be brief and kind. " * 1000)
    with pytest.raises(ModelError, match=r"the principles \(answers.principles"):
        await Audited(refuse).of({"en"}, principles=principles)


def test_every_verdict_of_the_prompts_examples_can_be_read_and_both_are_shown() -> None:
    for language in LANGUAGES:
        prompt = Library().prompt("audit", language)
        words = [example["verdict"] for example in prompt.examples]
        assert {KEPT[read_grade(word, KEPT)] for word in words} == {0.0, 1.0}
        for word in words:
            assert word in prompt.outputs[1].describe


@pytest.mark.parametrize(
    ("no", "yes"), [("not kept", "kept"), ("没有遵守", "遵守"), ("broken", "not broken")]
)
def test_a_verdict_is_a_whole_word(no: str, yes: str) -> None:
    assert KEPT[read_grade(no, KEPT)] == 0 < KEPT[read_grade(yes, KEPT)]
    for said in ("kept or broken", "遵守或违反", "unbroken", "yes", ""):
        with pytest.raises(Unusable):
            read_grade(said, KEPT)
