"""The program as its user starts it: a process of its own, at a simulated server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import augcon
from tests.simulated_server import MODEL, Simulation

SOURCE = Path(augcon.__file__).parents[1]
SMALL = """
[model]
patience = 0.5
[tree]
max_units = 90
min_units = 20
max_passes = 3
[scorer]
pairs = 12
[answers]
search_trials = 2
search_items = 2
shots = 2
"""


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


def small_settings(folder: Path, more: str = "") -> Path:
    path = folder / "small.toml"
    path.write_text(SMALL + more, encoding="utf-8")
    return path


def dataset(out: Path) -> bytes:
    return (out / "dataset" / "train.jsonl").read_bytes()


def rows(out: Path) -> list[dict[str, object]]:
    text = dataset(out).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def journalled(out: Path) -> int:
    with sqlite3.connect(f"file:{out / 'run.db'}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT COUNT(*) FROM journal").fetchone()[0])
