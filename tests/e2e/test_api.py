from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import augcon
from augcon.errors import MissingExtraError, OutputError, SettingsError
from tests.simulated_server import MODEL, Simulation, simulated_server
from tests.small_corpora import english

SMALL = {"scorer.kind": "heuristic", "answers.choose": "first", "tree.max_passes": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "valley.txt"
    path.write_text(english(3, 12))
    return path


@pytest.fixture(scope="module")
def result(
    server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> augcon.Result:
    out = tmp_path_factory.mktemp("made") / "out"
    return augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=SMALL)


def test_a_result_can_be_iterated_counted_and_read_as_records(result: augcon.Result) -> None:
    pairs = list(result)
    assert len(result) == len(pairs) > 1
    assert all(isinstance(pair, augcon.Pair) for pair in pairs)
    records = result.records()
    assert [record["id"] for record in records] == [pair.id for pair in pairs]
    lines = result.dataset_path.read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines if line] == records
    assert repr(result) == f"Result({str(result.folder)!r}, {len(pairs)} pairs)"


def test_a_result_is_opened_again_from_its_folder(result: augcon.Result) -> None:
    assert list(augcon.open(result.folder)) == list(result)
    with pytest.raises(OutputError, match="holds no run"):
        augcon.open(result.folder.parent)


def test_a_result_shows_and_exports(result: augcon.Result, tmp_path: Path) -> None:
    assert result.export(tmp_path / "a.jsonl", "alpaca") == len(result)
    assert next(iter(result)).root_id in result.show()
    with pytest.raises(SettingsError, match="unknown format"):
        result.export(tmp_path / "b.jsonl", "yaml")
    assert not (tmp_path / "b.jsonl").exists()


def test_a_result_is_a_table_for_pandas(result: augcon.Result) -> None:
    frame = result.to_pandas()
    assert list(frame["question"]) == [pair.question for pair in result]
    assert list(frame["source_start"]) == [pair.start for pair in result]


def test_a_result_is_a_dataset_of_the_datasets_library(result: augcon.Result) -> None:
    dataset = result.to_dataset()
    assert dataset["answer"][:] == [pair.answer for pair in result]
    assert dataset[0]["source"]["document"] == next(iter(result)).document


def test_parquet_holds_what_the_jsonl_holds(result: augcon.Result, tmp_path: Path) -> None:
    import pandas

    assert result.export(tmp_path / "a.parquet", "alpaca") == len(result)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    result.export(tmp_path / "a.jsonl", "alpaca")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert pandas.read_parquet(tmp_path / "a.parquet").to_dict("records") == lines


@pytest.mark.parametrize(
    ("method", "library"), [("to_pandas", "pandas"), ("to_dataset", "datasets")]
)
def test_a_table_without_its_library_names_the_command_that_installs_it(
    result: augcon.Result, monkeypatch: pytest.MonkeyPatch, method: str, library: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingExtraError, match=f"pip install {library}"):
        getattr(result, method)()


async def test_a_run_works_inside_a_running_event_loop_as_in_a_notebook(
    server: Simulation, corpus: Path, result: augcon.Result, tmp_path: Path
) -> None:
    made = augcon.run(corpus, tmp_path / "out", model=MODEL, base_url=server.url, settings=SMALL)
    assert made.dataset_path.read_bytes() == result.dataset_path.read_bytes()


def test_several_paths_and_servers_make_one_run(
    server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.md"
    second.write_text(english(4, 12))
    with simulated_server() as other:
        before = len(server.log.bodies)
        made = augcon.run(
            [str(corpus), second],
            str(tmp_path / "out"),
            model=MODEL,
            base_url=[server.url, other.url],
            settings=SMALL,
        )
        assert len(other.log.bodies) > 5
        assert len(server.log.bodies) - before > 5
    assert {pair.document for pair in made} == {"valley.txt", "second.md"}


def test_a_run_is_planned_without_asking(server: Simulation, corpus: Path) -> None:
    before = len(server.log.bodies)
    prices = {
        "model.price_per_million_prompt_tokens": 1.0,
        "model.price_per_million_completion_tokens": 2.0,
    }
    plan = augcon.plan(corpus, model=MODEL, base_url=server.url, settings=prices, probes=0)
    expected = (plan.prompt_tokens + 2 * plan.completion_tokens) / 1e6
    assert plan.cost == pytest.approx(expected, abs=1e-5)
    assert len(server.log.bodies) == before


def test_an_override_that_is_no_setting_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'tree\.min_units'"):
        augcon.run(corpus, tmp_path / "out", settings={"tree.min_unit": 3})


async def test_the_doctor_looks_inside_a_running_event_loop_too(server: Simulation) -> None:
    checks = augcon.doctor(model=MODEL, base_url=server.url)
    assert all(check.ok for check in checks if check.needed)
    assert {check.what for check in checks} >= {"model", "embeddings"}
