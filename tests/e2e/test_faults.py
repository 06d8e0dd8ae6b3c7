"""Whatever servers do: every context finishes or is in the books with its reason."""

from __future__ import annotations

import json
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path

import pytest

import augcon
from augcon.errors import BudgetSpentError
from augcon.llm import call as call_path
from augcon.llm import places
from tests.e2e.program import (
    CONCURRENCY,
    Undisturbed,
    call,
    dataset,
    run_command,
    small_settings,
    started,
    state,
    steps_of,
    wait_until,
)
from tests.e2e.recorded import LOOK
from tests.simulated_server import (
    MODEL,
    Faults,
    ServerProcess,
    Simulation,
    simulated_process,
    simulated_server,
)
from tests.simulation.server import OTHER_MODEL
from tests.small_corpora import write_corpus

MIXED = Faults(
    status={429: 0.04, 500: 0.03, 503: 0.03, 599: 0.01},
    retry_after="0.05",
    retry_after_share=0.5,
    **dict.fromkeys(
        "reset hang hang_body drip cut_off empty not_json wrong_shape wrong_keys slow "
        "content_filter other_model two_choices".split(),
        0.01,
    ),
    garbage=0.01,
    delay=0.002,
    slow_times=50,
)
IMPATIENT = "patience = 60\nread_timeout = 0.5\ntimeout = 1.5"


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits between tries, in this process."""
    monkeypatch.setattr(call_path, "BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(places, "SHORTEST_REST", 0.1)


def run(corpus: Path, out: Path, server: Simulation, budget: str | None = None) -> None:
    """The same run as that of `run_command`, in this process."""
    config = small_settings(out.parent, model=IMPATIENT)
    augcon.run(
        corpus,
        out,
        model=MODEL,
        base_url=server.url,
        config=config,
        concurrency=CONCURRENCY,
        budget=budget,
    )


def failures(out: Path) -> dict[str, int]:
    """What failed, by its reason, over all stages; the books balance, and `status` says so."""
    assert call("status", out).returncode == 0
    told: dict[str, int] = {}
    for stage in augcon.open(out).books.stages.values():
        assert stage.balanced
        assert sum(stage.failures.values()) == stage.failed
        for reason, number in stage.failures.items():
            told[reason] = told.get(reason, 0) + number
    return told


@pytest.mark.usefixtures("brisk")
def test_a_quarter_of_faults_costs_next_to_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=4, chinese_files=2)
    out = tmp_path / "out"
    with simulated_server(MIXED) as server:
        run(corpus, out, server)
        log = server.log
        assert sum(log.faults.values()) + sum(log.refused.values()) > log.requests / 5
        assert set(log.faults) >= {"reset", "hang", "hang_body", "drip", "cut_off", "not_json"}
    told = failures(out)
    books = augcon.open(out).books
    assert state(out) == "finished"
    assert books.stages["contexts"].failed == books.stages["contexts"].pending == 0
    assert set(told) <= {"server_fault", "unusable_reply", "content_refused", "no_score"}
    assert told.get("server_fault", 0) <= books.stages["nodes"].entered / 100
    assert told.get("unusable_reply", 0) <= books.stages["nodes"].entered / 100
    assert told["content_refused"] <= books.calls.calls / 20
    assert books.pairs > 40


FAULTS = {
    "refuses schemas": Faults(refuse_schema=True),
    "says two things": Faults(two_choices=1.0),
    "answers as another": Faults(other_model=1.0),
    "breaks connections": Faults(reset=0.3),
    "closes what is idle": Faults(close_idle=0.001, delay=0.004),
    "is slow now and then": Faults(slow=0.2, delay=0.002),
    "sends pages": Faults(status={599: 0.2}),
    "sends no JSON": Faults(not_json=0.2),
    "sends other shapes": Faults(wrong_shape=0.2),
}


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_wire_changes_nothing_in_the_dataset(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, fault: str
) -> None:
    out = tmp_path / "out"
    with simulated_server(FAULTS[fault]) as server:
        run(corpus, out, server)
        if fault == "refuses schemas":
            assert not any("response_format" in body for body in server.log.bodies)
    assert failures(out) == {}
    assert state(out) == "finished"
    assert dataset(out) == undisturbed.dataset


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("fault", ["hang", "hang_body", "drip"])
def test_a_server_that_never_ends_its_reply_is_noticed(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed, fault: str
) -> None:
    """Silence by the time-out for reading, and a byte now and then by that for the whole."""
    out = tmp_path / "out"
    with simulated_server(Faults(**{fault: 0.03})) as server:
        began = time.monotonic()
        run(corpus, out, server)
        assert server.log.faults[fault] >= 3
        assert time.monotonic() - began < 30
    assert dataset(out) == undisturbed.dataset


def test_the_name_under_which_a_server_answers_is_told(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(other_model=0.5)) as server:
        assert call(*run_command(corpus, out, server.url)).returncode == 0
    said = call("status", out).stdout
    assert f"the server answered as {OTHER_MODEL!r}" in said
    assert f"the server answered as {MODEL!r}" not in said
    models = augcon.open(out).books.as_json()["models"]
    assert isinstance(models, dict)
    assert set(models) == {MODEL, OTHER_MODEL}
    assert sum(models.values()) == augcon.open(out).books.calls.calls
    page = (out / "report.html").read_text(encoding="utf-8")
    assert OTHER_MODEL in page


def test_a_date_to_try_again_at_is_waited_for(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    out = tmp_path / "out"
    soon = formatdate(time.time() + 4, usegmt=True)
    with simulated_server(Faults(status={429: 0.02}, retry_after=soon)) as server:
        assert call(*run_command(corpus, out, server.url)).returncode == 0
        assert server.log.refused[429] >= 1
    assert dataset(out) == undisturbed.dataset


CLOCK = """
import pathlib
import random
import time

