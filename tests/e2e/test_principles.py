"""Runs with principles by name, answers in a language of their own, and examples looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import augcon
from augcon.checkup import Check
from augcon.errors import ExamplesError, ModelError
from augcon.prompts import Library
from augcon.watch import Watch
from tests.e2e.program import rows, steps_of
from tests.e2e.test_run import SMALL
from tests.e2e.test_verification import asked_with
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

HAN = re.compile("[一-鿿]")
AUDIT = {"en": "kept or broken", "zh": "遵守或违反"}
EXAMPLES = [
    {
        "context": "The mill of Orrow was built in 1801. It ground rye for nine villages.",
        "question": "When was the mill of Orrow built?",
        "answer": "The mill of Orrow was built in 1811.",
    },
    {
        "context": "The ferry of Greel sails twice a week in winter.",
        "question": "How often does the ferry of Greel sail in winter?",
        "answer": "The ferry of Greel sails twice a week in winter.",
    },
    {
        "context": "奥罗村的磨坊建于1801年，为九个村子磨黑麦。",
        "question": "奥罗村的磨坊建于哪一年？",
        "answer": "根据上文，奥罗村的磨坊建于1801年。",
    },
]


def run(
    folder: Path,
    server: Simulation,
    out: str = "out",
    watch: Watch | None = None,
    **more: object,
) -> augcon.Result:
    corpus = folder / "corpus"
    if not corpus.exists():
        write_corpus(corpus, english_files=1, chinese_files=1)
    names = {key.replace("__", "."): value for key, value in more.items()}
    settings = {**SMALL, "scorer.kind": "heuristic", **names}
    url = server.url
    return augcon.run(
        corpus, folder / out, model=MODEL, base_url=url, settings=settings, watch=watch
    )


def write_set(folder: Path, name: str, principles: dict[str, str]) -> Path:
    for language, text in principles.items():
        path = folder / "prompts" / language / "principles" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "prompts"


def write_examples(folder: Path) -> Path:
    path = folder / "mine.jsonl"
    lines = (json.dumps(example, ensure_ascii=False) for example in EXAMPLES)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def systems(server: Simulation) -> list[str]:
    return [body["messages"][0]["content"] for body in server.log.bodies if "messages" in body]


@pytest.mark.parametrize("name", Library().sets())
def test_a_ready_set_is_what_every_answer_is_asked_by_and_its_examples_are_not_asked_about(
    tmp_path: Path, name: str
) -> None:
    with simulated_server() as server:
        result = run(tmp_path, server, answers__principles=name)
        told = systems(server)
        audited = asked_with(server, "kept or broken")
    library = Library(chosen=name)
    for language in ("en", "zh"):
        _, principles = library.with_principles("answer", language)
        assert sum(principles in system for system in told) > 3
    assert audited == 0
    assert result.books.pairs > 0
    assert {row["language"] for row in rows(result.folder)} == {"en", "zh"}


def test_another_set_in_the_same_folder_is_another_run(tmp_path: Path) -> None:
    prompts = write_set(tmp_path, "mine", {"en": "Be brief.", "zh": "要简短。"})
    with simulated_server() as server:
        run(tmp_path, server, prompts=prompts)
        with pytest.raises(augcon.AugConError, match=r"principles: 'standard .* 'mine .* now"):
            run(tmp_path, server, prompts=prompts, answers__principles="mine")


def test_answers_name_the_document_that_they_come_from_where_principles_ask_for_it(
    tmp_path: Path,
) -> None:
    texts = {"en": "End with the {source} in brackets.", "zh": "结尾用括号写明{source}。"}
    prompts = write_set(tmp_path, "mine", texts)
    with simulated_server() as server:
        result = run(tmp_path, server, prompts=prompts, answers__principles="mine")
    found = rows(result.folder)
    assert {row["language"] for row in found} == {"en", "zh"}
    for row in found:
        assert f"[{row['source']['document']}]" in str(row["answer"])  # type: ignore[index]
    assert "no_source" not in result.books.stages["answers"].rejected


@pytest.mark.parametrize(("language", "other"), [("zh", "en"), ("en", "zh")])
@pytest.mark.parametrize("how", ["lexical", "model"])
def test_answers_have_the_language_that_is_set_and_questions_that_of_their_text(
    tmp_path: Path, language: str, other: str, how: str
) -> None:
    with simulated_server() as server:
        result = run(tmp_path, server, answers__language=language, answers__verify=how)
        asked = asked_with(server, "mill of Orrow")
    found = rows(result.folder)
    assert asked == 0
    assert {row["language"] for row in found} == {"en", "zh"}
    for row in found:
        assert bool(HAN.search(str(row["answer"]))) is (language == "zh")
        assert bool(HAN.search(str(row["question"]))) is (row["language"] == "zh")
    steps = _steps(result)
    assert steps[f"examples-{other}"]["examples"] == []
    assert len(steps[f"examples-{language}"]["examples"]) == SMALL["answers.shots"]


def _steps(result: augcon.Result) -> dict[str, Any]:
    return {name: json.loads(output) for name, output in steps_of(result.folder).items()}


def test_a_number_that_the_context_does_not_hold_is_found_in_another_language_too(
    tmp_path: Path,
) -> None:
    with (
        simulated_server(Faults(invents=1.0)) as server,
        pytest.raises(augcon.AugConError, match="no answer may stand"),
    ):
        run(tmp_path, server, answers__language="zh")
    answers = augcon.open(tmp_path / "out").books.stages["answers"]
    assert answers.rejected == {"not_supported": answers.entered}
    assert answers.entered


def test_examples_of_the_users_own_are_looked_at_once_and_what_is_wrong_is_told(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    examples = write_examples(tmp_path)
    with simulated_server(Faults(breaks=1.0)) as server:
        watch = Watch(say=said.append)
        result = run(tmp_path, server, answers__examples=examples, watch=watch)
        asked = {language: asked_with(server, told) for language, told in AUDIT.items()}
        (tmp_path / "out" / "dataset" / "train.jsonl").unlink()
        run(tmp_path, server, answers__examples=examples)
        again = {language: asked_with(server, told) for language, told in AUDIT.items()}
    assert asked == again == {"en": 2, "zh": 1}
    told = "\n".join(said)
    assert "WARNING: annotated example 'When was the mill of Orrow built?': not_supported" in told
    assert "1811" in told
    assert "'奥罗村的磨坊建于哪一年？': mentions_source: 根据上文" in told
    assert told.count("breaks_principles: ") == 2  # one fault in each language
    found = _steps(result)["audit-en"]["found"]
    reasons = [(e["question"][:3], e["reason"]) for e in found]  # type: ignore[attr-defined]
    assert reasons == [
        ("Whe", "not_supported"),
        ("Whe", "breaks_principles"),
        ("How", "breaks_principles"),
    ]
    assert len(_steps(result)["examples-en"]["examples"]) == 2
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "3 annotated examples were looked at" in page
    assert "something is wrong with 3" in page
    assert "not_supported" in page
    assert result.books.as_json()["doubted_examples"] == 3


def test_good_examples_are_told_nothing_about(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(EXAMPLES[1]), encoding="utf-8")
    with simulated_server() as server:
        watch = Watch(say=said.append)
        result = run(tmp_path, server, answers__examples=path, watch=watch)
    assert not any("WARNING" in line for line in said)
    assert _steps(result)["audit-en"] == {"examples": 1, "found": []}
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "nothing was found wrong" in page
    assert "something is wrong" not in page


def test_own_principles_have_their_examples_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("Answer in one sentence.", encoding="utf-8")
    with simulated_server() as server:
        run(tmp_path, server, answers__principles=file)
        told = [
            body["messages"][-1]["content"]
            for body in server.log.bodies
            if "messages" in body and AUDIT["en"] in body["messages"][0]["content"]
        ]
    assert len(told) == len(Library().triplets("en"))
    assert all("Answer in one sentence." in text for text in told)


def test_principles_that_fill_the_models_window_are_told_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    file = tmp_path / "long.md"
    file.write_text("Be brief and kind to all. " * 500, encoding="utf-8")
    with simulated_server(Faults(window=4096)) as server:
        with pytest.raises(ExamplesError, match=r"answers\.principles.*window of 4096") as caught:
            run(tmp_path, server, answers__principles=file)
        assert server.log.bodies == []
        assert "\n" not in str(caught.value)
    with simulated_server(Faults(window=40_960)) as server:
        assert run(tmp_path, server, answers__principles=file, out="wide").books.pairs > 0


@pytest.mark.parametrize(
    "text", ["Be brief and kind to all. " * 500, "回答要简短，对人要和气。" * 300], ids=["en", "zh"]
)
def test_the_doctor_says_that_principles_fill_the_models_window(tmp_path: Path, text: str) -> None:
    file = tmp_path / "long.md"
    file.write_text(text, encoding="utf-8")

    def found(window: int, **more: object) -> list[Check]:
        with simulated_server(Faults(window=window)) as server:
            checks = augcon.doctor(model=MODEL, base_url=server.url, settings=more)
        return [check for check in checks if check.what == "principles"]

    long = {"answers.principles": str(file)}
    (bad,) = found(4096, **long)
    assert (bad.ok, bad.needed) == (False, True)
    assert "more than half of the model's window of 4096" in bad.detail
    (good,), (untold,) = found(40_960, **long), found(0, **long)
    assert good.ok
    assert untold.ok
    assert found(4096) == []


def test_where_nobody_tells_the_window_the_first_refusal_stops_the_run(tmp_path: Path) -> None:
    file = tmp_path / "long.md"
    file.write_text("Be brief and kind to all. " * 500, encoding="utf-8")
    with simulated_server(Faults(too_long_over=3000)) as server:
        with pytest.raises(ModelError, match=r"the principles \(answers\.principles"):
            run(tmp_path, server, answers__principles=file, model__concurrency=1)
        refused = server.log.refused[400]
    assert 1 <= refused <= 2
    books = augcon.open(tmp_path / "out").books
    assert books.stages["answers"].failed == 0
    assert books.balanced
