"""A run is set aside for a new one, and nothing of it is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from augcon.errors import OutputError, StoreError
from augcon.llm.base import Choice, Reply, Request
from augcon.store import Run, earlier
from augcon.store.database import Database
from augcon.store.journal import SqliteJournal

REQUEST = Request("chat", text="x")


def begin(folder: Path, corpus: str = "corpus", *, fresh: bool = False) -> Run:
    return Run.begin(folder, {"seed": 0}, corpus, f"# {corpus}\n", fresh)


async def paid(folder: Path, name: str) -> None:
    """A run that has one reply, a dataset and a report."""
    run = begin(folder, name)
    await run.journal.put(name, "m", REQUEST, Reply((Choice(f"kept of {name}"),)), True)
    (folder / "dataset").mkdir(exist_ok=True)
    (folder / "dataset" / "train.jsonl").write_text(name)
    (folder / "report.html").write_text(name)
    run.close()


def reply_in(path: Path, name: str) -> str:
    database = Database(path, read_only=True)
    known = SqliteJournal(database).get(name)
    database.close()
    assert known is not None
    return known.text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


async def test_every_earlier_run_keeps_all_that_it_had_under_its_number(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await paid(out, "one")
    run = begin(out, "two", fresh=True)
    assert run.earlier == out / "run.1.db"
    assert run.journal.get("one") is None
    assert names(out) >= {"run.db", "run.1.db", "config.1.toml", "report.1.html", "dataset.1"}
    assert not (out / "dataset").exists()
    run.close()
    await paid(out, "two")
    begin(out, "three", fresh=True).close()
    for number, name in enumerate(("one", "two"), start=1):
        assert reply_in(out / f"run.{number}.db", name) == f"kept of {name}"
        assert (out / f"config.{number}.toml").read_text() == f"# {name}\n"
        assert (out / f"report.{number}.html").read_text() == name
        assert (out / f"dataset.{number}" / "train.jsonl").read_text() == name
    assert (out / "config.toml").read_text() == "# three\n"


def test_where_there_is_no_run_a_fresh_one_is_an_ordinary_one(tmp_path: Path) -> None:
    run = begin(tmp_path / "out", fresh=True)
    assert run.earlier is None
    assert "run.1.db" not in names(tmp_path / "out")
    run.close()


async def test_a_damaged_database_is_set_aside_byte_for_byte(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await paid(out, "one")
    (out / "run.db").write_bytes(damaged := b"not a database at all, " * 100)
    with pytest.raises(StoreError, match="run --fresh` sets it aside and begins anew"):
        begin(out)
    begin(out, fresh=True).close()
    assert (out / "run.1.db").read_bytes() == damaged


async def test_a_run_at_work_is_not_set_aside(tmp_path: Path) -> None:
    run = begin(tmp_path / "out")
    before = names(tmp_path / "out")
    with pytest.raises(OutputError, match="another augcon is at work in it"):
        begin(tmp_path / "out", fresh=True)
    assert names(tmp_path / "out") == before
    run.close()


async def test_a_reply_that_is_only_in_the_wal_goes_along(tmp_path: Path) -> None:
    """As after a kill: the database's file alone does not hold it."""
    crashed = await killed(tmp_path)
    begin(crashed, fresh=True).close()
    assert names(crashed) == {"run.db", "config.toml", "run.1.db", "config.1.toml"}
    assert reply_in(crashed / "run.1.db", "one") == "kept"


@pytest.mark.parametrize("moves", range(1, 5))
@pytest.mark.parametrize("again", [False, True])
async def test_setting_aside_that_is_stopped_after_any_move_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int, again: bool
) -> None:
    out = await killed(tmp_path)
    (out / "dataset").mkdir()
    monkeypatch.setattr(earlier, "_fold", lambda _: None)  # as where a reader keeps the WAL
    left, rename = moves, Path.rename

    def rename_for_a_while(path: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_for_a_while)
        if moves == 4:  # dataset, config, database, WAL: that is all of it
            begin(out, fresh=True).close()
        else:
            with pytest.raises(KeyboardInterrupt):
                begin(out, fresh=True)
    run = begin(out, fresh=again)
    assert again is False or run.journal.get("one") is None
    run.close()
    kept = [path for path in out.glob("run*.db") if holds_the_reply(path)]
    assert len(kept) == 1


def test_a_number_is_used_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(out).close()
    (out / "dataset.1").mkdir()
    run = begin(out, fresh=True)
    assert run.earlier == out / "run.2.db"
    run.close()


def test_a_folder_with_nothing_but_earlier_runs_is_still_a_runs_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(out).close()
    (out / "run.db").rename(out / "run.1.db")
    with pytest.raises(OutputError, match="holds no run"):
        Run.read(out)
    begin(out).close()


async def killed(folder: Path) -> Path:
    """The folder of a run that was killed: its one reply is in the WAL."""
    run = begin(folder / "alive")
    await run.journal.put("one", "m", REQUEST, Reply((Choice("kept"),)), True)
    shutil.copytree(folder / "alive", folder / "out")
    run.close()
    assert (folder / "out" / "run.db-wal").stat().st_size > 0
    return folder / "out"


def holds_the_reply(path: Path) -> bool:
    database = Database(path, read_only=True)
    known = SqliteJournal(database).get("one")
    database.close()
    return known is not None
