"""A mix of granularities, and the model's word for them, from the documents to the dataset."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import augcon
from augcon.errors import SettingsError
from augcon.records import Granularity
from augcon.select import apportion
from augcon.store import Run
from augcon.store.database import version_of
from augcon.store.results import TreeRow
from tests.e2e.program import (
    at,
    call,
    dataset,
    journalled,
    rows,
    small_settings,
    started,
    wait_until,
)
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

MACRO, CONCEPT, DETAIL = Granularity
MIX = {MACRO: 0.25, CONCEPT: 0.5, DETAIL: 0.25}
SMALL = {
    "tree.max_units": 400,
    "scorer.pairs": 10,
    "selection.units_per_pair": 20,
    "answers.search_trials": 2,
    "answers.search_budget": 4,
    "answers.shots": 2,
}
MIXED = {f"selection.mix.{kind}": share for kind, share in MIX.items()}
MODELLED = {"selection.granularity": "model"}
SECTIONS = """
[selection]
units_per_pair = 20
granularity = "model"
[selection.mix]
macro = 0.25
concept = 0.5
detail = 0.25
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of about 220 words or 330 characters, each of them one root context."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), english_files=2, chinese_files=2)


def run(
    corpus: Path, out: Path, server: Simulation, more: dict[str, object], limit: int | None = None
) -> augcon.Result:
    settings = {**SMALL, **more}
    return augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=settings, limit=limit)


