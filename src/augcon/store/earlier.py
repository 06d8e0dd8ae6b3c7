"""Setting an earlier run aside, for `--fresh`: what was paid for stays, under a number.

    run.db       → run.1.db
    config.toml  → config.1.toml
    report.html  → report.1.html
    scorer/      → scorer.1/
    examples/    → examples.1/
    dataset/     → dataset.1/       so that no old pair is taken for a new one's

The database moves last: wherever it is stopped, the folder holds the earlier run or none, and
nothing is lost. What SQLite may have left beside the database belongs to it and follows it.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

__all__ = ["DATABASE", "holds_run", "set_aside", "settle"]

DATABASE = "run.db"
PARTS = ("dataset", "examples", "scorer", "report.html", "config.toml", DATABASE)
KEPT = re.compile(r"run\.(\d+)\.db")


def holds_run(folder: Path) -> bool:
    """Whether there is a run in the folder, or one that was set aside."""
    return (folder / DATABASE).exists() or bool(_kept(folder))


def set_aside(folder: Path) -> Path | None:
    """Move the folder's run out of the way of a new one; its database's new name, if there was one.

    The database may be damaged: it is moved as it is.
    """
    path = folder / DATABASE
    if not path.exists():
        return None
    _fold(path)
    number = next(n for n in count(1) if not any((folder / _named(p, n)).exists() for p in PARTS))
    for part in PARTS:
        if (folder / part).exists():
            (folder / part).rename(folder / _named(part, number))
    settle(folder)
    return folder / _named(DATABASE, number)


def settle(folder: Path) -> None:
    """Bring what SQLite left beside a database that is no longer here to that database.

    A new database of that name would swallow it.
    """
    numbers = _kept(folder)
    if (folder / DATABASE).exists() or not numbers:
        return
    (folder / f"{DATABASE}-shm").unlink(missing_ok=True)  # SQLite makes it anew
    wal = folder / f"{DATABASE}-wal"
    if wal.exists():
        wal.rename(folder / f"{_named(DATABASE, max(numbers))}-wal")


def _fold(path: Path) -> None:
    """One whole file where that can be had: what is committed moves into the database."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _kept(folder: Path) -> list[int]:
    found = (KEPT.fullmatch(path.name) for path in folder.iterdir())
    return [int(name[1]) for name in found if name]


def _named(part: str, number: int) -> str:
    path = Path(part)
    return f"{path.stem}.{number}{path.suffix}"
