"""A database of an earlier version, made from what a run of today holds, is brought up to date."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

import augcon
from augcon.errors import OutputError
from augcon.llm.base import Reply, Request
from augcon.store import Run
from augcon.store.database import VERSION, Database, version_of
from tests.e2e.program import at, call, dataset, environment, journalled, small_settings
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus
from tests.store.test_journal import summed

TABLES = ("meta", "steps", "documents", "contexts", "nodes", "questions", "answers")
Earlier = Callable[[Path, Path], Path]
KILLS = 8
KILLED_WITHIN = 0.6  # seconds, about what the migration takes


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server(Faults(garbage=0.05)) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def finished(server: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_corpus(folder / "corpus", english_files=1, chinese_files=1)
    ended = call(*run_command(folder, folder / "out", server))
    assert ended.returncode == 0, ended.stderr
    return folder


def run_command(folder: Path, out: Path, server: Simulation) -> list[object]:
    config = ("--config", small_settings(folder))
    return ["run", folder / "corpus", "-o", out, *at(server), *config]


def as_first_version(run: Path, to: Path) -> Path:
    """The folder of a run, its database as version 1 wrote it."""
    with earlier_version(1, run, to) as old:
        old.create_function("first_form", 1, first_form)
        old.execute(
            "INSERT INTO main.journal SELECT identity, model, endpoint, accepted, prompt_tokens, "
            "completion_tokens, CASE endpoint WHEN 'embedding' THEN reply ELSE first_form(reply) "
            "END FROM new.journal"
        )
    return to


def as_second_version(run: Path, to: Path) -> Path:
    """The folder of a run, its database as version 2 wrote it."""
    with earlier_version(2, run, to) as old:
        old.execute("INSERT INTO main.journal SELECT * FROM new.journal")
    return to


def as_third_version(run: Path, to: Path) -> Path:
    """The folder of a run, its database as version 3 wrote it."""
    with earlier_version(3, run, to) as old:
        old.execute("INSERT INTO main.journal SELECT * FROM new.journal")
    return to


EARLIER = pytest.mark.parametrize(
    "as_earlier", [as_first_version, as_second_version, as_third_version]
)


@contextmanager
def earlier_version(version: int, run: Path, to: Path) -> Iterator[sqlite3.Connection]:
    """A database of that version with all but the journal, of what it had columns for.

    The run's own is attached as `new`.
    """
    to.mkdir()
    shutil.copy(run / "config.toml", to)
    script = (Path(__file__).parent / f"version_{version}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(to / "run.db")) as old, old:
        old.execute("PRAGMA journal_mode=WAL")
        old.executescript(f"{script}PRAGMA user_version={version};")
        old.execute("ATTACH ? AS new", (str(run / "run.db"),))
        for table in TABLES:
            then = [row[1] for row in old.execute(f"PRAGMA main.table_info({table})")]
            now = [row[1] for row in old.execute(f"PRAGMA new.table_info({table})")]
            columns = ", ".join(f'"{name}"' if name in now else "'unknown'" for name in then)
            old.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
        yield old


def first_form(reply: bytes) -> bytes:
    said = json.loads(zlib.decompress(reply))
    fields = ("text", "finish_reason", "tokens")
    choices = [dict(zip(fields, choice, strict=True)) for choice in said]
    return json.dumps(choices, ensure_ascii=False).encode()


def replies(folder: Path) -> dict[str, Reply | None]:
    run = Run.read(folder)
    names = [row["identity"] for row in run.database.rows("SELECT identity FROM journal")]
    found = {name: run.journal.get(name) for name in names}
    run.close()
    return found


def schema(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {" ".join(sql.split()) for (sql,) in found}


@EARLIER
def test_a_run_of_an_earlier_version_goes_on_and_asks_nothing_again(
    as_earlier: Earlier, finished: Path, server: Simulation, tmp_path: Path
) -> None:
    old = as_earlier(finished / "out", tmp_path / "old")
    with closing(sqlite3.connect(old / "run.db")) as database, database:
        for table in ("nodes", "questions", "answers", "steps"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE contexts SET state = 'pending', passes = 0")
    before = len(server.log.bodies)
    ended = call(*run_command(finished, old, server))
    assert ended.returncode == 0, ended.stderr
    probes = 2  # of what the server can do: what they told was among the steps
    assert len(server.log.bodies) - before <= probes
    assert dataset(old) == dataset(finished / "out")
    assert journalled(old) == journalled(finished / "out")


@EARLIER
def test_every_reply_and_every_count_comes_over(
    as_earlier: Earlier, finished: Path, tmp_path: Path
) -> None:
    old = as_earlier(finished / "out", tmp_path / "old")
    assert replies(old) == replies(finished / "out")
    told, expected = augcon.open(old).books, augcon.open(finished / "out").books
    assert told.stages == expected.stages
    run = Run.read(old)
    assert run.journal.totals() == summed(old)
    assert run.journal.totals().unusable == expected.calls.unusable > 0
    run.close()


def test_every_question_gets_the_granularity_that_a_run_of_today_gives_it(
    server: Simulation, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=1, chinese_files=1)
    settings = {"tree.max_units": 400, "scorer.kind": "heuristic", "answers.choose": "first"}
    today = augcon.run(
        corpus, tmp_path / "new", model=MODEL, base_url=server.url, settings=settings
    )
    old = as_first_version(today.folder, tmp_path / "old")
    sql = "SELECT root_id, pass, id, granularity FROM questions ORDER BY 1, 2, 3"
    found = []
    for folder in (old, today.folder):
        run = Run.read(folder)
        found.append([tuple(row) for row in run.database.rows(sql)])
        run.close()
    assert found[0] == found[1]
    assert {row[-1] for row in found[0]} == {"macro", "concept", "detail"}
    unchecked = [dataclasses.replace(pair, verification=None) for pair in today]
    assert list(augcon.open(old)) == unchecked


@EARLIER
def test_a_migrated_database_is_the_same_as_a_new_one(
    as_earlier: Earlier, finished: Path, tmp_path: Path
) -> None:
    old = as_earlier(finished / "out", tmp_path / "old")
    Database(old / "run.db").close()
    Database(tmp_path / "new.db").close()
    assert schema(old / "run.db") == schema(tmp_path / "new.db")
    assert version_of(old / "run.db") == version_of(tmp_path / "new.db") == VERSION


def test_a_reply_of_token_probabilities_comes_over_and_so_does_an_empty_vector(
    finished: Path, tmp_path: Path
) -> None:
    old = as_first_version(finished / "out", tmp_path / "old")
    token = {"token": "a", "logprob": -0.5, "top": [["a", -0.5], ["b", -1.25]]}
    choice = {"text": "a", "finish_reason": "length", "tokens": [token]}
    rows = [("t", "completion", json.dumps([choice])), ("v", "embedding", "[]")]
    with closing(sqlite3.connect(old / "run.db")) as database, database:
        for name, endpoint, reply in rows:
            values = (name, "m", endpoint, 1, 2, 3, reply.encode())
            database.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    found = replies(old)
    told, nothing = found["t"], found["v"]
    assert told is not None
    assert told.choices[0].tokens[0].top == (("a", -0.5), ("b", -1.25))
    assert nothing is not None
    assert nothing.embedding == ()


def test_what_was_never_written_down_counts_as_explained(finished: Path, tmp_path: Path) -> None:
    old = as_second_version(finished / "out", tmp_path / "old")
    run = Run.read(old)
    (root, _), *_ = run.ledger.root_pairs()
    assert {row.explained for row in run.ledger.tree(root.id)} == {1.0}
    assert {pair.explained for pair in run.ledger.pairs()} == {1.0}
    run.close()


def test_a_run_whose_drafts_were_not_kept_counts_the_one_answer_to_each_question(
    server: Simulation, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus", english_files=1, chinese_files=1)
    settings = {
        "tree.max_units": 200,
        "scorer.kind": "heuristic",
        "answers.choose": "first",
        "answers.samples": 2,
        "tree.max_passes": 1,
    }
    today = augcon.run(
        corpus, tmp_path / "new", model=MODEL, base_url=server.url, settings=settings
    )
    assert today.books.stages["drafts"].entered >= 2 * today.books.stages["answers"].entered > 0
    assert any(pair.drafts for pair in today)
    old = augcon.open(as_third_version(today.folder, tmp_path / "old"))
    books = old.books
    assert books.balanced
    assert books.stages["drafts"].entered == books.stages["answers"].entered
    assert "drafts" not in books.lines
    assert list(old) == [dataclasses.replace(pair, drafts=()) for pair in today]


async def test_an_empty_vector_is_journalled_as_one(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "out", {}, "corpus", "")
    await run.journal.put("v", "m", Request("embedding"), Reply(), False)
    assert run.journal.get("v") == Reply()
    run.close()


@EARLIER
def test_status_reads_a_run_of_an_earlier_version(
    as_earlier: Earlier, finished: Path, tmp_path: Path
) -> None:
    old = as_earlier(finished / "out", tmp_path / "old")
    ended = call("status", old, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["calls"] == journalled(finished / "out")


def test_a_run_of_version_1_is_not_touched_while_another_is_at_work_in_it(
    finished: Path, tmp_path: Path
) -> None:
    old = as_first_version(finished / "out", tmp_path / "old")
    with FileLock(old / ".lock"):
        with pytest.raises(OutputError, match="another augcon is at work in it"):
            Run.read(old)
        assert version_of(old / "run.db") == 1


def test_a_run_of_version_1_that_cannot_be_written_says_what_to_do(
    finished: Path, tmp_path: Path
) -> None:
    old = as_first_version(finished / "out", tmp_path / "old")
    (old / ".lock").mkdir()  # so that nobody can lock it
    with pytest.raises(OutputError, match=r"an earlier version.*copy it to where"):
        Run.read(old)


def test_a_migration_that_is_killed_anywhere_loses_nothing(finished: Path, tmp_path: Path) -> None:
    old = as_first_version(finished / "out", tmp_path / "old")
    with closing(sqlite3.connect(old / "run.db")) as database, database:
        row = database.execute("SELECT * FROM journal WHERE endpoint = 'chat'").fetchone()
        many = [(f"copy {n}", *row[1:-1], first_of(n)) for n in range(20_000)]
        database.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", many)
    script = "import sys; from pathlib import Path; "
    script += "from augcon.store.database import Database; print(flush=True); "
    script += "Database(Path(sys.argv[1])).close()"
    interrupted = 0
    for number in range(KILLS):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(old, copy)
        process = subprocess.Popen(
            [sys.executable, "-c", script, copy / "run.db"],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(number / KILLS * KILLED_WITHIN)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        interrupted += version_of(copy / "run.db") == 1
        found = replies(copy)
        assert len(found) == 20_000 + journalled(finished / "out")
        told = found["copy 19999"]
        assert told is not None
        assert told.text == "said 19999"
    assert interrupted > 0


def first_of(number: int) -> bytes:
    choice = {"text": f"said {number}", "finish_reason": "stop", "tokens": []}
    return json.dumps([choice]).encode()
