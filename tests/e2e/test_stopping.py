"""Ctrl-C and SIGTERM, wherever a run is: it leaves at once with one line, and can go on."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.program import (
    Undisturbed,
    call,
    dataset,
    run_command,
    started,
    state,
    steps_of,
    wait_until,
)
from tests.simulated_server import Faults, simulated_process, simulated_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MOMENTS = 12
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST = 2.0  # seconds to leave in
START = 1.0  # seconds, about, until a run asks for the first time
PATIENT = "patience = 60"


def is_listening(process: subprocess.Popen[str]) -> bool:
    """Whether the program has come to where it can be asked to stop. Before, Python itself ends."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def is_fitting(process: subprocess.Popen[str]) -> bool:
    """Whether it has begun to load what fits the scorer, which takes a while."""
    return "/sklearn/" in Path(f"/proc/{process.pid}/maps").read_text()


def leaves(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Its only words, once it has left as it must; empty where it was done before."""
    process.send_signal(number)
    since = time.monotonic()
    out, said = process.communicate(timeout=10)
    assert time.monotonic() - since < LONGEST
    assert (process.returncode, out) == (130, ""), said
    (line,) = said.strip().splitlines()
    return line


def goes_on(line: str, out: Path) -> None:
    assert line.startswith("augcon: stopping")
    assert "the same command goes on" in line
    assert str(out) in line
    assert state(out) == "unfinished"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_leaves_at_once_at_any_moment_and_goes_on_from_there(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    out, draw = tmp_path / "out", random.Random(number)
    with simulated_server(Faults(delay=0.02)) as server:
        arguments = run_command(corpus, out, server.url)
        for _ in range(MOMENTS):
            enough = server.log.requests + draw.randint(1, 16)
            with started(*arguments) as process:
                wait_until(lambda n=enough: server.log.requests >= n, process)
                goes_on(leaves(process, number), out)
        server.faults.delay = 0.0
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_leaves_at_once_while_it_is_starting(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    out, draw = tmp_path / "out", random.Random(number)
    with simulated_server(Faults(delay=0.02)) as server:
        arguments = run_command(corpus, out, server.url)
        for _ in range(MOMENTS):
            with started(*arguments) as process:
                wait_until(lambda p=process: is_listening(p), process)
                time.sleep(draw.uniform(0, START))
                assert leaves(process, number).startswith(("augcon: stopping", "augcon: interr"))
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed.dataset


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_leaves_at_once_while_the_scorer_is_fitted(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    """Every time from a beginning without a scorer, for one that is fitted is remembered."""
    begun, draw, unfitted = tmp_path / "begun", random.Random(number), 0
    with simulated_server(Faults(delay=0.01)) as server:
        few = run_command(corpus, begun, server.url, "--budget", f"{PILOT - 9} calls")
        assert call(*few).returncode == 1
        left = PILOT - embedded(server.log.bodies)
        for attempt in range(4):
            out = shutil.copytree(begun, tmp_path / f"out-{attempt}")
            arguments, seen = run_command(corpus, out, server.url), len(server.log.bodies)
            with started(*arguments) as process:
                if attempt == 0:
                    # All that the scorer is fitted on has been embedded.
                    wait_until(lambda n=seen: embedded(server.log.bodies[n:]) >= left, process)
                else:
                    wait_until(lambda p=process: is_fitting(p), process)
                    time.sleep(draw.uniform(0, 0.1))
                goes_on(leaves(process, number), out)
            unfitted += "scorer" not in steps_of(out)
        assert call(*arguments).returncode == 0
    assert unfitted > 0
    assert dataset(out) == undisturbed.dataset


PILOT = 49  # embeddings: of a probe, and of two questions in each of 24 contrasts


def embedded(bodies: list[dict[str, object]]) -> int:
    return sum("input" in body for body in bodies)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_leaves_at_once_while_it_waits_for_a_dead_server(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    out, draw = tmp_path / "out", random.Random(number)
    with simulated_process(Faults(delay=0.02)) as server:
        arguments = run_command(corpus, out, server.url, model=PATIENT)
        for _ in range(3):
            with started(*arguments) as process:
                wait_until(lambda: server.stats()["answered"] > 3, process)
                server.kill()
                time.sleep(draw.uniform(0, 2))
                goes_on(leaves(process, number), out)
            server.start()
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed.dataset


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_leaves_at_once_while_its_budget_waits_for_replies(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals
) -> None:
    out, draw = tmp_path / "out", random.Random(number)
    with simulated_server() as server:
        arguments = run_command(corpus, out, server.url)
        assert call(*arguments, "--budget", "20 calls").returncode == 1
        server.faults.delay = 60.0
        for _ in range(3):
            with started(*arguments, "--budget", "22 calls") as process:
                wait_until(lambda: server.log.in_flight == 2, process)
                time.sleep(draw.uniform(0, 0.5))
                goes_on(leaves(process, number), out)
            wait_until(lambda: server.log.in_flight == 0)
        server.faults.delay = 0.0
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed.dataset
