"""Wherever the program or its server is killed, nothing that was paid for is asked again."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.program import (
    CONCURRENCY,
    PATIENCE,
    Undisturbed,
    call,
    dataset,
    run_command,
    started,
    state,
    wait_until,
)
from tests.e2e.recorded import Record, journal
from tests.simulated_server import Faults, ServerProcess, simulated_process, simulated_server

KILLS = 50
PATIENT = "patience = 60"
DELAY = Faults(delay=0.01)
SERVER_KILLS = 24  # each costs a server's start, and a second in which the program lets it rest
SERVER_SECONDS = 1.5
OUTAGE = 0.3  # seconds at most from a server's death to its next start
SHARE = 0.7  # of the record's lines, two for every request, within which all the kills fall
START = 1.2  # seconds, about, until a program asks for the first time


class Moments:
    """Random ones of a run's life, so many: after some more requests, half of them after some time
    if that is sooner. How many more goes by what is left of the run, so that a moment that was
    noticed late takes nothing from those to come, however fast or busy the machine is."""

    def __init__(
        self, seed: int, record: Record, undisturbed: Undisturbed, number: int, seconds: float
    ) -> None:
        self._draw = random.Random(seed)
        self._record = record
        self._end = round(SHARE * 2 * undisturbed.asked)
        self._left = number
        self._seconds = seconds

    def next(self) -> Callable[[], bool]:
        """Whether the next of them has come."""
        line = len(self._record)
        enough = line + self._draw.randint(1, max(1, 2 * (self._end - line) // (self._left + 1)))
        self._left -= 1
        seconds = self._draw.uniform(0, self._seconds) if self._draw.random() < 0.5 else math.inf
        end = time.monotonic() + seconds
        return lambda: len(self._record) >= enough or time.monotonic() >= end


def come_or_ended(moment: Callable[[], bool], ended: Callable[[], object]) -> bool:
    """Wait for the moment; False where everything was done before it."""
    wait_until(lambda: moment() or ended() is not None)
    return ended() is None


def test_a_run_that_is_killed_fifty_times_ends_as_if_nothing_had_happened(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    out, record = tmp_path / "out", Record(tmp_path / "asked.jsonl")
    moments = Moments(1, record, undisturbed, KILLS, START + 0.2)
    at_work = 0
    with simulated_server(DELAY, record=str(record.path)) as server:
        arguments = run_command(corpus, out, server.url)
        known, seen = set[str](), 0
        for _ in range(KILLS):
            with started(*arguments) as process:
                at_work += come_or_ended(moments.next(), process.poll)
            wait_until(lambda: server.log.in_flight == 0)
            known, seen = told_of_a_life(record, seen, known, out)
        ended = call(*arguments)
        assert ended.returncode == 0, ended.stderr
        known, _ = told_of_a_life(record, seen, known, out)
    assert at_work == KILLS
    assert len(known) == undisturbed.asked
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"


def told_of_a_life(record: Record, seen: int, known: set[str], out: Path) -> tuple[set[str], int]:
    """Of a program's life: it asked nothing twice and nothing that the journal held, and lost no
    more than may be in flight. Gives what the journal holds now, and how far the record goes."""
    asked, now = record.asked(seen), journal(out)
    assert len(set(asked)) == len(asked)
    assert not known & set(asked)
    assert known <= now
    assert len(set(asked) - now) <= CONCURRENCY
    return now, len(record)


@dataclass(frozen=True)
class Death:
    """How far the record went when somebody died, and what the journal held."""

    at: int
    known: set[str]


def death(record: Record, out: Path) -> Death:
    return Death(len(record), journal(out))


def die_and_live(server: ServerProcess, record: Record, out: Path, seconds: float) -> Death:
    """Kill the server, and start it again a moment later."""
    server.kill()
    happened = death(record, out)
    time.sleep(seconds)
    server.start()
    return happened


def told_of_deaths(deaths: list[Death], record: Record) -> None:
    """What was in flight is asked again at most; nothing that the journal held is."""
    born = 0
    for happened in deaths:
        asked = set(record.asked(born, happened.at))
        later = set(record.asked(happened.at))
        assert not happened.known & later
        assert len(asked & later) <= CONCURRENCY
        born = happened.at


def test_a_run_outlives_its_server_and_asks_again_for_no_more_than_was_in_flight(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    """The program waits and goes on by itself."""
    out, record = tmp_path / "out", Record(tmp_path / "asked.jsonl")
    moments = Moments(2, record, undisturbed, SERVER_KILLS, SERVER_SECONDS)
    draw, deaths = random.Random(3), list[Death]()
    with simulated_process(DELAY, record=str(record.path)) as server:
        with started(*run_command(corpus, out, server.url, model=PATIENT)) as process:
            wait_until(lambda: len(journal(out)) > 0, process)
            while len(deaths) < SERVER_KILLS and come_or_ended(moments.next(), process.poll):
                deaths.append(die_and_live(server, record, out, draw.uniform(0, OUTAGE)))
            _, said = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (0, "")
    assert len(deaths) == SERVER_KILLS
    told_of_deaths(deaths, record)
    assert len(journal(out)) == undisturbed.asked
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"


def test_program_and_server_may_die_in_turn(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    out, record = tmp_path / "out", Record(tmp_path / "asked.jsonl")
    moments = Moments(4, record, undisturbed, SERVER_KILLS, SERVER_SECONDS)
    draw, deaths, at_work = random.Random(5), list[Death](), 0
    with simulated_process(DELAY, record=str(record.path)) as server:
        arguments = run_command(corpus, out, server.url, model=PATIENT)
        seen = 0
        for _ in range(SERVER_KILLS // 2):
            with started(*arguments) as process:
                wait_until(lambda n=seen: len(record) > n + 1 or process.poll() is not None)
                at_work += come_or_ended(moments.next(), process.poll)
                deaths.append(die_and_live(server, record, out, draw.uniform(0, OUTAGE)))
                come_or_ended(moments.next(), process.poll)
            deaths.append(death(record, out))
            seen = len(record)
        ended = call(*arguments)
        assert ended.returncode == 0, ended.stderr
    assert at_work == SERVER_KILLS // 2
    told_of_deaths(deaths, record)
    assert len(journal(out)) == undisturbed.asked
    assert dataset(out) == undisturbed.dataset
    assert state(out) == "finished"
