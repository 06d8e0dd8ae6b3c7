"""One folder, two processes; and a run that is begun anew in its own folder."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import augcon
from tests.e2e.program import (
    at,
    call,
    command,
    dataset,
    environment,
    journalled,
    rows,
    small_settings,
)
from tests.e2e.test_resume import started, wait_until
from tests.simulated_server import Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

PROCESSES = 5
SLOW = 0.5  # seconds for a reply: a run takes longer than any process to start


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", english_files=1, chinese_files=0)


@pytest.fixture
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


def run_command(corpus: Path, out: Path, server: Simulation, *more: object) -> list[object]:
    return ["run", corpus, "-o", out, *at(server), "--config", small_settings(out.parent), *more]


def is_turned_away(ended: subprocess.CompletedProcess[str], out: Path) -> None:
    told = f"augcon: {out}: another augcon is at work in it; wait for it, or choose another folder"
    complaints = [line for line in ended.stderr.splitlines() if line != "starting"]
    assert (ended.returncode, ended.stdout, complaints) == (2, "", [told])


@pytest.mark.parametrize("more", [[], ["--fresh"]])
def test_a_second_process_is_turned_away_until_the_first_is_killed(
    corpus: Path, tmp_path: Path, server: Simulation, more: list[str]
) -> None:
    out = tmp_path / "out"
    server.faults.delay = SLOW
    with started(*run_command(corpus, out, server)) as first:
        wait_until(lambda: len(server.log.bodies) > 3, first)
        is_turned_away(call(*run_command(corpus, out, server, *more)), out)
        assert first.poll() is None
        assert not (out / "run.1.db").exists()
        first.send_signal(signal.SIGKILL)
        first.wait()
    server.faults.delay = 0.0
    ended = call(*run_command(corpus, out, server, *more))
    assert ended.returncode == 0, ended.stderr
    assert (out / "run.1.db").exists() == bool(more)


@pytest.mark.parametrize("more", [[], ["--fresh"]])
def test_of_processes_that_start_together_one_works_and_the_others_say_so(
    corpus: Path, tmp_path: Path, more: list[str]
) -> None:
    out = tmp_path / "out"
    with simulated_server() as server:
        if more:
            assert call(*run_command(corpus, out, server, "--limit", 1)).returncode == 0
        server.faults.delay = SLOW
        processes = [
            subprocess.Popen(
                command(*run_command(corpus, out, server, "--quiet", *more)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for _ in range(PROCESSES)
        ]
        wait_until(lambda: sum(process.poll() is None for process in processes) <= 1)
        server.faults.delay = 0.0
        said = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    turned_away = [(out_, err) for out_, err, code in said if code == 2]
    assert sorted(code for *_, code in said) == [0] + [2] * (PROCESSES - 1), said
    assert all(err.count("another augcon is at work") == 1 for _, err in turned_away), said
    assert all(len(err.splitlines()) == 1 for _, err in turned_away)
    assert [path.name for path in out.glob("run.*.db")] == (["run.1.db"] if more else [])
    assert augcon.open(out).books.balanced


def test_a_fresh_run_asks_anew_and_keeps_the_earlier_one(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    out = tmp_path / "out"
    assert call(*run_command(corpus, out, server, "--limit", 1)).returncode == 0
    asked, old = len(server.log.bodies), dataset(out)
    other = write_corpus(tmp_path / "other", english_files=2, chinese_files=1)
    refused = call(*run_command(other, out, server, "--seed", 5))
    assert refused.returncode == 2
    assert "--fresh" in refused.stderr
    ended = call(*run_command(other, out, server, "--seed", 5, "--fresh"))
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "the earlier run" in line]
    assert line.startswith(f"augcon: the earlier run is kept as {out / 'run.1.db'}")
    assert "leave --fresh out" in line
    books = json.loads(call("status", out, "--json").stdout)
    assert books["calls"] == journalled(out) == len(server.log.bodies) - asked
    assert (out / "dataset.1" / "train.jsonl").read_bytes() == old
    assert len(rows(out)) == books["pairs"] == len(augcon.open(out))
    exported = call("export", out, "--to", tmp_path / "new.jsonl")
    assert f"{books['pairs']} pairs" in exported.stdout


def test_a_fresh_run_that_was_stopped_goes_on_without_the_word(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(delay=0.02)) as server:
        with started(*run_command(corpus, out, server, "--fresh", "--quiet")) as process:
            wait_until(lambda: len(server.log.bodies) >= 20, process)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
        assert "the same command without --fresh goes on from it" in said
        server.faults.delay = 0.0
        assert call(*run_command(corpus, out, server)).returncode == 0
        assert server.log.repeated() <= 2 * 8
    assert not (out / "run.1.db").exists()


def test_a_fresh_run_in_a_damaged_folder_works(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.db").write_bytes(b"damaged " * 1000)
    damaged = call(*run_command(corpus, out, server))
    assert damaged.returncode == 1
    assert "--fresh" in damaged.stderr
    ended = call(*run_command(corpus, out, server, "--fresh"))
    assert ended.returncode == 0, ended.stderr
    assert (out / "run.1.db").read_bytes() == b"damaged " * 1000


def test_a_mistake_in_the_command_sets_nothing_aside(
    corpus: Path, tmp_path: Path, server: Simulation
) -> None:
    out = tmp_path / "out"
    assert call(*run_command(corpus, out, server, "--limit", 1)).returncode == 0
    before = {path.name for path in out.iterdir()}
    nowhere = call(*run_command(tmp_path / "nowhere", out, server, "--fresh"))
    assert nowhere.returncode == 2
    assert {path.name for path in out.iterdir()} == before


def test_fresh_from_python(corpus: Path, tmp_path: Path, server: Simulation) -> None:
    from augcon.watch import Watch

    said: list[str] = []
    for fresh in (False, True):
        watch = Watch(say=said.append)
        augcon.run(
            corpus,
            tmp_path / "out",
            model="simulated-7b",
            base_url=server.url,
            config=small_settings(tmp_path),
            limit=1,
            fresh=fresh,
            watch=watch,
        )
        assert watch.meter.calls > 0
    (line,) = said
    assert "run.1.db" in line
