"""A budget is never passed, and what it bought can be used and gone on from."""

from __future__ import annotations

from pathlib import Path

import pytest

import augcon
from tests.e2e.program import Undisturbed, call, dataset, journalled, rows, run_command, state
from tests.simulated_server import Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

PRICES = "price_per_million_prompt_tokens = 1000\nprice_per_million_completion_tokens = 4000"


def calls(server: Simulation) -> float:
    return server.log.answered


def tokens(server: Simulation) -> float:
    log = server.log
    return log.prompt_tokens + log.completion_tokens + log.embedded_tokens


def money(server: Simulation) -> float:
    log = server.log
    return (1000 * (log.prompt_tokens + log.embedded_tokens) + 4000 * log.completion_tokens) / 1e6


@pytest.mark.parametrize(
    ("budgets", "spent", "unit"),
    [
        ((5, 60, 170), calls, " calls"),
        ((30_000, 60_000), tokens, " tokens"),
        ((30, 60), money, ""),
    ],
)
def test_a_budget_is_never_passed_and_a_larger_one_goes_on_to_the_same_end(
    corpus: Path,
    tmp_path: Path,
    undisturbed: Undisturbed,
    budgets: tuple[int, ...],
    spent: object,
    unit: str,
) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(delay=0.005)) as server:
        arguments = run_command(corpus, out, server.url, model=f"patience = 0.5\n{PRICES}")
        for budget in budgets:
            ended = call(*arguments, "--budget", f"{budget}{unit}")
            assert (ended.returncode, ended.stdout) == (1, "")
            (line,) = ended.stderr.splitlines()
            assert line.startswith("augcon: the budget leaves no room")
            assert "the same command with a larger --budget goes on" in line
            assert 0 < spent(server) <= budget  # type: ignore[operator]
            assert journalled(out) == server.log.answered
            assert state(out) == "unfinished"
            finished = augcon.open(out)
            assert (out / "report.html").is_file()
            assert len(rows(out)) == len(finished)
            assert set(map(str, rows(out))) <= set(map(str, rows(undisturbed.folder)))
        assert call(*arguments, "--budget", f"{1_000_000}{unit}").returncode == 0
        assert server.log.repeated() == 0
        assert server.log.answered == journalled(out) == undisturbed.asked
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"


def test_the_pairs_of_finished_contexts_are_written_when_the_budget_is_spent(
    tmp_path: Path,
) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=6, chinese_files=2)
    out = tmp_path / "out"
    with simulated_server(Faults(delay=0.002)) as server:
        arguments = run_command(corpus, out, server.url)
        assert call(*arguments, "--budget", "300 calls").returncode == 1
    assert state(out) == "unfinished"
    assert len(rows(out)) == len(augcon.open(out)) > 0


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ("abc", "--budget 'abc'"),
        ("-3", "--budget '-3'"),
        ("", "--budget ''"),
        ("3 apples", "--budget '3 apples'"),
        ("0 calls", "budget.calls"),
        ("0", "budget.cost"),
        ("2.5", "needs prices"),
        ("inf", "--budget 'inf'"),
        ("1.5 calls", "--budget '1.5 calls'"),
    ],
)
def test_a_wrong_budget_is_the_users_mistake_and_makes_no_folder(
    corpus: Path, tmp_path: Path, budget: str, told: str
) -> None:
    out = tmp_path / "out"
    ended = call(*run_command(corpus, out, "http://127.0.0.1:9/v1"), "--budget", budget)
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, ""), line
    assert line.startswith("augcon: ")
    assert told in line
    assert not out.exists()
