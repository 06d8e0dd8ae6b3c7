"""A run's answers are checked, in English and Chinese; what fails is asked for once more."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import augcon
from augcon.errors import BudgetSpentError
from tests.e2e.program import dataset, rows
from tests.e2e.test_run import SMALL
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

VERIFIES = '"verdict"'
REVISES = {"en": "You correct answers.", "zh": "你的任务是改正回答"}


def run(folder: Path, server: Simulation, **settings: object) -> augcon.Result:
    corpus = folder / "corpus"
    if not corpus.exists():
        write_corpus(corpus, english_files=1, chinese_files=1)
    names = {key.replace("__", "."): value for key, value in settings.items()}
    return augcon.run(
        corpus,
        folder / str(names.get("answers.verify", "out")),
        model=MODEL,
        base_url=server.url,
        settings={**SMALL, "scorer.kind": "heuristic", **names},
    )


def asked_with(server: Simulation, phrase: str) -> int:
    return sum(phrase in json.dumps(body, ensure_ascii=False) for body in server.log.bodies)


def verified(result: augcon.Result) -> list[dict[str, object]]:
    return [row["meta"]["verification"] for row in rows(result.folder)]  # type: ignore[index]


def test_answers_in_the_contexts_own_words_cost_no_call_more(tmp_path: Path) -> None:
    with simulated_server() as server:
        off = run(tmp_path, server, answers__verify="off")
        before = len(server.log.bodies)
        model = run(tmp_path, server, answers__verify="model")
        assert len(server.log.bodies) - before == before
    assert off.books.pairs == model.books.pairs > 0
    assert all("verification" not in row["meta"] for row in rows(off.folder))  # type: ignore[operator]
    assert {v["score"] for v in verified(model)} == {1.0}


def test_an_invented_year_is_found_and_the_answer_is_asked_for_once_more(tmp_path: Path) -> None:
    with simulated_server(Faults(invents=0.5)) as server:
        result = run(tmp_path, server, answers__verify="lexical")
        revised = {language: asked_with(server, told) for language, told in REVISES.items()}
    answers = result.books.stages["answers"]
    assert result.books.balanced
    assert answers.rejected.keys() == {"not_supported"}
    rejected = answers.rejected["not_supported"]
    assert 0 < rejected < sum(revised.values()) < answers.entered
    assert min(revised.values()) > 0
    kept = [str(row["answer"]) for row in rows(result.folder)]
    assert not any("1066" in answer for answer in kept)
    assert {row["language"] for row in rows(result.folder)} == {"en", "zh"}


def test_without_verification_the_invented_year_gets_into_the_dataset(tmp_path: Path) -> None:
    with simulated_server(Faults(invents=0.5)) as server:
        result = run(tmp_path, server, answers__verify="off")
    assert any("1066" in str(row["answer"]) for row in rows(result.folder))


def test_the_model_is_asked_about_every_sentence_that_is_not_the_contexts_own(
    tmp_path: Path,
) -> None:
    with simulated_server(Faults(retells=1.0)) as server:
        result = run(tmp_path, server, answers__verify="model")
        asked = asked_with(server, VERIFIES)
    found = verified(result)
    assert result.books.stages["answers"].rejected == {}
    assert {v["method"] for v in found} == {"model"}
    assert asked >= len(found) > 0
    for row, verification in zip(rows(result.folder), found, strict=True):
        (claim,) = verification["claims"]  # type: ignore[misc]
        answer, context = str(row["answer"]), str(row["context"])
        assert answer[claim["start"] : claim["end"]] == answer
        assert claim["verdict"] == "supported"
        start, end = claim["evidence"]
        assert context[start:end].strip()


def test_a_contradiction_is_a_reason_of_its_own(tmp_path: Path) -> None:
    with (
        simulated_server(Faults(retells=1.0, contradicts=1.0)) as server,
        pytest.raises(augcon.AugConError, match=r"no answer may stand \(\d+ contradicted\)"),
    ):
        run(tmp_path, server, answers__verify="model")
    (folder,) = (path.parent for path in tmp_path.rglob("run.db"))
    books = augcon.open(folder).books
    answers = books.stages["answers"]
    assert answers.kept == 0 < answers.entered
    assert answers.rejected == {"contradicted": answers.entered}
    assert books.balanced


@pytest.mark.parametrize("how", ["lexical", "model"])
def test_a_run_that_is_stopped_while_it_verifies_ends_in_the_same_dataset(
    tmp_path: Path, how: str
) -> None:
    with simulated_server(Faults(retells=0.5, invents=0.3, contradicts=0.3)) as server:
        whole = run(tmp_path, server, answers__verify=how)
        needed, expected = len(server.log.bodies), dataset(whole.folder)
        other = tmp_path / "again"
        other.mkdir()
        (other / "corpus").symlink_to(tmp_path / "corpus")
        with pytest.raises(BudgetSpentError):
            run(other, server, answers__verify=how, budget__calls=needed // 2)
        again = run(other, server, answers__verify=how)
        asked = Counter(json.dumps(body, sort_keys=True) for body in server.log.bodies[needed:])
    assert dataset(again.folder) == expected
    probes = 2  # of what the server can do
    assert needed - probes <= sum(asked.values()) <= needed + probes


def test_the_verdict_is_shown_with_its_pair_and_told_in_the_report(tmp_path: Path) -> None:
    with simulated_server(Faults(retells=1.0)) as server:
        result = run(tmp_path, server, answers__verify="model")
    pair = next(iter(result))
    shown = augcon.open(result.folder).show(pair.id)
    assert "verified  model, score 1.00" in shown
    assert f"supported (1.00)  {pair.answer}" in shown
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"{result.books.pairs} pairs: the model found their context to support" in page
