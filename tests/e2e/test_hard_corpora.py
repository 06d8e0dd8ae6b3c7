"""The whole program over texts that give a tree nothing to hold on to."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.program import at, call, rows, small_settings
from tests.hard_corpora import HARD, language_of, one_line
from tests.simulated_server import Simulation, simulated_server

SHORTEST = 20  # λ of the small settings
# A document without a single whole sentence is left out before it is cut.
OPENINGS = {
    "en": "These are the notes of the mill of Harwick.\n\n",
    "zh": "这是青石镇水磨坊的记录。\n\n",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


def run(folder: Path, server: Simulation, *more: object) -> dict[str, object]:
    """The books of a run over the folder's corpus."""
    out = folder / "out"
    config = ("--config", small_settings(folder))
    ended = call("run", folder / "corpus", "-o", out, *at(server), *config, *more)
    assert ended.returncode == 0, ended.stderr
    told = call("status", out, "--json")
    assert told.returncode == 0, told.stderr
    books: dict[str, object] = json.loads(told.stdout)
    return books


def test_the_books_of_degenerate_texts_balance_and_no_tree_runs_away(
    tmp_path: Path, server: Simulation
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, text in enumerate(HARD.values()):
        opened = OPENINGS[language_of(text)] + text[:500]
        (corpus / f"{number}.txt").write_text(opened, encoding="utf-8")
    books = run(tmp_path, server)
    assert books["balanced"]
    with closing(sqlite3.connect(tmp_path / "out" / "run.db")) as database:
        trees = database.execute(
            "SELECT c.units, COUNT(*), MAX(n.depth) FROM nodes n JOIN contexts c "
            "ON c.id = n.root_id GROUP BY n.root_id, n.pass"
        ).fetchall()
    assert len(trees) > len(HARD)
    for units, nodes, deepest in trees:
        assert nodes <= 4 * units / SHORTEST + 1
        assert deepest <= 2 * math.ceil(math.log2(units / SHORTEST)) + 2
    assert rows(tmp_path / "out")


def test_one_line_as_long_as_a_book_is_roots_like_any_others(
    tmp_path: Path, server: Simulation
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    text = OPENINGS["zh"] + one_line("zh", 300_000)
    (corpus / "line.txt").write_text(text, encoding="utf-8")
    books = run(tmp_path, server, "--limit", 3)
    assert books["balanced"]
    with closing(sqlite3.connect(tmp_path / "out" / "run.db")) as database:
        longest, number = database.execute("SELECT MAX(units), COUNT(*) FROM contexts").fetchone()
    assert longest <= 90
    assert number > 300_000 / 90
    assert rows(tmp_path / "out")
