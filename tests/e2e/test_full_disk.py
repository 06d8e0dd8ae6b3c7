"""A disk that is full stops a run in one line, and nothing but room is needed to go on."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import augcon
from tests.e2e.program import at, call, command, dataset, environment, small_settings
from tests.simulated_server import Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

CONCURRENCY = 6
DELAY = 0.05  # seconds for a reply, more than it takes to write one down
LEAST = 20  # requests before it is full, so that there is something to lose


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), english_files=1, chinese_files=1)


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    with simulated_server() as server:
        ended = call(*run_command(corpus, folder / "out", folder, server))
    assert ended.returncode == 0, ended.stderr
    return dataset(folder / "out")


def run_command(corpus: Path, out: Path, folder: Path, server: Simulation) -> list[object]:
    return [
        *("run", corpus, "-o", out, *at(server), "--config", small_settings(folder), "--quiet"),
        *("--concurrency", CONCURRENCY),
    ]


def limited(arguments: list[object], size: int) -> subprocess.CompletedProcess[str]:
    """The command where no file may be larger than `size`, as with a quota."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
        preexec_fn=limit,
    )


def stopped_in_one_line(ended: subprocess.CompletedProcess[str], out: Path) -> None:
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"augcon: {out}")
    assert "the disk is full or failing" in line
    assert "make room and give the same command again" in line


def is_sound(out: Path) -> bool:
    with closing(sqlite3.connect(f"file:{out / 'run.db'}?mode=ro", uri=True)) as database:
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("size", [400_000, 1_000_000])
def test_where_a_file_may_not_grow_the_run_stops_and_goes_on_later(
    corpus: Path, tmp_path: Path, undisturbed: bytes, size: int
) -> None:
    out = tmp_path / "out"
    with simulated_server(Faults(delay=DELAY)) as server:
        arguments = run_command(corpus, out, tmp_path, server)
        stopped_in_one_line(limited(arguments, size), out)
        assert len(server.log.bodies) > LEAST
        goes_on(out, server, lambda: call(*arguments))
    assert dataset(out) == undisturbed


def test_a_run_that_has_no_room_to_begin_leaves_nothing_in_the_way(
    corpus: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    out = tmp_path / "out"
    with simulated_server() as server:
        arguments = run_command(corpus, out, tmp_path, server)
        stopped_in_one_line(limited(arguments, 20_000), out)
        assert server.log.bodies == []
        assert call(*arguments).returncode == 0
    assert dataset(out) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_stops_a_run_and_with_more_room_it_goes_on(
    corpus: Path, small_disk: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    out = small_disk / "out"
    with simulated_server(Faults(delay=DELAY)) as server:
        arguments = run_command(corpus, out, tmp_path, server)
        stopped_in_one_line(call(*arguments), out)
        assert len(server.log.bodies) > LEAST
        stopped_in_one_line(call(*arguments), out)
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        goes_on(out, server, lambda: call(*arguments), stops=2)
    assert dataset(out) == undisturbed


def goes_on(
    out: Path,
    server: Simulation,
    go: Callable[[], subprocess.CompletedProcess[str]],
    stops: int = 1,
) -> None:
    """What had come is there; only what had a place at a stop is asked again."""
    assert is_sound(out)
    books = augcon.open(out).books
    assert books.balanced
    assert books.state == "unfinished"
    lost = len(server.log.bodies) - books.calls.calls
    assert 0 <= lost <= stops * CONCURRENCY  # a place is kept until its reply is on disk
    server.faults.delay = 0.0
    ended = go()
    assert ended.returncode == 0, ended.stderr
    assert server.log.repeated() <= lost
    assert augcon.open(out).books.state == "finished"
    assert is_sound(out)
