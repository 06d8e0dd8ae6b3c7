from __future__ import annotations

import json
import socket
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from augcon.cli import main
from augcon.llm import call as call_path
from tests.e2e.program import at, call, dataset, rows, small_settings
from tests.simulated_server import KEY, MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import chinese, english, write_corpus


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """The entry point, called in this process; the tests of resuming start real ones."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["augcon", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        return Ended(0 if code is None else int(code), out, err)

    return invoke


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "valley.txt").write_text(english(1, 12), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, made by a process of its own."""
    folder = tmp_path_factory.mktemp("done")
    out = folder / "out"
    ended = call("run", corpus, "-o", out, *at(server), "--config", small_settings(folder))
    assert ended.returncode == 0, ended.stderr
    return out


def complaint(ended: Ended, code: int) -> str:
    """The one line that a command left with."""
    assert "Traceback" not in ended.err
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("augcon: ")
    assert ended.code == code
    assert ended.out == ""
    return lines[0]


def test_a_real_process_says_one_line_too(tmp_path: Path) -> None:
    ended = call("run", tmp_path / "nowhere", "-o", tmp_path / "out")
    line = complaint(Ended(ended.returncode, ended.stdout, ended.stderr), 2)
    assert line == f"augcon: {tmp_path / 'nowhere'}: no such file or folder"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.txt", b"", "1 empty"),
        ("binary.txt", bytes(range(256)) * 4, "1 not_text"),
        ("words.txt", b"no sentence in here", "1 no_whole_sentence"),
        ("table.xlsx", b"PK", "1 unsupported_format"),
    ],
)
def test_a_file_that_cannot_be_used_is_the_users_mistake(
    cli: Cli, server: Simulation, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    line = complaint(cli("run", path, "-o", tmp_path / "out", *at(server)), 2)
    assert str(path) in line
    assert reason in line
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_the_users_mistake(cli: Cli, server: Simulation, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    line = complaint(cli("run", tmp_path / "corpus", "-o", tmp_path / "out", *at(server)), 2)
    assert "holds no files" in line


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[tree]\nmin_unit = 20\n", "did you mean 'tree.min_units'?"),
        ("[tree]\nmin_units = 500\n", "must be below max_units"),
        ("[selection]\nunits_per_pair = -1\n", "selection.units_per_pair"),
        ("[tree]\nmin_units = 'many'\n", "tree.min_units"),
        ("[tree\n", "not a settings file"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(
    cli: Cli, server: Simulation, corpus: Path, tmp_path: Path, toml: str, said: str
) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(toml)
    arguments = ["run", corpus, "-o", tmp_path / "out", *at(server), "--config", config]
    line = complaint(cli(*arguments), 2)
    assert said in line
    assert str(config) in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"context": "c", "question": "q"}', "line 1: an annotated example needs a text 'answer'"),
        ("\n\nnot json", "line 3: not a line of JSON"),
        ("[]", "line 1: not a JSON object"),
    ],
)
def test_a_wrong_annotated_example_is_named_with_its_line(
    cli: Cli, server: Simulation, corpus: Path, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "mine.jsonl").write_text(content)
    config = tmp_path / "augcon.toml"
    config.write_text('[answers]\nexamples = "mine.jsonl"\n')
    arguments = ["run", corpus, "-o", tmp_path / "out", *at(server), "--config", config]
    line = complaint(cli(*arguments), 2)
    assert said in line
    assert "mine.jsonl" in line


def test_a_folder_of_another_corpus_is_refused(
    cli: Cli, server: Simulation, done: Path, tmp_path: Path
) -> None:
    other = write_corpus(tmp_path / "other", 1, 0)
    config = done.parent / "small.toml"
    line = complaint(cli("run", other, "-o", done, *at(server), "--config", config), 2)
    assert "another corpus" in line


def test_a_folder_of_other_settings_is_refused_and_the_settings_are_named(
    cli: Cli, server: Simulation, corpus: Path, done: Path
) -> None:
    config = done.parent / "small.toml"
    arguments = ["run", corpus, "-o", done, *at(server), "--config", config, "--seed", 5]
    line = complaint(cli(*arguments), 2)
    assert "seed: 0 then, 5 now" in line


def test_a_server_that_is_not_there_stops_the_run(
    cli: Cli, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_path, "BACKOFF_SECONDS", 0.01)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        arguments = ["run", corpus, "-o", tmp_path / "out", "--base-url", url, "--model", MODEL]
        line = complaint(cli(*arguments, "--quiet"), 1)
    assert f"cannot reach {url}" in line


