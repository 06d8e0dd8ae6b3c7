"""The benchmark of example choice, at the simulated server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks import example_search as bench

from augcon.corpus import count_units
from augcon.rouge import tokens
from tests.simulated_server import MODEL, Faults, simulated_server
from tests.small_corpora import chinese, english

TEXTS = 12


def sentences_of(text: str, language: str) -> list[str]:
    return [text[s.start : s.end] for s in bench.sentence_spans(text, language)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of both languages, each with a sentence of its own as the answer."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "dev").mkdir()
    for language, write in (("en", english), ("zh", chinese)):
        rows = []
        for n in range(TEXTS):
            text = write(n, 14)
            answer = sentences_of(text, language)[n % 14].strip()
            question = f"What of it, {n}?" if language == "en" else f"第{n}件事如何？"
            rows.append({"context": text, "question": question, "answers": [answer]})
        rows.append({**rows[0], "question": "The same text again?"})
        rows.append(
            {"context": "Nothing of it.", "question": "Why?", "answers": ["Elsewhere it is."]}
        )
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "dev" / f"{bench.SETS[language]}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("units", [40, 90])
def test_contexts_are_cut_to_sentences_that_hold_the_answer(
    data: Path, language: str, units: int
) -> None:
    items = bench.read_items(data, language, units)
    assert len(items) == len({item.context for item in items}) == TEXTS
    for item in items:
        assert count_units(item.context) <= units
        assert item.answer in item.context


def run(data: Path, **faults: object) -> dict[str, object]:
    sizes = ["--seeds", "2", "--pool", "5", "--held-out", "4", "--shots", "2", "--units", "60"]
    budget = ["--trials", "3", "--budget", "9"]
    with simulated_server(Faults(**faults)) as server:  # type: ignore[arg-type]
        where = ["--model", MODEL, "--base-url", server.url]
        return bench.main([str(data), *sizes, *budget, *where])


def test_every_way_to_choose_is_measured_on_the_same_questions(data: Path) -> None:
    told = run(data)
    for language in ("en", "zh"):
        arms = told[language]
        assert isinstance(arms, dict)
        assert list(arms) == ["texts", *bench.ARMS]
        for name in bench.ARMS:
            arm = arms[name]
            assert 1 <= arm["mean"]["grade"] <= 5
            assert 0 < arm["mean"]["rouge"] <= 1
            assert 0 < arm["mean"]["f1"] <= 1
            assert arm["not_had"] == 0
            assert sum(arm["chosen"].values()) == 2
            low, high = arm["to_first"]["grade"][1:]
            assert low <= arm["to_first"]["grade"][0] <= high
        assert arms["first"]["to_first"] == {key: [0.0, 0.0, 0.0] for key in bench.MEASURES}
        assert arms["none"]["calls"] == arms["first"]["calls"] == 0
        assert arms["nearest"]["calls"] == 2 * 5
        assert 0 < arms["search"]["calls"] <= 2 * 9
        assert 0 < arms["bootstrapped"]["calls"] <= 2 * 5
        assert [len(curve) for curve in arms["search"]["curves"]] == [2, 2]


def test_what_cannot_be_had_is_the_worst_and_is_counted(data: Path) -> None:
    told = run(data, garbage=1.0)
    arms = told["zh"]
    assert isinstance(arms, dict)
    assert arms["first"]["mean"] == {"grade": 1, "rouge": 0, "f1": 0}
    assert arms["first"]["not_had"] == 1
    assert arms["bootstrapped"]["chosen"] == {"first": 2}


def test_without_embeddings_the_nearest_are_left_out(data: Path) -> None:
    told = run(data, embeddings=False)
    assert "nearest" not in told["en"]  # type: ignore[operator]


def test_a_difference_has_the_interval_of_its_seeds_and_questions() -> None:
    base = [np.zeros(12), np.zeros(12)]
    assert bench.difference([one + 0.5 for one in base], base) == [0.5, 0.5, 0.5]
    apart = [np.full(12, 1.0), np.full(12, -1.0)]
    assert bench.difference(apart, base) == [0.0, -1.0, 1.0]
    mean, low, high = bench.difference([np.tile([0.0, 1.0], 6)] * 5, [np.zeros(12)] * 5)
    assert mean == 0.5
    assert 0.3 < low < 0.45 < 0.55 < high < 0.7


def test_the_f1_of_tokens_does_not_look_at_their_order() -> None:
    assert bench.token_f1("the old mill", "mill old the") == 1
    assert bench.token_f1("", "mill") == 0
    assert bench.token_f1("the the the", "the mill") == pytest.approx(2 / 5)
    assert bench.token_f1("磨坊建于1801年", "1801年建于磨坊") == 1
    assert tokens("磨坊建于1801年") != tokens("1801年建于磨坊")
