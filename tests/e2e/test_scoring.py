from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

import augcon
from augcon.errors import (
    BudgetSpentError,
    CorpusError,
    ModelError,
    OutputError,
    ScorerError,
    SettingsError,
)
from augcon.llm import call as call_path
from augcon.scorer import HeuristicScorer, Item, fingerprint
from tests.e2e.program import at, call, dataset, started, wait_until
from tests.simulated_server import MODEL, Faults, Simulation, simulated_server
from tests.small_corpora import chinese, english, write_corpus

SMALL = {
    "tree.max_units": 150,
    "tree.max_passes": 1,
    "scorer.kind": "linear",
    "scorer.pairs": 12,
    "answers.choose": "first",
}
LINES = 200


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def fitted(server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has fitted a linear scorer."""
    out = tmp_path_factory.mktemp("fitted") / "out"
    augcon.run(corpus, out, model=MODEL, base_url=server.url, settings=SMALL)
    return out


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of many questions in both languages, no two alike."""
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    contexts = [english(1, 4), chinese(2, 4)]
    asked = [f"What about {{}} in the {n}th year?" for n in range(LINES)]
    rows = [
        {"id": n, "context": contexts[n % 2], "question": text.format("桥" if n % 2 else "it")}
        for n, text in enumerate(asked)
    ]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, object]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def test_a_saved_scorer_gives_a_runs_questions_the_very_scores_of_the_run(
    fitted: Path, server: Simulation, tmp_path: Path
) -> None:
    dataset_path = augcon.open(fitted).dataset_path
    scored = augcon.score(
        dataset_path,
        tmp_path / "again.jsonl",
        scorer=fitted / "scorer",
        model=MODEL,
        base_url=server.url,
        key="again",
    )
    rows = rows_of(scored.path)
    assert len(rows) == scored.scored > 20
    assert all(row["again"] == row["score"] for row in rows)
    assert len({row["again"] for row in rows}) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["again.jsonl"]