pathlib.Path(__file__).with_name("used").touch()

_true, _draw = time.time, random.Random(7)


def _jumping():
    return _true() + _draw.uniform(-1e8, 1e8)


time.time = _jumping
"""


def test_nothing_depends_on_the_time_of_day(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    """A clock that jumps by years at every look, backwards and forwards."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    out = tmp_path / "out"
    with simulated_server(Faults(status={429: 0.05, 503: 0.05}, reset=0.02)) as server:
        arguments = run_command(corpus, out, server.url)
        path = {"PYTHONPATH": f"{Path(augcon.__file__).parents[1]}:{tmp_path / 'clock'}"}
        half = [*arguments, "--budget", "80 calls"]
        assert call(*half, **path).returncode == 1
        ended = call(*arguments, **path)
        assert (ended.returncode, ended.stderr) == (0, "")
    assert dataset(out) == undisturbed.dataset
    assert (tmp_path / "clock" / "used").exists()
    assert 0 < augcon.open(out).books.seconds < 60


def test_a_context_that_is_too_long_is_asked_about_in_smaller_parts(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with simulated_server() as server:
        longest = call(*run_command(corpus, tmp_path / "whole", server.url))
        assert longest.returncode == 0
        bodies = [b for b in server.log.bodies if "messages" in b]
    window = sorted({sum(len(m["content"].split()) for m in b["messages"]) for b in bodies})
    with simulated_server(Faults(too_long_over=window[-1] - 10)) as server:
        ended = call(*run_command(corpus, out, server.url))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert server.log.refused[400] >= 1
    failures(out)
    books = augcon.open(out).books
    reasons = {reason for s in books.stages.values() for reason in (*s.rejected, *s.failures)}
    assert "too_long" in reasons
    assert books.pairs > 0


def answered_by(server: ServerProcess) -> int:
    return int(server.stats()["answered"])


def test_of_two_servers_one_may_die_and_come_back(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=5, chinese_files=2)
    out = tmp_path / "out"
    slow = Faults(delay=0.05)
    with simulated_process(slow) as one, simulated_process(slow) as two:
        arguments = run_command(corpus, out, one.url, "--base-url", two.url, model="patience = 60")
        with started(*arguments) as process:
            wait_until(lambda: answered_by(one) > 30 and answered_by(two) > 15, process)
            one.kill()
            before = answered_by(two)
            wait_until(lambda: answered_by(two) > before + 30, process)
            with two.paused():  # so that the run cannot end before the other is back
                one.start()
                wait_until(lambda: answered_by(one) > 0, process)
            back, again = answered_by(one), answered_by(two)
            wait_until(
                lambda: answered_by(one) > back + 30 and answered_by(two) > again + 15, process
            )
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert failures(out) == {}
    with simulated_server() as well:
        assert call(*run_command(corpus, tmp_path / "alone", well.url)).returncode == 0
    assert dataset(out) == dataset(tmp_path / "alone")


@pytest.mark.usefixtures("brisk")
def test_what_failed_for_a_fault_of_the_server_is_taken_up_by_the_same_command(
    tmp_path: Path,
) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=2, chinese_files=1)
    out, whole = tmp_path / "out", tmp_path / "whole"
    with simulated_server() as server:
        run(corpus, whole, server)
    with simulated_server() as server:
        while len(steps_of(out)) < len(steps_of(whole)):  # scorer and examples
            with pytest.raises(BudgetSpentError):
                run(corpus, out, server, f"{len(server.log.bodies) + 20} calls")
        server.faults.fail_for = "Harwick"
        run(corpus, out, server)
        told = failures(out)
        assert told["server_fault"] > 0
        assert state(out) == "finished"
        before, asked = dataset(out), len(server.log.bodies)
        server.faults.fail_for = ""
        run(corpus, out, server)
        assert len(server.log.bodies) > asked
        assert failures(out) == {}
        assert state(out) == "finished"
        asked = server.log.requests
        run(corpus, out, server)
        assert server.log.requests == asked
    assert asked_twice(server) == set()
    assert dataset(out) == dataset(whole) != before


def asked_twice(server: Simulation) -> set[str]:
    """The answered requests that were asked again, but for looks at whether there is an answer."""
    seen = Counter(json.dumps(body, sort_keys=True) for body in server.log.bodies)
    return {body for body, number in seen.items() if number > 1 and LOOK not in body}


@pytest.mark.usefixtures("brisk")
def test_what_was_refused_is_not_asked_again(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=2, chinese_files=1)
    out = tmp_path / "out"
    with simulated_server(Faults(refuse_for="Harwick", garbage=0.2)) as server:
        run(corpus, out, server)
        assert failures(out)["request_refused"] > 0
        before, asked = dataset(out), server.log.requests
        server.faults.refuse_for = ""
        run(corpus, out, server)
        assert server.log.requests == asked
    assert dataset(out) == before
