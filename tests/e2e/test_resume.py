from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.e2e.program import (
    CONCURRENCY,
    Undisturbed,
    call,
    dataset,
    journalled,
    run_command,
    started,
    state,
    wait_until,
)
from tests.simulated_server import Faults, simulated_server


def test_a_run_leaves_at_once_although_the_server_does_not_answer(
    corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(delay=60)) as server:
        with started(*run_command(corpus, tmp_path / "out", server.url)) as process:
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
        arguments = run_command(corpus, out, server.url)
        stopped = call(*arguments)
        assert (stopped.returncode, stopped.stdout) == (1, "")
        (line,) = stopped.stderr.splitlines()
        assert line.startswith("augcon: ")
        assert "HTTP 503" in line
        assert "the same command goes on" in line
        assert state(out) == "unfinished"
        assert 60 <= journalled(out) <= 60 + CONCURRENCY
        server.faults.stop_after = 0
        assert call(*arguments).returncode == 0
        assert server.log.repeated() == 0
    assert dataset(out) == undisturbed.dataset
