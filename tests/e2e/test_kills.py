"""Wherever the program or its server is killed, nothing that was paid for is asked again."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.program import (
    CONCURRENCY,
    call,
    dataset,
    run_command,
    started,
    state,
    wait_until,
)
from tests.e2e.recorded import Record, journal
from tests.simulated_server import Faults, simulated_process, simulated_server
from tests.small_corpora import write_corpus

KILLS = 50
PATIENT = "patience = 60"
DELAY = Faults(delay=0.01)
START = 1.2  # seconds, about, until a program asks for the first time


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
        ended = call(*run_command(corpus, folder / "out", server.url))
    assert ended.returncode == 0, ended.stderr
    return Undisturbed(dataset(folder / "out"), len(server.log.bodies))


class Moments:
    """Random ones of a run's life, after some more requests or some more time."""

    def __init__(self, seed: int, record: Record, requests: int, seconds: float) -> None:
        self._draw = random.Random(seed)
        self._record = record
        self._requests = requests
        self._seconds = seconds

    def next(self) -> Callable[[], bool]:
        """Whether the next of them has come."""
        if self._draw.random() < 0.5:
            enough = len(self._record) + self._draw.randint(1, 2 * self._requests)
            return lambda: len(self._record) >= enough
        end = time.monotonic() + self._draw.uniform(0, self._seconds)
        return lambda: time.monotonic() >= end


def come_or_ended(moment: Callable[[], bool], ended: Callable[[], object]) -> bool:
    """Wait for the moment; False where everything was done before it."""
    wait_until(lambda: moment() or ended() is not None)
    return ended() is None


def test_a_run_that_is_killed_fifty_times_ends_as_if_nothing_had_happened(
    corpus: Path, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    out, record = tmp_path / "out", Record(tmp_path / "asked.jsonl")
    each = round(1.4 * undisturbed.asked / KILLS)
    moments = Moments(1, record, each, START + 0.2)
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
    assert at_work >= KILLS * 4 // 5
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