@pytest.fixture(scope="module")
def mixed(
    server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> augcon.Result:
    return run(corpus, tmp_path_factory.mktemp("mixed") / "out", server, MIXED)


@pytest.fixture(scope="module")
def classed(
    server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> augcon.Result:
    more = {**MIXED, **MODELLED}
    return run(corpus, tmp_path_factory.mktemp("classed") / "out", server, more)


def by_root(result: augcon.Result) -> dict[tuple[str, str], Counter[str]]:
    """(language, root) → pairs of each granularity."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows(result.folder):
        meta = row["meta"]
        assert isinstance(meta, dict)
        found[str(row["language"]), str(meta["root_id"])][str(row["granularity"])] += 1
    return found


@pytest.mark.parametrize("name", ["mixed", "classed"])
def test_every_root_of_both_languages_has_its_quota_in_the_mix(
    name: str, request: pytest.FixtureRequest
) -> None:
    result: augcon.Result = request.getfixturevalue(name)
    counts = by_root(result)
    assert [language for language, _ in sorted(counts)] == ["en", "en", "zh", "zh"]
    for (_, root), kinds in counts.items():
        quota = kinds.total()
        assert quota >= 10
        assert kinds == +Counter(apportion(quota, MIX, root))
    assert result.books.balanced


def test_without_a_mix_the_same_corpus_is_mostly_asked_for_details(
    server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    books = run(corpus, tmp_path / "out", server, {}).books
    kinds = books.granularity
    assert kinds[DETAIL].kept > kinds[CONCEPT].kept > kinds[MACRO].kept > 0
    assert all(kind.target is None for kind in kinds.values())
    assert "share_full" not in books.stages["nodes"].rejected


def test_later_passes_ask_only_for_what_is_short(mixed: augcon.Result) -> None:
    books = mixed.books
    assert books.stages["nodes"].rejected["share_full"] > 0
    assert books.stages["questions"].rejected["over_share"] > 0
    passes = {row.pass_number for row in run_rows(mixed) if row.reason == "share_full"}
    assert passes
    assert 0 not in passes


def run_rows(result: augcon.Result) -> list[TreeRow]:
    opened = Run.read(result.folder)
    try:
        return [row for root in opened.ledger.roots() for row in opened.ledger.tree(root.id)]
    finally:
        opened.close()


def test_books_report_and_status_show_the_kinds_beside_the_target(mixed: augcon.Result) -> None:
    told = json.loads(json.dumps(mixed.books.as_json()))["granularity"]
    assert list(told) == ["macro", "concept", "detail"]
    questions = mixed.books.stages["questions"]
    assert sum(kind["asked"] for kind in told.values()) == questions.entered
    assert sum(kind["kept"] for kind in told.values()) == questions.kept
    assert sum(kind["answered"] for kind in told.values()) == len(mixed)
    assert [kind["target"] for kind in told.values()] == [0.25, 0.5, 0.25]
    lines = call("status", mixed.folder).stdout.splitlines()
    heading = next(line for line in lines if line.startswith("granularity"))
    assert heading.split() == "granularity asked % kept % answered % target %".split()
    macro = next(line for line in lines if line.startswith("macro"))
    assert macro.split()[-1] == "25"
    page = (mixed.folder / "report.html").read_text(encoding="utf-8")
    shares = [f"<td class='n'>{100 * k['answered'] / len(mixed):.0f} %</td>" for k in told.values()]
    assert f"<tr><td>answered</td><td class='n'>{len(mixed)}</td>{''.join(shares)}" in page
    assert "<tr><td>target</td><td class='n'></td><td class='n'>25 %</td>" in page


def test_the_model_is_asked_once_for_each_sound_question_and_its_word_counts(
    classed: augcon.Result, mixed: augcon.Result, server: Simulation
) -> None:
    asked = {
        body["messages"][-1]["content"]
        for body in server.log.bodies
        if '"granularity"' in json.dumps(body.get("response_format"))
    }
    texts = question_texts(classed)
    assert len(asked) >= 0.9 * len(texts)
    assert all(any(text in content for content in asked) for text in texts)
    kinds = {str(row["granularity"]) for row in rows(classed.folder) if row["depth"] == 0}
    assert len(kinds) > 1
    assert {row["granularity"] for row in rows(mixed.folder) if row["depth"] == 0} == {"macro"}


def question_texts(result: augcon.Result) -> set[str]:
    opened = Run.read(result.folder)
    try:
        return {row["text"] for row in opened.database.rows("SELECT text FROM questions")}
    finally:
        opened.close()


@pytest.mark.parametrize("more", [MIXED, {**MIXED, **MODELLED}])
def test_a_try_out_that_becomes_the_whole_ends_the_same_and_then_asks_nothing(
    more: dict[str, object],
    server: Simulation,
    corpus: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    whole: augcon.Result = request.getfixturevalue(
        "classed" if MODELLED.items() <= more.items() else "mixed"
    )
    out = tmp_path / "out"
    run(corpus, out, server, more, limit=1)
    before = len(server.log.bodies)
    run(corpus, out, server, more)
    assert dataset(out) == dataset(whole.folder)
    asked = len(server.log.bodies)
    run(corpus, out, server, more)
    assert before < asked == len(server.log.bodies)


def test_a_run_with_a_mix_that_is_killed_goes_on_and_ends_the_same(
    server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    config = small_settings(tmp_path, SECTIONS)

    def arguments(out: str) -> list[object]:
        where = ["run", corpus, "-o", tmp_path / out, *at(server)]
        return [*where, "--config", config, "--limit", 3, "--quiet"]

    undisturbed = call(*arguments("whole"))
    assert undisturbed.returncode == 0, undisturbed.stderr
    enough = journalled(tmp_path / "whole") // 3
    with started(*arguments("out")) as process:
        database = tmp_path / "out" / "run.db"
        wait_until(lambda: database.exists() and version_of(database) > 0, process)
        wait_until(lambda: journalled(tmp_path / "out") >= enough, process)
        process.kill()
        process.wait()
    assert journalled(tmp_path / "out") < journalled(tmp_path / "whole")
    ended = call(*arguments("out"))
    assert ended.returncode == 0, ended.stderr
    assert dataset(tmp_path / "out") == dataset(tmp_path / "whole")
    assert journalled(tmp_path / "out") == journalled(tmp_path / "whole")


def test_a_server_without_schemas_says_its_word_in_the_marked_form(
    corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(refuse_schema=True)) as old:
        result = run(corpus, tmp_path / "out", old, MODELLED, limit=2)
    assert result.books.balanced
    assert result.books.stages["questions"].failed == 0
    assert len(result) > 10


def test_words_that_are_none_cost_their_questions_alone(corpus: Path, tmp_path: Path) -> None:
    with simulated_server(Faults(garbage=0.4)) as poor:
        result = run(corpus, tmp_path / "out", poor, {**MODELLED, "model.tries": 2}, limit=2)
    questions = result.books.stages["questions"]
    assert result.books.balanced
    assert questions.failures.get("no_granularity", 0) > 0
    assert len(result) > 0


def test_the_forecast_foresees_the_mix_and_the_calls_that_ask_for_a_word(
    mixed: augcon.Result, classed: augcon.Result, server: Simulation, corpus: Path
) -> None:
    def planned(more: dict[str, object]) -> augcon.Plan:
        settings = {**SMALL, **more}
        return augcon.plan(corpus, model=MODEL, base_url=server.url, probes=0, settings=settings)

    plain, with_mix, with_words = planned({}), planned(MIXED), planned({**MIXED, **MODELLED})
    assert plain.calls < with_mix.calls < with_words.calls
    for kind, share in MIX.items():
        assert with_mix.granularity[kind] == pytest.approx(share * with_mix.pairs, abs=1)
    assert plain.granularity["detail"] > plain.granularity["concept"] > plain.granularity["macro"]
    for plan, result in ((with_mix, mixed), (with_words, classed)):
        assert plan.calls == pytest.approx(result.books.calls.calls, rel=0.35)
    told = call("plan", corpus, "--probes", "0", *at(server)).stdout
    assert "granularity    about " in told


def test_the_embedded_model_is_not_asked_for_a_word(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'model' is not for the embedded model"):
        augcon.run(corpus, tmp_path / "out", settings=MODELLED)
    ended = call("run", corpus, "-o", tmp_path / "out", "--config", config_of(tmp_path))
    assert ended.returncode == 2
    assert "leave it at 'span', or give --model" in " ".join(ended.stderr.split())
    assert not (tmp_path / "out").exists()


def config_of(folder: Path) -> Path:
    path = folder / "own.toml"
    path.write_text('[selection]\ngranularity = "model"\n', encoding="utf-8")
    return path
