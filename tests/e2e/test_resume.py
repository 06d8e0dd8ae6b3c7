from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import augcon
from tests.e2e.program import at, call, command, dataset, environment, journalled, small_settings
from tests.simulated_server import Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

CONCURRENCY = 6
PATIENCE = 30.0
KILLED_AT = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # shares of all requests


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), english_files=1, chinese_files=1)


@dataclass(frozen=True)
class Undisturbed:
    """A run that went through, and how many requests it took."""

    dataset: bytes
    asked: int


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    with simulated_server() as server:
        ended = call(*run_command(corpus, folder / "out", server))
    assert ended.returncode == 0, ended.stderr
    return Undisturbed(dataset(folder / "out"), len(server.log.bodies))


def answered(server: Simulation) -> int:
    """How many different requests were answered."""
    return len(server.log.bodies) - server.log.repeated()


def run_command(corpus: Path, out: Path, server: Simulation, *more: object) -> list[object]:
    return [
        *("run", corpus, "-o", out, *at(server), "--config", small_settings(out.parent)),
        *("--concurrency", CONCURRENCY, *more),
    ]


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.002)


def state(out: Path) -> str:
    books = augcon.open(out).books
    assert books.balanced
    return books.state


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    """What the journal holds is never asked again: the repeats are replies that had been sent
    when the process died and that it had not yet written down."""
    out = tmp_path / "out"
    not_written_down = 0
    with simulated_server(Faults(delay=0.004)) as server:
        arguments = run_command(corpus, out, server)
        for share in KILLED_AT:
            asked = max(1, round(share * undisturbed.asked))
            with started(*arguments) as process:
                wait_until(lambda n=asked: answered(server) >= n, process)
                process.send_signal(signal.SIGKILL)
                process.wait()
            wait_until(lambda: server.log.in_flight == 0)
            # The one request more is the probe for embeddings, which no journal keeps.
            not_written_down += answered(server) - journalled(out)
            assert state(out) == "unfinished"
        server.faults.delay = 0.0
        ended = call(*arguments)
        assert ended.returncode == 0, ended.stderr
        assert server.log.repeated() <= not_written_down
        assert not_written_down <= len(KILLED_AT) * 2 * CONCURRENCY
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_at_once_and_says_how_to_go_on(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(delay=0.02)) as server:
        arguments = run_command(corpus, out, server, "--quiet")
        with started(*arguments) as process:
            wait_until(lambda: len(server.log.bodies) >= 40, process)
            process.send_signal(number)
            since = time.monotonic()
            _, said = process.communicate(timeout=10)
            assert time.monotonic() - since < 2.0
        assert process.returncode == 130
        (line,) = said.strip().splitlines()
        assert line.startswith("augcon: stopping")
        assert "the same command goes on" in line
        assert str(out) in line
        assert state(out) == "unfinished"
        server.faults.delay = 0.0
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed.dataset


def test_a_run_leaves_at_once_although_the_server_does_not_answer(
    corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(delay=60)) as server:
        with started(*run_command(corpus, tmp_path / "out", server, "--quiet")) as process:
            wait_until(lambda: server.log.in_flight > 0, process)
            process.send_signal(signal.SIGINT)
            since = time.monotonic()
            process.communicate(timeout=10)
            assert time.monotonic() - since < 2.0
        assert process.returncode == 130


def test_a_server_that_goes_away_stops_the_run_with_one_line_and_it_goes_on_later(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(stop_after=60, retry_after="0.01")) as server:
        arguments = run_command(corpus, out, server, "--quiet")
        stopped = call(*arguments)
        assert (stopped.returncode, stopped.stdout) == (1, "")
        (line,) = stopped.stderr.splitlines()
        assert line.startswith("augcon: ")
        assert "HTTP 503" in line
        assert "the same command goes on" in line
        assert state(out) == "unfinished"
        assert 60 <= journalled(out) + 1 <= 60 + CONCURRENCY
        server.faults.stop_after = 0
        assert call(*arguments).returncode == 0
        assert server.log.repeated() == 0
    assert dataset(out) == undisturbed.dataset
