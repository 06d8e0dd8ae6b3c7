"""A run chooses its few-shot examples in each of the ways that there are, in both languages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import augcon
from augcon.errors import BudgetSpentError, SettingsError
from augcon.prompts import Library
from tests.e2e.program import call, dataset
from tests.e2e.test_run import SMALL
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

CHOICES = ["search", "first", "nearest", "bootstrapped", "none"]
SEARCH = {"answers.search_trials": 4, "answers.search_budget": 16}
ANSWERS = {
    "en": "You answer questions for people",
    "zh": Library().prompt("answer", "zh").told[:12],
}
GRADES = {"en": "You grade answers.", "zh": "你的任务是给回答评分"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), english_files=1, chinese_files=1)


def run(corpus: Path, out: Path, server: Simulation, **settings: object) -> augcon.Result:
    names = {key.replace("__", "."): value for key, value in settings.items()}
    quiet = {**SMALL, **SEARCH, "scorer.kind": "heuristic"}
    return augcon.run(corpus, out, model=MODEL, base_url=server.url, settings={**quiet, **names})


def bodies(server: Simulation, phrase: str) -> list[dict[str, object]]:
    return [body for body in server.log.bodies if phrase in json.dumps(body, ensure_ascii=False)]


def shown(body: dict[str, object]) -> int:
    """How many examples the prompt of an answer holds."""
    return (len(body["messages"]) - 2) // 2  # type: ignore[arg-type]


def report(result: augcon.Result) -> str:
    return (result.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("choose", CHOICES)
def test_every_way_to_choose_examples_ends_in_a_dataset(
    corpus: Path, tmp_path: Path, choose: str
) -> None:
    with simulated_server() as server:
        result = run(corpus, tmp_path / "out", server, answers__choose=choose)
        for language in ("en", "zh"):
            graded = len(bodies(server, GRADES[language]))
            assert (graded > 0) is (choose in ("search", "bootstrapped"))
            assert graded <= 16
            answers = bodies(server, ANSWERS[language])
            assert len(answers) > graded
            assert {shown(body) for body in answers} == {0 if choose == "none" else 2}
    assert result.books.balanced
    assert {pair.language for pair in result} == {"en", "zh"}
    kept = sorted(path.name for path in tmp_path.glob("out/examples/*"))
    fixed = choose in ("search", "first", "bootstrapped")
    assert kept == (["en.jsonl", "zh.jsonl"] if fixed else [])
    assert "The books balance." in report(result)


def test_the_report_tells_what_was_chosen_at_what_cost(corpus: Path, tmp_path: Path) -> None:
    with simulated_server() as server:
        result = run(corpus, tmp_path / "out", server)
        # An answer that two sets give alike is graded once.
        asked = {name: 16 + len(bodies(server, GRADES[name])) for name in GRADES}
    page = report(result)
    for language, calls in asked.items():
        assert f"<b>{language}</b>: 2 examples, the best of 4 sets of 8 annotated ones" in page
        assert f"Choosing took {calls:,} calls" in page
    assert page.count("<svg") == 2
    assert "abandoned after round 1" in page


def test_another_run_takes_the_examples_that_were_found_without_a_search(
    corpus: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    with simulated_server() as server:
        found = run(corpus, tmp_path / "found", server)
        files = sorted((found.folder / "examples").glob("*.jsonl"))
        mine.write_text("".join(path.read_text("utf-8") for path in files), "utf-8")
        before = len(server.log.bodies)
        taken = {"answers__choose": "first", "answers__examples": str(mine)}
        again = run(corpus, tmp_path / "again", server, **taken)
        asked = server.log.bodies[before:]
    assert dataset(again.folder) == dataset(found.folder)
    assert not any(GRADES["en"] in json.dumps(body) for body in asked)
    for path in files:
        assert (again.folder / "examples" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("choose", ["search", "bootstrapped", "nearest"])
@pytest.mark.parametrize("budget", [5, 20, 45])
def test_a_run_that_is_stopped_while_it_chooses_goes_on_to_the_same_end(
    corpus: Path, tmp_path: Path, choose: str, budget: int
) -> None:
    with simulated_server(Faults(delay=0.001)) as server:
        whole = run(corpus, tmp_path / "whole", server, answers__choose=choose)
        needed = len(server.log.bodies)
        with pytest.raises(BudgetSpentError):
            run(corpus, tmp_path / "out", server, answers__choose=choose, budget__calls=budget)
        again = run(corpus, tmp_path / "out", server, answers__choose=choose)
        asked = server.log.bodies[needed:]
    assert dataset(again.folder) == dataset(whole.folder)
    texts = [json.dumps(body, sort_keys=True) for body in asked]
    assert len(texts) == len(set(texts))
    assert (
        report(again).split("Choosing took")[1][:40] == report(whole).split("Choosing took")[1][:40]
    )


def test_nearest_without_embeddings_is_refused_before_anything_is_asked(
    corpus: Path, tmp_path: Path
) -> None:
    nearest = {"answers.choose": "nearest"}
    with simulated_server(Faults(embeddings=False)) as server:
        with pytest.raises(SettingsError, match=r"nearest.*embeddings.*serves none"):
            run(corpus, tmp_path / "out", server, answers__choose="nearest", tree__split="rewrite")
        with pytest.raises(SettingsError, match=r"nearest.*embeddings.*serves none"):
            augcon.plan(corpus, model=MODEL, base_url=server.url, settings=nearest)
        asked = [json.dumps(body) for body in server.log.bodies]
        checks = augcon.doctor(model=MODEL, base_url=server.url, settings=nearest)
        without = augcon.doctor(model=MODEL, base_url=server.url)
    assert not any("question" in body for body in asked)
    assert [check.ok for check in checks if check.what == "examples"] == [False]
    assert [check for check in without if check.what == "examples"] == []
    with simulated_server() as server:
        checks = augcon.doctor(model=MODEL, base_url=server.url, settings=nearest)
        planned = augcon.plan(corpus, model=MODEL, base_url=server.url, settings=nearest)
    assert [check.ok for check in checks if check.what == "examples"] == [True]
    assert planned.pairs > 0


def test_a_finished_run_chooses_nothing_again(corpus: Path, tmp_path: Path) -> None:
    with simulated_server() as server:
        run(corpus, tmp_path / "out", server)
        before = len(server.log.bodies)
        run(corpus, tmp_path / "out", server)
        assert len(server.log.bodies) == before


def test_a_model_that_never_grades_leaves_the_first_set(corpus: Path, tmp_path: Path) -> None:
    """Every grade is the worst, so that no set is better than another."""
    with simulated_server(Faults(garbage_for="磨坊咖啡")) as server:
        examples = tmp_path / "mine.jsonl"
        rows = [
            {"context": f"磨坊咖啡{n}号。", "question": f"{n}号？", "answer": "好。"}
            for n in range(6)
        ]
        examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
        result = run(corpus, tmp_path / "out", server, answers__examples=str(examples))
    found = (result.folder / "examples" / "zh.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["question"] for line in found] == ["0号？", "1号？"]
    assert "no other set was found to be better" in report(result)


def settings_file(folder: Path, answers: str) -> Path:
    path = folder / "augcon.toml"
    path.write_text(
        '[tree]\nmax_units = 150\nmax_passes = 1\n[scorer]\nkind = "heuristic"\n'
        f"[answers]\n{answers}\n",
        encoding="utf-8",
    )
    return path


def started(
    corpus: Path, folder: Path, server: Simulation, answers: str
) -> subprocess.CompletedProcess[str]:
    config = settings_file(folder, answers)
    where = ["--base-url", server.url, "--model", MODEL]
    return call("run", corpus, "-o", folder / "out", "--config", config, *where)


@pytest.mark.parametrize(
    ("written", "answers", "said"),
    [
        (0, 'examples = "mine.jsonl"', "answers are asked for without examples (zero-shot)"),
        (2, 'examples = "mine.jsonl"', "only 2 annotated, too few to search (it takes 4): all of"),
        (9, 'choose = "none"', 'answers.choose = "none": answers are asked for without'),
        (9, "shots = 0", "answers.shots = 0: answers are asked for without examples (zero-shot)"),
    ],
)
def test_what_is_not_as_the_settings_ask_is_said_on_the_terminal_and_in_the_report(
    corpus: Path, tmp_path: Path, written: int, answers: str, said: str
) -> None:
    rows = [{"context": f"c{n}", "question": f"q{n}?", "answer": "a"} for n in range(written)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with simulated_server() as server:
        ended = started(corpus, tmp_path, server, answers)
    assert ended.returncode == 0, ended.stderr
    assert "augcon: few-shot examples (en): " in ended.stderr
    assert "augcon: few-shot examples (zh): " in ended.stderr
    assert said in " ".join(ended.stderr.split())
    page = (tmp_path / "out" / "report.html").read_text("utf-8").replace("&quot;", '"')
    assert said[1:40] in page


def test_nearest_examples_at_a_server_without_embeddings_stop_the_run_with_one_line(
    corpus: Path, tmp_path: Path
) -> None:
    with simulated_server(Faults(embeddings=False)) as server:
        ended = started(corpus, tmp_path, server, 'choose = "nearest"')
        with pytest.raises(SettingsError):
            run(corpus, tmp_path / "api", server, answers__choose="nearest")
    assert ended.returncode == 2
    *_, line = ended.stderr.splitlines()  # the progress before it, where the machine is busy
    assert 'augcon: answers.choose = "nearest" needs embeddings' in line


def test_fresh_sets_the_examples_aside_with_their_run(corpus: Path, tmp_path: Path) -> None:
    quiet = {**SMALL, **SEARCH, "scorer.kind": "heuristic"}
    with simulated_server() as server:
        run(corpus, tmp_path / "out", server)
        settings = {**quiet, "answers.choose": "none"}
        augcon.run(
            corpus,
            tmp_path / "out",
            model=MODEL,
            base_url=server.url,
            settings=settings,
            fresh=True,
        )
    assert (tmp_path / "out" / "examples.1" / "en.jsonl").is_file()
    assert not (tmp_path / "out" / "examples").exists()