def test_a_wrong_key_stops_the_run_and_is_not_shown(
    cli: Cli, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-4711")
    with simulated_server(Faults(key=KEY)) as guarded:
        arguments = ["run", corpus, "-o", tmp_path / "out", *at(guarded), "--quiet"]
        line = complaint(cli(*arguments), 2)
    assert "the API key was refused: check OPENAI_API_KEY" in line
    assert "4711" not in line


@pytest.mark.parametrize("key", ["sk\nright", "密钥"])
def test_a_key_that_no_header_can_carry_is_said_to_be_one(
    cli: Cli,
    server: Simulation,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    line = complaint(cli("run", corpus, "-o", tmp_path / "out", *at(server), "-q"), 2)
    assert "OPENAI_API_KEY: holds a character" in line
    assert key not in line


def test_a_key_file_that_is_no_text_is_said_to_be_none(
    cli: Cli, server: Simulation, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(b"OPENAI_API_KEY=\xb2\xff")
    line = complaint(cli("run", corpus, "-o", tmp_path / "out", *at(server), "-q"), 2)
    assert ".env: is not a UTF-8 text file" in line


def test_a_run_in_which_everything_fails_says_so(cli: Cli, corpus: Path, tmp_path: Path) -> None:
    with simulated_server(Faults(garbage=1.0)) as broken:
        out = tmp_path / "out"
        line = complaint(cli("run", corpus, "-o", out, *at(broken), "-q", "--limit", 1), 1)
    assert "not one pair" in line
    assert "unusable_reply" in line


def test_an_empty_path_is_not_the_working_folder(
    cli: Cli, server: Simulation, tmp_path: Path
) -> None:
    line = complaint(cli("run", "", "-o", tmp_path / "out", *at(server)), 2)
    assert "an empty path" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "{long}"),
        ("show", "{long}"),
        ("init", "{long}"),
        ("run", "{corpus}", "-o", "{long}"),
    ],
)
def test_a_name_that_the_disk_does_not_take_is_one_line(
    cli: Cli, corpus: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    long = tmp_path / ("x" * 300)
    ended = cli(*(a.format(long=long, corpus=corpus) for a in arguments))
    assert "File name too long" in complaint(ended, 1)


def test_a_run_on_a_disk_that_cannot_be_written_can_still_be_read(
    cli: Cli, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    class ReadOnlyDisk(sqlite3.Connection):
        def execute(self, sql: str, *more: object) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("attempt to write a readonly database")

    def connect(url: str, **more: object) -> sqlite3.Connection:
        if "immutable=1" not in url:
            more["factory"] = ReadOnlyDisk
        return real(url, **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert "pairs" in cli("show", done).out


def test_an_export_is_not_written_over_the_runs_own_dataset(cli: Cli, done: Path) -> None:
    own = done / "dataset" / "train.jsonl"
    before = own.read_bytes()
    assert "the run's own dataset" in complaint(cli("export", done, "--to", own), 2)
    assert own.read_bytes() == before


def test_an_export_into_a_file_of_another_kind_is_refused(
    cli: Cli, done: Path, tmp_path: Path
) -> None:
    line = complaint(cli("export", done, "--to", tmp_path / "a.csv"), 2)
    assert "must end in .jsonl or .parquet" in line


def test_a_key_may_stand_in_a_file_beside_the_work(
    cli: Cli, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    with simulated_server(Faults(key=KEY)) as guarded:
        assert cli("doctor", *at(guarded)).code == 0


def test_an_unknown_model_stops_the_run(
    cli: Cli, server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["run", corpus, "-o", out, "--base-url", server.url, "--model", "other", "-q"]
    assert "no model 'other'" in complaint(cli(*arguments), 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "x", "-o", "y", "--colour"], "--colour"),
        (["run", "x"], "--out"),
        (["run"], "PATH"),
        (["run", "x", "-o", "y", "--limit", "0"], "--limit"),
        (["run", "x", "-o", "y", "--seed", "abc"], "--seed"),
        (["rum", "x"], "rum"),
        (["status", "nowhere"], "holds no run"),
        (["export", "nowhere"], "holds no run"),
        (["show", "nowhere"], "holds no run"),
        (["plan", "nowhere"], "no such file"),
        (["run", "x", "-o", "y", "--model", "m"], "--base-url"),
        (["run", "x", "-o", "y", "--base-url", "http://localhost:1/v1"], "--model"),
        (["run", "x", "-o", "y", "--base-url", "localhost", "--model", "m"], "http(s) URL"),
        (["plan", "x", "--config", "nowhere.toml"], "no such settings file"),
    ],
)
def test_a_command_that_cannot_be_understood_says_why(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in complaint(cli(*arguments), 2)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones(cli: Cli, done: Path) -> None:
    line = complaint(cli("export", done, "--format", "yaml"), 2)
    assert "unknown format 'yaml'" in line
    assert "sharegpt" in line


def test_an_unknown_id_is_refused(cli: Cli, done: Path) -> None:
    assert "'zzz'" in complaint(cli("show", done, "zzz"), 2)
    assert "'%'" in complaint(cli("show", done, "%"), 2)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("messages", ["messages"]),
        ("alpaca", ["instruction", "input", "output"]),
        ("sharegpt", ["conversations"]),
        ("prompt-completion", ["prompt", "completion"]),
    ],
)
def test_every_format_has_a_line_for_every_pair(
    cli: Cli, done: Path, tmp_path: Path, name: str, keys: list[str]
) -> None:
    target = tmp_path / "exported.jsonl"
    ended = cli("export", done, "--format", name, "--to", target)
    assert (ended.code, ended.err) == (0, "")
    pairs = rows(done)
    assert ended.out == f"{len(pairs)} pairs: {target}\n"
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [list(line) for line in lines] == [keys] * len(pairs)
    for line, pair in zip(lines, pairs, strict=True):
        text = json.dumps(line, ensure_ascii=False)
        assert json.dumps(pair["question"], ensure_ascii=False) in text
        assert json.dumps(pair["answer"], ensure_ascii=False) in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "messages", "--turns", "3"], "for the format 'conversations'"),
        (["--format", "conversations", "--turns", "0"], "greater than or equal to 1"),
    ],
)
def test_turns_that_make_no_sense_are_refused(
    cli: Cli, done: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    target = tmp_path / "exported.jsonl"
    ended = cli("export", done, *arguments, "--to", target)
    assert ended.code == 2
    assert said in ended.err
    assert not target.exists()


def test_the_full_record_is_exported_as_the_dataset_is(cli: Cli, done: Path) -> None:
    assert cli("export", done, "--format", "augcon").code == 0
    assert (done / "dataset" / "augcon.jsonl").read_bytes() == dataset(done)


def test_parquet_without_its_library_names_the_command_that_installs_it(
    cli: Cli, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    line = complaint(cli("export", done, "--to", tmp_path / "a.parquet"), 2)
    assert "pip install pyarrow" in line


def test_status_shows_the_books(cli: Cli, done: Path) -> None:
    ended = cli("status", done)
    assert (ended.code, ended.err) == (0, "")
    for stage in ("documents", "contexts", "nodes", "splits", "questions", "answers"):
        assert f"\n{stage} " in f"\n{ended.out}"
    assert f"finished; {len(rows(done))} pairs" in ended.out


def test_status_as_json_is_json(cli: Cli, done: Path) -> None:
    told = json.loads(cli("status", done, "--json").out)
    assert told["balanced"] is True
    assert told["pairs"] == len(rows(done))
    assert 0 < told["journal_bytes"] < told["database_bytes"]
    assert told["database_bytes"] == (done / "run.db").stat().st_size


def test_status_and_report_say_how_much_room_the_run_takes(cli: Cli, done: Path) -> None:
    told = json.loads(cli("status", done, "--json").out)
    journal, database = (told[f"{name}_bytes"] / 1e6 for name in ("journal", "database"))
    assert f"journal {journal:.1f} MB, database {database:.1f} MB" in cli("status", done).out
    report = (done / "report.html").read_text(encoding="utf-8")
    assert f"the journal of replies takes {journal:.1f} MB" in report


def test_status_shows_what_was_predicted_beside_what_was_made(cli: Cli, done: Path) -> None:
    lines = [line.split() for line in cli("status", done).out.splitlines()]
    assert ["forecast", "predicted", "so", "far", "expected"] in lines
    made = json.loads(cli("status", done, "--json").out)
    calls = next(line for line in lines if line[:1] == ["calls"])
    assert calls[2] == calls[3] == str(made["calls"])
    forecast = made["forecast"]
    assert forecast["predicted"]["calls"] == int(calls[1])
    assert forecast["predicted"]["calls"] == pytest.approx(made["calls"], rel=0.35)
    assert forecast["so_far"] == forecast["expected"]
    assert "<th class='n'>predicted</th><th class='n'>made</th></tr>" in (
        done / "report.html"
    ).read_text(encoding="utf-8")


def test_status_says_nothing_of_a_forecast_that_the_folder_does_not_hold(
    cli: Cli, done: Path, tmp_path: Path
) -> None:
    for name in ("run.db", "config.toml"):
        (tmp_path / name).write_bytes((done / name).read_bytes())
    with sqlite3.connect(tmp_path / "run.db") as database:
        database.execute("DELETE FROM meta WHERE key = 'forecast'")
    database.close()
    assert "predicted" not in cli("status", tmp_path).out
    assert "forecast" not in json.loads(cli("status", tmp_path, "--json").out)


def test_status_says_how_many_annotated_examples_something_is_wrong_with(
    cli: Cli, done: Path, tmp_path: Path
) -> None:
    for name in ("run.db", "config.toml"):
        (tmp_path / name).write_bytes((done / name).read_bytes())
    assert "annotated examples" not in cli("status", tmp_path).out
    found = {"en": [{"id": "a"}, {"id": "a"}], "zh": [{"id": "b"}]}
    with sqlite3.connect(tmp_path / "run.db") as database:
        for language, some in found.items():
            step = (language, f"audit-{language}", json.dumps({"examples": 2, "found": some}))
            database.execute("INSERT INTO steps VALUES (?, ?, ?)", step)
    database.close()
    ended = cli("status", tmp_path)
    assert ended.code == 0
    assert "WARNING: something is wrong with 2 annotated examples" in ended.out
    assert str(tmp_path / "report.html") in "".join(ended.out.split("\n"))


def test_status_of_a_run_under_way_says_what_it_will_come_to(
    cli: Cli, server: Simulation, corpus: Path, done: Path, tmp_path: Path
) -> None:
    config, out = done.parent / "small.toml", tmp_path / "out"
    ended = cli(
        *("run", corpus, "-o", out, *at(server), "--config", config, "-q", "--budget", "60 calls")
    )
    assert ended.code == 1
    forecast = json.loads(cli("status", out, "--json").out)["forecast"]
    assert forecast["so_far"]["calls"] <= 60 < forecast["expected"]["calls"]
    assert "<th class='n'>expected</th>" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", ["nodes", "questions", "answers", "contexts", "documents"])
def test_status_fails_loudly_where_something_was_lost(
    cli: Cli, done: Path, tmp_path: Path, table: str
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("run.db", "config.toml"):
        (damaged / name).write_bytes((done / name).read_bytes())
    with sqlite3.connect(damaged / "run.db") as database:
        key = "root_id, id" if table in ("nodes", "questions") else "rowid"
        key = "root_id, question_id" if table == "answers" else key
        database.execute(
            f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT 1)"
        )
    database.close()
    ended = cli("status", damaged)
    assert ended.code == 1
    assert "the books do NOT balance" in ended.err
    assert json.loads(cli("status", damaged, "--json").out)["balanced"] is False


def test_show_leads_from_the_roots_to_a_tree_and_to_a_pair_with_its_source(
    cli: Cli, corpus: Path, done: Path
) -> None:
    pair = rows(done)[0]
    root = pair["meta"]["root_id"]  # type: ignore[index]
    assert root in cli("show", done).out
    tree = cli("show", done, root[:8]).out
    assert f"? {pair['question']}" in tree
    shown = cli("show", done, pair["id"]).out
    source = pair["source"]
    text = (corpus / "valley.txt").read_text()[source["start"] : source["end"]]  # type: ignore[index]
    for part in (pair["question"], pair["answer"], text, root):
        assert part in shown


def test_a_plan_without_probes_asks_nothing(cli: Cli, server: Simulation, corpus: Path) -> None:
    asked = len(server.log.bodies)
    ended = cli("plan", corpus, *at(server), "--probes", 0)
    assert ended.code == 0
    assert "root contexts" in ended.out
    assert "nothing was asked" in ended.out
    told = json.loads(cli("plan", corpus, *at(server), "--probes", 0, "--json").out)
    assert told["documents"] == 1
    assert told["calls"] > 0
    assert told["cost"] is None
    assert len(server.log.bodies) == asked


def test_a_plan_says_what_its_probes_took_and_how_far_a_budget_goes(
    cli: Cli, server: Simulation, corpus: Path
) -> None:
    asked = len(server.log.bodies)
    ended = cli("plan", corpus, *at(server), "--probes", 1, "--budget", "100 calls")
    assert ended.code == 0
    assert len(server.log.bodies) == asked + 5
    assert "1 root contexts: 5 calls" in ended.out
    assert "minutes at 8, " in ended.out
    assert "budget         goes as far as" in ended.out
    told = json.loads(cli("plan", corpus, *at(server), "--concurrency", 5, "--json").out)
    assert list(told["minutes_by_calls"]) == ["5"]
    assert told["probes"]["calls"] == 5
    assert told["reach"] is None


def test_a_plan_at_a_server_that_is_not_there_is_one_line_and_needs_none_without_probes(
    cli: Cli, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_path, "BACKOFF_SECONDS", 0.01)
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        arguments = ["plan", corpus, "--base-url", url, "--model", MODEL]
        assert f"cannot reach {url}" in complaint(cli(*arguments), 1)
        assert cli(*arguments, "--probes", 0).code == 0


def test_a_plan_with_a_refused_key_is_one_line(
    cli: Cli, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-4711")
    with simulated_server(Faults(key=KEY)) as guarded:
        line = complaint(cli("plan", corpus, *at(guarded)), 2)
    assert "the API key was refused" in line


def test_a_plan_for_what_the_model_cannot_read_says_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "井.txt").write_text(chinese(1, 12), encoding="utf-8")
    line = complaint(cli("plan", tmp_path), 2)
    assert "nothing would be asked" in line
    assert "reads English only; use --base-url" in line


def test_init_writes_settings_and_prompts_that_a_run_takes_as_they_are(
    cli: Cli, server: Simulation, corpus: Path, tmp_path: Path
) -> None:
    ended = cli("init", tmp_path / "mine")
    assert ended.code == 0
    written = [Path(line) for line in ended.out.splitlines()]
    assert all(path.is_file() for path in written)
    config = tmp_path / "mine" / "augcon.toml"
    assert config in written
    assert cli("plan", corpus, *at(server), "--config", config).code == 0
    line = complaint(cli("init", tmp_path / "mine"), 2)
    assert "nothing was written" in line


def test_doctor_says_what_the_server_can_do(cli: Cli, server: Simulation) -> None:
    ended = cli("doctor", *at(server))
    assert ended.code == 0
    for said in (f"{MODEL} answers", "takes JSON schemas", f"serves {MODEL}"):
        assert said in ended.out
    checks = json.loads(cli("doctor", *at(server), "--json").out)
    assert all(set(check) == {"what", "ok", "detail", "needed"} for check in checks)


def test_doctor_fails_where_no_run_could_start(cli: Cli) -> None:
    with simulated_server(Faults(key=KEY)) as guarded:
        ended = cli("doctor", *at(guarded))
    assert ended.code == 1
    assert "BAD   model" in ended.out


def test_run_as_json_prints_json_alone(
    cli: Cli, server: Simulation, corpus: Path, done: Path
) -> None:
    config = done.parent / "small.toml"
    ended = cli("run", corpus, "-o", done, *at(server), "--config", config, "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["dataset"] == str(done / "dataset" / "train.jsonl")
    assert told["balanced"] is True


def test_a_quiet_run_prints_nothing(
    cli: Cli, server: Simulation, corpus: Path, done: Path, tmp_path: Path
) -> None:
    config = done.parent / "small.toml"
    ended = cli("run", corpus, "-o", tmp_path / "out", *at(server), "--config", config, "--quiet")
    assert ended == Ended(0, "", "")
    assert dataset(tmp_path / "out") == dataset(done)


def test_progress_is_plain_lines_where_there_is_no_terminal(
    cli: Cli, corpus: Path, done: Path, tmp_path: Path
) -> None:
    config = done.parent / "small.toml"
    with simulated_server(Faults(delay=0.03)) as slow:
        ended = cli("run", corpus, "-o", tmp_path / "out", *at(slow), "--config", config)
    assert ended.code == 0
    assert "\x1b" not in ended.err + ended.out
    lines = ended.err.splitlines()
    assert any(line.startswith("step fitting the scorer on a pilot, contexts") for line in lines)
    assert "report: " in ended.out
    assert f"{len(rows(done))} pairs: " in ended.out


def test_the_snapshot_of_a_run_starts_the_same_run(
    cli: Cli, server: Simulation, corpus: Path, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert tomllib.loads((done / "config.toml").read_text())["model"]["name"] == MODEL
    assert cli("run", corpus, "-o", out, "--config", done / "config.toml", "-q").code == 0
    assert dataset(out) == dataset(done)
