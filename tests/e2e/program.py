"""The program as its user starts it: a process of its own, at a simulated server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import augcon
from augcon.store import Run
from tests.simulated_server import MODEL, Simulation

SOURCE = Path(augcon.__file__).parents[1]
CONCURRENCY = 6
PATIENCE = 30.0
SMALL = """
[tree]
max_units = 90
min_units = 20
max_passes = 3
[scorer]
pairs = 12
[answers]
search_trials = 2
search_budget = 4
shots = 2
"""


@dataclass(frozen=True)
class Undisturbed:
    """A run that went through, and how many requests it took."""

    folder: Path
    dataset: bytes
    asked: int


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("OPENAI_API_KEY", "COVERAGE_RUN")}
    return {**clean, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1", "COLUMNS": "100", **more}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "augcon", *map(str, arguments)]


def call(
    *arguments: object, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**more),
        cwd=cwd,
        check=False,
    )


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )


def at(server: Simulation) -> list[str]:
    return ["--base-url", server.url, "--model", MODEL]


def small_settings(folder: Path, more: str = "", model: str = "patience = 0.5") -> Path:
    """more: whole sections; model: lines of the model's."""
    path = folder / "small.toml"
    path.write_text(f"[model]\n{model}\n{SMALL}{more}", encoding="utf-8")
    return path


def dataset(out: Path) -> bytes:
    return (out / "dataset" / "train.jsonl").read_bytes()


def rows(out: Path) -> list[dict[str, object]]:
    text = dataset(out).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def journalled(out: Path) -> int:
    with sqlite3.connect(f"file:{out / 'run.db'}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT COUNT(*) FROM journal").fetchone()[0])


def steps_of(out: Path) -> dict[str, str]:
    """The finished steps of a run, if it was begun."""
    if not out.exists():
        return {}
    with closing(Run.read(out)) as opened:
        return opened.ledger.steps()


def run_command(
    corpus: Path, out: Path, url: str, *more: object, model: str = "patience = 0.5"
) -> list[object]:
    """A small run at the server of this URL; model: lines of the model's settings."""
    config = small_settings(out.parent, model=model)
    return [
        *("run", corpus, "-o", out, "--base-url", url, "--model", MODEL, "--config", config),
        *("--concurrency", CONCURRENCY, "--quiet", *more),
    ]


@contextmanager
def started(
    *arguments: object, cwd: Path | None = None, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on while the block lasts, and is killed at its end."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        cwd=cwd,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Until it is so. A process that ends before that is a failure."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.002)


def state(out: Path) -> str:
    books = augcon.open(out).books
    assert books.balanced
    return books.state