def test_the_command_adds_a_score_to_every_line_and_leaves_the_rest_as_it_was(
    server: Simulation, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scored" / "out.jsonl"
    ended = call("score", questions, "-o", out, "--kind", "judge", *at(server), "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["scored"], told["unscored"], told["out"]) == (LINES, 0, str(out))
    assert told["calls"] >= LINES
    before = questions.read_text(encoding="utf-8").splitlines()
    for line, row, was in zip(
        out.read_text(encoding="utf-8").splitlines(), rows_of(out), before, strict=True
    ):
        assert list(row) == ["id", "context", "question", "score"]
        assert line.startswith(was.removesuffix("}"))
        assert 1 <= row["score"] <= 5  # type: ignore[operator]
    assert any(row["score"] % 1 for row in rows_of(out))  # type: ignore[operator]
    again = call("score", questions, "-o", out, "--kind", "judge", *at(server))
    assert (again.returncode, again.stderr) == (
        2,
        f"augcon: {out}: is there already; choose another file with -o\n",
    )


KEYS = st.text(min_size=1).filter(
    lambda k: k not in ("context", "question", "score", "score_error")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@trying(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn=st.lists(
        st.tuples(
            st.dictionaries(KEYS, VALUES, max_size=3),
            st.text(min_size=1).filter(str.strip),
            st.text(min_size=1).filter(str.strip),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_whatever_a_line_holds_besides_stays_as_it_was_written(
    drawn: list[tuple[dict[str, object], str, str, bool]],
    end: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    lines = [
        json.dumps({**more, "context": context, "question": question}, ensure_ascii=escaped)
        for more, context, question, escaped in drawn
    ]
    raw = end.join(lines).encode("utf-8", "backslashreplace")
    (folder / "in.jsonl").write_bytes(raw)
    scored = augcon.score(folder / "in.jsonl", folder / "out.jsonl", kind="heuristic")
    written = scored.path.read_bytes().split(b"\n")[:-1]
    read = [line.strip() for line in raw.split(b"\n") if line.strip()]
    assert len(written) == len(read) == scored.scored
    for line, was in zip(written, read, strict=True):
        row = json.loads(line)
        assert line.startswith(was.removesuffix(b"}").rstrip())
        assert {k: v for k, v in row.items() if k != "score"} == json.loads(was)


def test_a_line_that_cannot_be_scored_has_null_and_why(server: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    asked = ["Who built it?", "Who is Xyzzy?", "Who paid?"]
    path.write_text("".join(f'{{"context": "The mill.", "question": "{q}"}}\n' for q in asked))
    with simulated_server(Faults(refuse_for="Xyzzy")) as careful:
        ended = call("score", path, "-o", tmp_path / "out.jsonl", "--kind", "judge", *at(careful))
    assert ended.returncode == 0
    assert "2 questions scored" in ended.stdout
    assert "augcon: 1 have no score; `score_error` says why" in ended.stderr
    rows = rows_of(tmp_path / "out.jsonl")
    assert [row["question"] for row in rows] == asked
    assert [row["score"] is None for row in rows] == [False, True, False]
    assert str(rows[1]["score_error"]).startswith("request_refused: ")
    assert "score_error" not in rows[0]


@pytest.mark.parametrize("kind", ["judge", "heuristic", "random", "linear"])
def test_half_a_character_in_a_line_costs_nothing(
    kind: str, server: Simulation, fitted: Path, tmp_path: Path
) -> None:
    """JSON may escape one half of a character that no text in UTF-8 can hold."""
    lines = [
        '{"context": "\\ud800 The mill of Harwick.", "question": "Who built \\udfff it?"}',
        '{"context": "青石镇的石桥。\\ud83d", "question": "谁修的\\ud800？"}',
        '{"context": "The mill.", "question": "\\ud800"}',
        '{"context": "The mill.", "question": "Who built it \\ud83d\\ude00?"}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    chosen = {"scorer": fitted / "scorer"} if kind == "linear" else {"kind": kind}
    scored = augcon.score(
        *(tmp_path / "in.jsonl", tmp_path / "out.jsonl"),
        **chosen,
        model=MODEL,
        base_url=server.url,
    )
    assert (scored.scored, scored.unscored) == (len(lines), 0)
    written = scored.path.read_text(encoding="utf-8").splitlines()
    assert all(
        now.startswith(was.removesuffix("}")) for now, was in zip(written, lines, strict=True)
    )


def test_a_file_whose_name_is_no_utf_8_is_scored_and_known_again(
    server: Simulation, tmp_path: Path
) -> None:
    lines = [json.dumps({"context": "The mill.", "question": f"Who built {n}?"}) for n in range(9)]
    one, two = (Path(os.fsdecode(bytes(tmp_path) + f)) for f in (b"/\xff.jsonl", b"/\xfe.jsonl"))
    for path in (one, two):
        path.write_text("\n".join(lines))

    def score(path: Path, calls: int) -> augcon.Scored:
        return augcon.score(
            *(path, tmp_path / "out.jsonl"),
            kind="judge",
            model=MODEL,
            base_url=server.url,
            settings={"budget.calls": calls},
        )

    with pytest.raises(BudgetSpentError):
        score(one, 5)
    with pytest.raises(OutputError, match=r"replies about .*udcff\.jsonl"):
        score(two, 20)
    assert score(one, 20).scored == len(lines)


def test_a_file_of_which_nothing_can_be_scored_ends_with_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"context": "The mill.", "question": "Who is Xyzzy?"}\n')
    with simulated_server(Faults(refuse_for="Xyzzy")) as careful:
        ended = call("score", path, "-o", tmp_path / "out.jsonl", "--kind", "judge", *at(careful))
    assert ended.returncode == 1
    assert rows_of(tmp_path / "out.jsonl")[0]["score"] is None


GOOD = '{"context": "c", "question": "q"}\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no line"),
        ("\n \n", "holds no line"),
        (GOOD + "{", "line 2: not a line of JSON"),
        (GOOD + "\n[1]", "line 3: not a JSON object"),
        ('{"context": "c"}', "line 1: needs a text 'question'"),
        ('{"context": " ", "question": "q"}', "line 1: needs a text 'context'"),
        ('{"context": "c", "question": 7}', "line 1: needs a text 'question'"),
        ('{"context": "c", "question": "q", "score": 1}', "line 1: has a 'score' already"),
        ('{"context": "c", "question": "q", "score_error": ""}', "has a 'score_error' already"),
        ("[" * 100_000, "line 1: not a line of JSON"),
        ("\x00", "line 1: not a line of JSON"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_before_anything_is_asked(
    text: str, told: str, server: Simulation, tmp_path: Path
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(text, encoding="utf-8")
    asked = server.log.requests
    with pytest.raises(CorpusError, match=told) as refusal:
        augcon.score(path, tmp_path / "out.jsonl", kind="judge", model=MODEL, base_url=server.url)
    assert "\n" not in str(refusal.value)
    assert server.log.requests == asked
    assert [each.name for each in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_byte_order_mark_is_no_part_of_the_first_line_and_other_encodings_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    scored = augcon.score(path, tmp_path / "out.jsonl", kind="heuristic")
    assert scored.path.read_bytes().startswith(b'{"context"')
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(CorpusError, match="line 1: not UTF-8 text"):
        augcon.score(path, tmp_path / "other.jsonl", kind="heuristic")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no.jsonl", "-o", "x.jsonl", "--kind", "random"], "no.jsonl: no such file"),
        ([".", "-o", "x.jsonl", "--kind", "random"], ".: Is a directory"),
        (["in.jsonl", "-o", "in.jsonl", "--kind", "random"], "is the file that is read"),
        (["in.jsonl", "-o", ".", "--kind", "random"], "is a folder; -o takes a file"),
        (["in.jsonl", "-o", "x.jsonl"], "give a saved scorer"),
        (["in.jsonl", "-o", "x.jsonl", "--kind", "linear"], "give a saved scorer"),
        (["in.jsonl", "-o", "x.jsonl", "--kind", "best"], "scorer.kind: Input should be"),
        (["in.jsonl", "-o", "x.jsonl", "--scorer", "no"], "no: no such folder of a scorer"),
        (["in.jsonl", "-o", "x.jsonl", "--scorer", "."], "holds no scorer"),
        (
            ["in.jsonl", "-o", "x.jsonl", "--scorer", ".", "--kind", "random"],
            "give a saved scorer or a kind, not both",
        ),
        (["in.jsonl", "-o", "x.jsonl", "--kind", "random", "--key", ""], "needs a name"),
    ],
)
def test_what_only_the_user_can_mend_is_one_line_and_exit_code_2(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text(GOOD)
    ended = call("score", *arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("augcon: ")
    assert told in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_the_settings_of_a_run_that_trains_will_do_to_score_with_another_scorer(
    tmp_path: Path,
) -> None:
    (tmp_path / "in.jsonl").write_text(GOOD)
    config = tmp_path / "augcon.toml"
    config.write_text('[scorer]\nkind = "lora"\nbase = "some/model"\nepochs = 2\n')
    HeuristicScorer().save(tmp_path)
    for number, chosen in enumerate(({"kind": "heuristic"}, {"scorer": tmp_path})):
        out = tmp_path / f"{number}.jsonl"
        assert augcon.score(tmp_path / "in.jsonl", out, config=config, **chosen).scored == 1


def test_a_scorer_of_a_servers_model_says_so_before_the_embedded_model_is_fetched(
    fitted: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGCON_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ScorerError, match=rf"goes with the model '{MODEL}'.*--base-url"):
        augcon.score(questions, tmp_path / "out.jsonl", scorer=fitted / "scorer")
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_another_model_and_a_server_without_embeddings_are_told(
    fitted: Path, questions: Path, tmp_path: Path
) -> None:
    scorer, out = fitted / "scorer", tmp_path / "out.jsonl"
    with (
        simulated_server(Faults(embeddings=False)) as plain,
        pytest.raises(ScorerError, match="no embeddings are served here"),
    ):
        augcon.score(questions, out, scorer=scorer, model=MODEL, base_url=plain.url)
    facts = json.loads((scorer / "scorer.json").read_text(encoding="utf-8"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "weights.npz").write_bytes((scorer / "weights.npz").read_bytes())
    (other / "scorer.json").write_text(json.dumps({**facts, "base": "another-7b"}))
    with (
        simulated_server() as server,
        pytest.raises(ScorerError, match=f"hidden states of 'another-7b', not of '{MODEL}'"),
    ):
        augcon.score(questions, out, scorer=other, model=MODEL, base_url=server.url)
    assert not out.exists()


def test_a_linear_scorer_asks_a_server_for_nothing_but_embeddings(
    fitted: Path, questions: Path, tmp_path: Path
) -> None:
    with simulated_server() as server:
        out = tmp_path / "out.jsonl"
        augcon.score(questions, out, scorer=fitted / "scorer", model=MODEL, base_url=server.url)
        assert {tuple(sorted(body)) for body in server.log.bodies} == {("input", "model")}
        assert server.log.repeated() == 0


@pytest.mark.parametrize("faults", [Faults(refuse_logprobs=True), Faults(ignore_logprobs=True)])
def test_a_server_that_tells_no_log_probabilities_gives_whole_digits(
    faults: Faults, questions: Path, tmp_path: Path
) -> None:
    with simulated_server(faults) as server:
        scored = augcon.score(
            questions, tmp_path / "out.jsonl", kind="judge", model=MODEL, base_url=server.url
        )
    assert scored.scored == LINES
    assert {row["score"] for row in rows_of(scored.path)} == {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_scoring_that_was_stopped_goes_on_and_asks_nothing_twice(
    number: signal.Signals, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    arguments = ["score", questions, "-o", out, "--kind", "judge", "--concurrency", 4, "--quiet"]
    with simulated_server(Faults(delay=0.01)) as server:
        with started(*arguments, *at(server)) as process:
            wait_until(lambda: len(server.log.bodies) >= 40, process)
            process.send_signal(number)
            _, said = process.communicate(timeout=10)
        assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
        assert ("the same command goes on from it" in said) == (number is signal.SIGINT)
        assert not out.exists()
        server.faults.delay = 0.0
        ended = call(*arguments, *at(server))
        assert ended.returncode == 0, ended.stderr
        assert server.log.repeated() <= 4  # what was in flight
        with simulated_server() as another:
            whole = tmp_path / "whole.jsonl"
            assert call(*arguments[:2], "-o", whole, *arguments[4:], *at(another)).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "whole.jsonl"]


def test_replies_that_were_paid_for_another_file_are_not_thrown_away(
    questions: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out.jsonl", tmp_path / "other.jsonl"
    other.write_bytes(questions.read_bytes())
    told = ["-o", out, "--kind", "judge", "--concurrency", 4, "--quiet"]
    with simulated_server(Faults(delay=0.01)) as server:
        with started("score", questions, *told, *at(server)) as process:
            wait_until(lambda: len(server.log.bodies) >= 40, process)
            process.kill()
        ended = call("score", other, *told, *at(server))
        assert ended.returncode == 2
        assert f"replies about {questions}" in ended.stderr
        assert call("score", questions, *told, *at(server)).returncode == 0
        assert server.log.repeated() <= 4


def test_only_one_process_works_on_a_file(questions: Path, tmp_path: Path) -> None:
    arguments = ["score", questions, "-o", tmp_path / "out.jsonl", "--kind", "judge"]
    with (
        simulated_server(Faults(delay=60)) as server,
        started(*arguments, *at(server)) as process,
    ):
        wait_until(lambda: server.log.requests > 0, process)
        second = call(*arguments, *at(server))
    assert second.returncode == 2
    assert "another augcon is at work in it" in second.stderr


def test_a_budget_of_the_settings_is_kept_and_a_larger_one_goes_on(
    questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with simulated_server() as server:

        def score(calls: int) -> augcon.Scored:
            budget = {"budget.calls": calls}
            return augcon.score(
                *(questions, out),
                kind="judge",
                model=MODEL,
                base_url=server.url,
                settings=budget,
            )

        with pytest.raises(BudgetSpentError):
            score(50)
        assert server.log.answered <= 50
        assert score(LINES + 5).scored == LINES
        assert server.log.repeated() == 0


def test_a_server_that_is_gone_leaves_nothing_that_looks_whole(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_path, "BACKOFF_SECONDS", 0.001)
    with simulated_server() as server:
        url = server.url
    with pytest.raises(ModelError, match="cannot reach"):
        augcon.score(
            *(questions, tmp_path / "out.jsonl"),
            kind="judge",
            model=MODEL,
            base_url=url,
            settings={"model.patience": 0.1},
        )
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Of a file of 60 MB no more than a few batches are held."""
    import tracemalloc

    path, context = tmp_path / "in.jsonl", "The mill. " * 600
    row = json.dumps({"context": context, "question": "Who built the mill?"})
    with path.open("w") as file:
        file.writelines(f"{row}\n" for _ in range(10_000))
    tracemalloc.start()
    try:
        scored = augcon.score(path, tmp_path / "out.jsonl", kind="random")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scored.scored == 10_000
    assert most < 10_000_000


async def test_a_saved_heuristic_needs_no_model_and_scores_as_the_kind_does(
    corpus: Path, questions: Path, server: Simulation, tmp_path: Path
) -> None:
    plain = {**SMALL, "scorer.kind": "heuristic"}
    augcon.run(corpus, tmp_path / "run", model=MODEL, base_url=server.url, settings=plain)
    by_folder = augcon.score(questions, tmp_path / "a", scorer=tmp_path / "run" / "scorer")
    by_kind = augcon.score(questions, tmp_path / "b", kind="heuristic")
    assert by_folder.path.read_bytes() == by_kind.path.read_bytes()
    items = [Item(str(r["context"]), str(r["question"])) for r in rows_of(questions)]
    expected = [score.value for score in await HeuristicScorer().score(items)]
    assert [row["score"] for row in rows_of(by_kind.path)] == expected


def test_a_run_with_a_saved_scorer_asks_for_no_contrasts_and_goes_on_when_stopped(
    fitted: Path, corpus: Path, server: Simulation, tmp_path: Path
) -> None:
    scorer = tmp_path / "moved"
    (fitted / "scorer").rename(scorer)
    try:
        settings = {**SMALL, "scorer.kind": "auto", "scorer.folder": scorer}

        def run(out: str, limit: int | None = None) -> augcon.Result:
            return augcon.run(
                *(corpus, tmp_path / out),
                model=MODEL,
                base_url=server.url,
                settings=settings,
                limit=limit,
            )

        whole = run("whole")
        assert "contrasts" not in whole.books.stages
        assert "a saved scorer that ranks" in whole.books.ranking
        assert whole.books.balanced
        assert dataset(whole.folder) == dataset(fitted)  # the head that the other run has fitted
        assert fingerprint(whole.folder / "scorer") == fingerprint(scorer)
        run("parts", limit=2)
        scorer = scorer.rename(tmp_path / "moved again")  # where it lies is no matter
        settings["scorer.folder"] = scorer
        assert dataset(run("parts").folder) == dataset(whole.folder)
        settings["scorer.folder"] = None
        with pytest.raises(augcon.AugConError, match=r"other settings \(.*saved scorer"):
            run("whole")
    finally:
        scorer.rename(fitted / "scorer")


def test_a_kind_that_is_not_the_saved_scorers_is_told(
    fitted: Path, corpus: Path, server: Simulation, tmp_path: Path
) -> None:
    settings = {**SMALL, "scorer.kind": "judge", "scorer.folder": fitted / "scorer"}
    with pytest.raises(ScorerError, match=r"holds a linear scorer, and scorer\.kind is 'judge'"):
        augcon.run(corpus, tmp_path / "out", model=MODEL, base_url=server.url, settings=settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "ranking", "calls"),
    [("judge", "the model's own judgement", True), ("random", "a random draw", False)],
)
def test_a_run_may_be_ranked_by_the_model_or_at_random(
    kind: str, ranking: str, calls: bool, corpus: Path, tmp_path: Path
) -> None:
    settings = {**SMALL, "scorer.kind": kind, "selection.units_per_pair": 60}
    with simulated_server() as server:
        result = augcon.run(
            corpus, tmp_path / "out", model=MODEL, base_url=server.url, settings=settings
        )
        rubrics = [b for b in server.log.bodies if b.get("top_logprobs")]
        assert server.log.repeated() == 0
    books = result.books
    assert books.balanced
    assert books.ranking.startswith(ranking)
    assert books.warning == ""
    assert (len(rubrics) > books.stages["nodes"].kept) == calls
    assert all((1 <= p.score <= 5) if calls else (0 <= p.score < 1) for p in result)
    assert len({pair.score for pair in result}) > 2
    plan = augcon.plan(corpus, model=MODEL, base_url=server.url, settings=settings, probes=0)
    assert plan.calls == pytest.approx(books.calls.calls, rel=0.35)


def test_settings_that_name_no_scorer_for_a_file_say_what_to_give(
    questions: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="nothing to score with"):
        augcon.score(questions, tmp_path / "out.jsonl")


@pytest.mark.embedded
def test_the_embedded_model_judges_english_and_says_that_it_reads_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "in.jsonl"
    rows = [(english(1, 3), "Who came to the valley first?"), (chinese(1, 3), "谁先到了这里？")]
    lines = [json.dumps({"context": c, "question": q}) for c, q in rows]
    path.write_text("\n".join(lines))
    scored = augcon.score(path, tmp_path / "out.jsonl", kind="judge")
    first, second = rows_of(scored.path)
    assert 1 < first["score"] < 5  # type: ignore[operator]
    assert second["score"] is None
    assert second["score_error"] == "language_not_supported: the model reads en, not zh"
