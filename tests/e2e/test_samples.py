"""Several answers to each question, in both languages: one enters the dataset, none is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import augcon
from augcon.errors import BudgetSpentError
from augcon.records import Pair
from tests.e2e.program import (
    CONCURRENCY,
    at,
    call,
    dataset,
    rows,
    small_settings,
    started,
    wait_until,
)
from tests.e2e.test_run import SMALL
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

SAMPLES = 3
PROBES = 2  # of what the server can do
CHINESE = re.compile("[一-鿿]")


def run(folder: Path, server: Simulation, name: str = "out", **settings: object) -> augcon.Result:
    corpus = folder / "corpus"
    if not corpus.exists():
        write_corpus(corpus, english_files=1, chinese_files=1)
    names = {key.replace("__", "."): value for key, value in settings.items()}
    return augcon.run(
        corpus,
        folder / name,
        model=MODEL,
        base_url=server.url,
        settings={**SMALL, "scorer.kind": "heuristic", "answers.samples": SAMPLES, **names},
    )


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[augcon.Result]:
    """Three answers to each question, many of them with a year that nobody ever told."""
    with simulated_server(Faults(invents=0.5, garbage=0.1)) as server:
        yield run(tmp_path_factory.mktemp("invented"), server, model__tries=1)


def reasons(pair: Pair) -> set[str]:
    return {draft.verdict.reason for draft in pair.drafts}


def test_every_answer_that_was_asked_for_is_in_the_books(invented: augcon.Result) -> None:
    books = invented.books
    assert books.balanced
    drafts, answers = books.stages["drafts"], books.stages["answers"]
    assert drafts.entered >= SAMPLES * answers.entered > 0
    assert drafts.kept == answers.kept == books.pairs > 0
    assert {"less_consistent", "not_supported"} <= drafts.rejected.keys()
    assert drafts.failures.keys() == {"unusable_reply"}


def test_the_better_of_several_answers_enters_the_dataset(invented: augcon.Result) -> None:
    found = list(invented)
    assert {pair.language for pair in found} == {"en", "zh"}
    assert not any("1066" in pair.answer for pair in found)
    for language in ("en", "zh"):
        pairs = [pair for pair in found if pair.language == language]
        assert set().union(*map(reasons, pairs)) >= {"not_supported", "less_consistent"}
        assert any("1066" in draft.text for pair in pairs for draft in pair.drafts)


def test_more_questions_get_an_answer_that_stands_than_with_one(
    invented: augcon.Result, tmp_path: Path
) -> None:
    with simulated_server(Faults(invents=0.5, garbage=0.1)) as server:
        one = run(tmp_path, server, model__tries=1, answers__samples=1)
    with_one, with_more = (r.books.stages["answers"] for r in (one, invented))
    assert with_one.kept / with_one.entered < with_more.kept / with_more.entered


def test_the_first_sample_is_what_a_run_with_one_asks_for(tmp_path: Path) -> None:
    with simulated_server() as server:
        run(tmp_path, server, "one", answers__samples=1)
        one = {json.dumps(body, sort_keys=True) for body in server.log.bodies}
        before = len(server.log.bodies)
        result = run(tmp_path, server, "three")
        three = [json.dumps(body, sort_keys=True) for body in server.log.bodies[before:]]
    assert one <= set(three)
    more = [body for body in three if body not in one]
    assert len(more) == (SAMPLES - 1) * result.books.stages["answers"].entered > 0
    assert {json.loads(body)["temperature"] for body in more} == {0.8}


def test_a_pair_shows_its_drafts_and_a_tree_its_rejected_answers(invented: augcon.Result) -> None:
    pair = next(p for p in invented if "not_supported" in reasons(p))
    shown = invented.show(pair.id)
    for draft in pair.drafts:
        assert f"draft     {draft.verdict.reason}" in shown
        assert draft.text in shown
    rejected = invented.books.stages["answers"].rejected["not_supported"]
    roots = {line.split()[0] for line in invented.show().splitlines() if "[" in line}
    trees = "".join(invented.show(root) for root in roots)
    assert trees.count("(not_supported)") == rejected > 0
    assert trees.count("answered: ") >= rejected


def test_status_and_report_have_a_line_for_the_drafts(invented: augcon.Result) -> None:
    ended = call("status", invented.folder)
    assert ended.returncode == 0
    assert re.search(r"^drafts ", ended.stdout, re.MULTILINE)
    assert "less_consistent" in ended.stdout
    told = json.loads(call("status", invented.folder, "--json").stdout)
    assert told["stages"]["drafts"]["kept"] == told["pairs"]
    page = (invented.folder / "report.html").read_text(encoding="utf-8")
    assert "<td>drafts</td>" in page


def test_preference_pairs_are_exported_from_the_drafts(
    invented: augcon.Result, tmp_path: Path
) -> None:
    target = tmp_path / "dpo.jsonl"
    ended = call("export", invented.folder, "--format", "dpo", "--to", target)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n") if line]
    assert ended.stdout == f"{len(found)} preference pairs: {target}\n"
    by_id = {pair.id: pair for pair in invented}
    for row in found:
        pair = by_id[row["id"]]
        assert row["prompt"] == [{"role": "user", "content": pair.question}]
        assert row["chosen"] == [{"role": "assistant", "content": pair.answer}]
        (lost,) = row["rejected"]
        assert (lost["content"], row["reason"]) in {
            (draft.text, draft.verdict.reason) for draft in pair.drafts
        }
        assert lost["content"] not in ("", pair.answer)
    chinese = {bool(CHINESE.search(row["chosen"][0]["content"])) for row in found}
    assert chinese == {True, False}
    assert {"not_supported", "less_consistent"} <= {row["reason"] for row in found}
    assert invented.export(tmp_path / "again.jsonl", "dpo") == len(found)


def test_conversations_hold_every_pair_once(invented: augcon.Result, tmp_path: Path) -> None:
    target = tmp_path / "conversations.jsonl"
    ended = call("export", invented.folder, "-f", "conversations", "--turns", "4", "--to", target)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n") if line]
    assert ended.stdout == f"{len(found)} conversations: {target}\n"
    by_id = {pair.id: pair for pair in invented}
    assert sorted(name for row in found for name in row["pairs"]) == sorted(by_id)
    assert max(len(row["pairs"]) for row in found) == 4
    for row in found:
        pairs = [by_id[name] for name in row["pairs"]]
        assert len({pair.root_id for pair in pairs}) == 1
        told = [text for pair in pairs for text in (pair.question, pair.answer)]
        assert [message["content"] for message in row["messages"]] == told
        assert row["source"]["document"] == pairs[0].document


def test_a_run_without_drafts_says_where_preference_pairs_come_from(tmp_path: Path) -> None:
    with simulated_server() as server:
        result = run(tmp_path, server, answers__samples=1, answers__verify="off")
    assert all(not pair.drafts for pair in result)
    ended = call("export", result.folder, "--format", "dpo")
    assert ended.returncode == 0
    assert ended.stdout.startswith("0 preference pairs: ")
    assert "answers.samples" in ended.stderr
    assert (result.folder / "dataset" / "dpo.jsonl").read_bytes() == b""


@pytest.mark.parametrize("how", ["lexical", "model"])
def test_a_run_that_is_stopped_among_its_drafts_ends_in_the_same_drafts(
    tmp_path: Path, how: str
) -> None:
    faults = Faults(retells=0.5, invents=0.3, contradicts=0.3)
    with simulated_server(faults) as server:
        whole = run(tmp_path, server, "whole", answers__verify=how)
        needed = len(server.log.bodies)
        for budget in (needed // 3, 2 * needed // 3):
            with pytest.raises(BudgetSpentError):
                run(tmp_path, server, answers__verify=how, budget__calls=budget)
        again = run(tmp_path, server, answers__verify=how)
        asked = len(server.log.bodies) - needed
    assert dataset(again.folder) == dataset(whole.folder)
    assert list(again) == list(whole)
    assert again.books.stages == whole.books.stages
    assert needed - PROBES <= asked <= needed + 2 * PROBES


def test_a_run_that_is_killed_among_its_drafts_asks_nothing_twice(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=1, chinese_files=1)
    config = small_settings(tmp_path, f"samples = {SAMPLES}\n")

    def command(out: Path, server: Simulation) -> list[object]:
        more = ("--config", config, "--concurrency", CONCURRENCY, "--quiet")
        return ["run", corpus, "-o", out, *at(server), *more]

    with simulated_server(Faults(invents=0.4, delay=0.005)) as server:
        assert call(*command(tmp_path / "whole", server)).returncode == 0
        needed = len(server.log.bodies)
        for share in (0.4, 0.7, 0.9):
            enough = needed + round(share * needed)
            with started(*command(tmp_path / "out", server)) as process:
                wait_until(lambda: len(server.log.bodies) >= enough, process)  # noqa: B023
        ended = call(*command(tmp_path / "out", server))
        assert ended.returncode == 0, ended.stderr
        asked = len(server.log.bodies) - needed
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    found, whole = augcon.open(tmp_path / "out"), augcon.open(tmp_path / "whole")
    assert list(found) == list(whole)
    assert found.books.stages["drafts"] == whole.books.stages["drafts"]
    assert found.books.balanced
    assert asked <= needed + 3 * (CONCURRENCY + PROBES)
