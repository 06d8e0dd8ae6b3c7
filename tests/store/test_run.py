from __future__ import annotations

import asyncio
import os
import random
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from augcon.errors import OutputError, StoreError
from augcon.llm.base import Choice, Reply, Request, TokenLogprob, Usage
from augcon.provenance import show
from augcon.records import (
    BY_ROOT,
    Answer,
    Asked,
    Augmented,
    Claim,
    ClaimVerdict,
    Context,
    Document,
    Judged,
    Node,
    Question,
    Rejection,
    Root,
    State,
    Verdict,
    Verification,
    failed,
    rejected,
)
from augcon.report import write_report
from augcon.store import Run, write_atomically
from augcon.store.database import VERSION, Database
from tests.e2e.program import environment, python

TEXT = "One two three. Four five six."
DOCUMENT = Document.of("a.txt", TEXT, "en")
ROOT = Context.root(DOCUMENT, 0, len(TEXT), 6, "en")
REQUEST = Request("chat", text="x")
SETTINGS: dict[str, object] = {"seed": 0}
CONTEND = """
import sys
from pathlib import Path
from augcon.errors import OutputError
from augcon.store import Run

for line in sys.stdin:
    folder, fresh = line.split()
    try:
        run = Run.begin(Path(folder), {"seed": 0}, "corpus", "", fresh == "fresh")
    except OutputError as error:
        print("another augcon is at work" in str(error) and "turned away", flush=True)
    else:
        print("at work", flush=True)
        sys.stdin.readline()
        run.close()
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    opened = Run.begin(tmp_path / "out", SETTINGS, "corpus", "seed = 0\n")
    yield opened
    opened.close()


def open_books(run: Run, cut: str = "cut") -> None:
    unreadable = Rejection("x", "documents", "unreadable", "b.txt", failed=True)
    short = Context.root(DOCUMENT, 0, 3, 1, "en")
    roots = [
        Root(ROOT, 2, Verdict(State.PENDING)),
        Root(short, 1, rejected("below_min_units", "1 units")),
    ]
    run.ledger.open_books([(DOCUMENT, roots)], [unreadable], cut)


def augmented() -> Augmented:
    """A root that was split in two; three questions, of which two are kept; one answer each."""
    one, two = ROOT.child("One two three.", 3, 0, 14), ROOT.child("Four five six.", 3, 15, 29)
    asked = [Question.of(context, f"What of {context.text}", 0) for context in (ROOT, one, two)]
    nodes = (
        Node(ROOT, 0, Verdict(), Verdict(), asked[0]),
        Node(one, 0, Verdict(), rejected("part_not_shorter"), asked[1]),
        Node(two, 0, Verdict(), rejected("part_not_shorter"), asked[2]),
    )
    verdicts = (Verdict(), Verdict(), rejected("over_quota"))
    judged = tuple(Judged(q, i, v) for i, (q, v) in enumerate(zip(asked, verdicts, strict=True)))
    answers = (
        Answer(asked[0], "All of it.", Verdict()),
        Answer(asked[1], "", rejected("empty_answer")),
    )
    return Augmented(ROOT, 2, 1, nodes, judged, answers)


async def finish(run: Run) -> None:
    open_books(run)
    await run.ledger.finish_context(augmented())


async def test_the_books_balance_at_every_stage(run: Run) -> None:
    await finish(run)
    books = run.books()
    assert books.balanced
    told = {name: (s.entered, s.kept, s.rejected, s.failed) for name, s in books.stages.items()}
    assert told == {
        "documents": (2, 1, {}, 1),
        "contexts": (2, 1, {"below_min_units": 1}, 0),
        "nodes": (3, 3, {}, 0),
        "splits": (3, 1, {"part_not_shorter": 2}, 0),
        "questions": (3, 2, {"over_quota": 1}, 0),
        "answers": (2, 1, {"empty_answer": 1}, 0),
        "drafts": (2, 1, {"empty_answer": 1}, 0),
    }
    assert books.pairs == 1


@pytest.mark.parametrize("table", ["documents", "contexts", "nodes", "questions", "answers"])
async def test_the_books_do_not_balance_where_a_row_has_vanished(run: Run, table: str) -> None:
    await finish(run)
    for position in range(run_count(run, table)):
        with sqlite3.connect(run.folder / "run.db", isolation_level=None) as other:
            rows = [tuple(row) for row in other.execute(f"SELECT * FROM {table}")]
            other.execute(f"DELETE FROM {table}")
            marks = ",".join("?" * len(rows[0]))
            kept = [*rows[:position], *rows[position + 1 :]]
            other.executemany(f"INSERT INTO {table} VALUES ({marks})", kept)
            assert not run.books().balanced, (table, rows[position])
            other.execute(f"DELETE FROM {table}")
            other.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        other.close()
        assert run.books().balanced


async def test_a_finished_context_is_finished_once_however_often_it_is_written(run: Run) -> None:
    await finish(run)
    before = run.books().as_json()
    await run.ledger.finish_context(augmented())
    open_books(run, "another cut")
    assert run.books().as_json() == before
    assert list(run.ledger.pending()) == []


FAILURES = [
    (failed("server_fault", "HTTP 500"), True),
    (failed("unusable_reply"), False),
    (failed("request_refused"), False),
    (failed("content_refused"), False),
    (failed("too_long"), False),
]


@pytest.mark.parametrize(("verdict", "taken_up"), FAILURES)
@pytest.mark.parametrize("what", ["nodes", "answers"])
async def test_what_the_server_stumbled_over_is_taken_up_again_and_nothing_else(
    run: Run, verdict: Verdict, taken_up: bool, what: str
) -> None:
    open_books(run)
    whole = augmented()
    if what == "nodes":
        ill = replace(whole.nodes[2], verdict=verdict, split=Verdict(State.NONE), question=None)
        judged = whole.questions[:2]
        result = replace(whole, nodes=(*whole.nodes[:2], ill), questions=judged)
    else:
        result = replace(
            whole, answers=(whole.answers[0], replace(whole.answers[1], verdict=verdict))
        )
    await run.ledger.finish_context(result)
    before = run.books()
    assert before.balanced
    assert run.ledger.may_go_well() == taken_up
    run.ledger.reopen_failed()
    books = run.books()
    assert books.balanced
    assert books.stages["contexts"].pending == taken_up
    assert [root.id for root, _ in run.ledger.pending()] == ([ROOT.id] if taken_up else [])
    # What came of it stays until it is replaced: the server may not even be there.
    assert (books.pairs, books.stages["nodes"]) == (before.pairs, before.stages["nodes"])


async def test_a_question_that_a_fault_left_without_a_score_is_taken_up_again(run: Run) -> None:
    open_books(run)
    whole = augmented()
    for why, taken_up in (("request_refused: too long", 0), ("server_fault: HTTP 500", 1)):
        unscored = replace(whole.questions[2], verdict=failed("no_score", why))
        await run.ledger.finish_context(replace(whole, questions=(*whole.questions[:2], unscored)))
        run.ledger.reopen_failed()
        assert run.books().stages["contexts"].pending == taken_up


async def test_a_context_that_failed_unexpectedly_is_taken_up_again(run: Run) -> None:
    open_books(run)
    verdict = failed("unexpected_error", "KeyError: 'x'")
    await run.ledger.finish_context(Augmented(ROOT, 2, 0, verdict=verdict))
    assert run.books().stages["contexts"].failures == {"unexpected_error": 1}
    run.ledger.reopen_failed()
    books = run.books()
    assert books.balanced
    assert (books.stages["contexts"].pending, books.stages["contexts"].failures) == (1, {})


async def test_the_books_name_the_models_that_answered_and_those_nobody_asked_for(
    run: Run,
) -> None:
    await run.journal.put("a", "asked", REQUEST, Reply((Choice("x"),), usage=Usage(3, 2)), True)
    run.ledger.add_counts("models", {"asked": 1, "another": 2, "": 1})
    run.ledger.add_counts("models", {"another": 1})
    run.ledger.add_counts("asked", {"asked": 4})
    books = run.books()
    assert books.as_json()["models"] == {"asked": 1, "another": 3, "": 1}
    assert books.others == ["another"]
    assert (books.calls.calls, books.calls.prompt_tokens, books.calls.completion_tokens) == (
        1,
        3,
        2,
    )


async def test_pairs_come_with_their_source(run: Run) -> None:
    await finish(run)
    (pair,) = run.ledger.pairs()
    assert (pair.document, pair.start, pair.end, pair.depth) == ("a.txt", 0, len(TEXT), 0)
    assert run.ledger.source(pair.root_id, 15, 29) == "Four five six."
    assert [row.start for row in run.ledger.tree(ROOT.id)] == [0, 0, 15]


async def test_a_rewritten_context_says_how_much_of_it_the_source_explains(run: Run) -> None:
    told = augmented()
    node = told.nodes[1]
    rewritten = replace(node.context, text="One two three four.", explained=0.75)
    question = replace(told.questions[1].question, context=rewritten)
    answer = replace(told.answers[1], question=question, text="Three.", verdict=Verdict())
    open_books(run)
    await run.ledger.finish_context(
        replace(
            told,
            nodes=(told.nodes[0], replace(node, context=rewritten, question=question)),
            questions=(told.questions[0], replace(told.questions[1], question=question)),
            answers=(told.answers[0], answer),
        )
    )
    assert [row.explained for row in run.ledger.tree(ROOT.id)] == [1.0, 0.75]
    whole, part = run.ledger.pairs()
    assert (whole.explained, part.explained) == (1.0, 0.75)
    assert "75% of it in the source" in show(run.folder, ROOT.id)
    assert "context, as the model wrote it (75% of it in the source)" in show(run.folder, part.id)
    write_report(run)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("rewritten: the source explains 75%") == 1


async def test_a_question_that_may_not_stand_is_in_the_books_and_can_be_read(run: Run) -> None:
    told = augmented()
    objection = rejected("not_self_contained", "'text' in: What does the text say?")
    nodes = (*told.nodes[:2], replace(told.nodes[2], verdict=objection, question=None))
    open_books(run)
    await run.ledger.finish_context(replace(told, nodes=nodes, questions=told.questions[:2]))
    books = run.books()
    assert books.balanced
    assert books.stages["nodes"].rejected == {"not_self_contained": 1}
    assert books.stages["questions"].entered == 2
    shown = show(run.folder, ROOT.id)
    assert "not_self_contained" in shown
    assert "? 'text' in: What does the text say?" in shown


async def test_a_pair_that_repeats_another_is_rejected_as_long_as_it_does(run: Run) -> None:
    await finish(run)
    (asked,) = run.ledger.asked()
    (pair,) = run.ledger.pairs()
    assert (asked.text, asked.root_id, asked.score) == (pair.question, ROOT.id, pair.score)
    other = Asked("better", "elsewhere", "What?", 1.0)
    for _ in range(2):
        run.ledger.reject_repeats([(asked, other)])
        books = run.books()
        assert books.balanced
        assert books.stages["answers"].rejected == {"empty_answer": 1, "repeated_elsewhere": 1}
        assert list(run.ledger.pairs()) == []
        assert list(run.ledger.asked()) == [asked]
        (row,) = (r for r in run.ledger.tree(ROOT.id) if r.question == asked.text)
        assert (row.answer_reason, row.pair_id) == ("repeated_elsewhere", "")
    run.ledger.reject_repeats([])
    assert list(run.ledger.pairs()) == [pair]
    assert run.books().stages["answers"].rejected == {"empty_answer": 1}


async def test_a_reply_that_says_what_is_not_known_is_kept_as_long_as_it_is_chosen(
    run: Run,
) -> None:
    open_books(run)
    made = augmented()
    whole = Claim(0, 5, ClaimVerdict.SUPPORTED, 1.0, 0, 0)
    reply = Answer(
        made.answers[1].question,
        "I do not know that.",
        rejected("unanswerable", "closest is: x"),
        Verification(BY_ROOT, (whole,)),
    )
    await run.ledger.finish_context(replace(made, answers=(made.answers[0], reply)))
    (answered,) = run.ledger.asked()
    (unanswered,) = run.ledger.unanswered()
    assert unanswered.id == reply.question.id != answered.id
    for _ in range(2):
        run.ledger.keep_unknown([unanswered])
        books = run.books()
        assert books.balanced
        assert (books.pairs, books.unknown, run.ledger.count_answered()) == (2, 1, 1)
        assert books.stages["answers"].rejected == {}
        assert [pair.unknown for pair in run.ledger.pairs()] == [False, True]
        assert list(run.ledger.asked()) == [answered]
        assert list(run.ledger.unanswered()) == [unanswered]
        (row,) = (r for r in run.ledger.tree(ROOT.id) if r.question == unanswered.text)
        assert row.answer_reason == "unknown"
        run.ledger.reject_repeats([])
    run.ledger.keep_unknown([])
    books = run.books()
    assert books.balanced
    assert (books.pairs, books.unknown) == (1, 0)
    assert books.stages["answers"].rejected == {"unanswerable": 1}
    assert list(run.ledger.unanswered()) == [unanswered]


@pytest.mark.parametrize("reply", ["I do not know that.", "这一点我不知道。"])
async def test_a_reply_that_says_what_is_not_known_is_shown_with_what_its_check_found(
    run: Run, reply: str
) -> None:
    open_books(run)
    made = augmented()
    whole = Claim(0, len(reply), ClaimVerdict.SUPPORTED, 1.0, 0, 0)
    question, verdict = made.answers[1].question, rejected("unanswerable", "")
    answer = Answer(question, reply, verdict, Verification(BY_ROOT, (whole,)))
    told = Answer(
        made.answers[0].question, "All of it.", Verdict(), Verification("lexical", (whole,))
    )
    await run.ledger.finish_context(replace(made, answers=(told, answer)))
    run.ledger.keep_unknown(list(run.ledger.unanswered()))
    known, unknown = run.ledger.pairs()
    shown = show(run.folder, unknown.id)
    assert f"answer    {reply}" in shown
    assert "verified  the model found nothing in its whole root context that answers it" in shown
    assert "score 1.00" not in shown
    assert "supported" not in shown
    assert "verified  lexical, score 1.00\n  supported (1.00)" in show(run.folder, known.id)


async def test_an_unanswerable_question_without_a_reply_can_not_be_kept(run: Run) -> None:
    open_books(run)
    made = augmented()
    claim = Claim(0, 3, ClaimVerdict.ABSENT, 0.1, 0, 0)
    for verification in (None, Verification("lexical", (claim,))):
        verdict = rejected("unanswerable", "its root tells: x")
        refused = Answer(made.answers[1].question, "I cannot answer.", verdict, verification)
        await run.ledger.finish_context(replace(made, answers=(made.answers[0], refused)))
        assert list(run.ledger.unanswered()) == []


async def test_a_step_is_done_once_for_the_same_inputs(run: Run) -> None:
    done = []

    async def do() -> str:
        done.append(1)
        return f"output {len(done)}"

    assert await run.remember("scorer", do, "a") == "output 1"
    assert await run.remember("scorer", do, "a") == "output 1"
    assert await run.remember("scorer", do, "b") == "output 2"
    assert await run.remember("other", do, "a") == "output 3"


async def test_the_journal_gives_back_what_was_put_into_it(run: Run) -> None:
    token = TokenLogprob("a", -0.5, (("a", -0.5), ("b", -1.25)))
    text = Reply((Choice("böse „Zeichen“ \u2028", "length", (token,)),), usage=Usage(3, 4))
    vector = Reply(embedding=(0.5, -1.25, 3.0), usage=Usage(2, 0))
    await run.journal.put("1", "m", REQUEST, text, True)
    await run.journal.put("2", "m", Request("embedding", text="x"), vector, False)
    assert run.journal.get("1") == text
    assert run.journal.get("2") == vector
    assert run.journal.get("3") is None
    calls = run.books().calls
    assert (calls.calls, calls.unusable, calls.prompt_tokens, calls.completion_tokens) == (
        *(2, 1),
        *(5, 4),
    )


async def test_a_reply_is_written_even_when_its_task_is_cancelled(run: Run) -> None:
    busy = threading.Event()
    run.database.write(lambda _: busy.wait(10) and None)
    task = asyncio.create_task(run.journal.put("1", "m", REQUEST, Reply((Choice("hi"),)), True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    busy.set()
    run.database.write(lambda _: None).result()
    assert run.journal.get("1") is not None


def test_many_writes_are_all_there_and_in_order(tmp_path: Path) -> None:
    database = Database(tmp_path / "run.db")
    futures = [
        database.write(lambda c, n=n: c.execute("INSERT INTO meta VALUES (?, ?)", (str(n), "x")))
        for n in range(1000)
    ]
    for future in futures:
        future.result()
    found = [row["key"] for row in database.rows("SELECT key FROM meta ORDER BY rowid")]
    assert found == [str(n) for n in range(1000)]
    database.close()


def test_a_closed_run_is_one_whole_file(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "out", SETTINGS, "corpus", "seed = 0\n")
    open_books(run)
    run.close()
    assert not (tmp_path / "out" / "run.db-wal").exists()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "run.db").write_bytes((tmp_path / "out" / "run.db").read_bytes())
    read = Run.read(copy)
    assert read.books().balanced
    read.close()


def test_a_run_can_be_read_while_it_is_at_work(run: Run) -> None:
    open_books(run)
    reader = Run.read(run.folder)
    assert reader.books().stages["contexts"].pending == 1
    reader.close()


def test_a_second_process_is_told_that_another_is_at_work(run: Run) -> None:
    script = f"""
        from pathlib import Path
        from augcon.store import Run
        Run.begin(Path({str(run.folder)!r}), {{"seed": 0}}, "corpus", "")
    """
    ended = python(script)
    assert ended.returncode == 1
    assert "OutputError" in ended.stderr
    assert "another augcon is at work in it" in ended.stderr
    run.close()
    assert python(script).returncode == 0


@pytest.mark.parametrize("word", ["go-on", "fresh"])
def test_of_processes_that_begin_at_the_same_moment_one_gets_the_folder(
    tmp_path: Path, word: str
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONTEND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for _ in range(4)
    ]
    for number in range(30):
        said = []
        for process in processes:
            tell(process, f"{tmp_path / str(number // 3)} {word}")
        for process in processes:
            assert process.stdout is not None
            said.append(process.stdout.readline().strip())
        assert sorted(said) == ["at work", *["turned away"] * 3]
        tell(processes[said.index("at work")], "close")
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    kept = sorted(path.name for path in (tmp_path / "0").glob("run.*.db"))
    assert kept == (["run.1.db", "run.2.db"] if word == "fresh" else [])


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_a_folder_in_which_nothing_was_asked_takes_other_settings(run: Run) -> None:
    run.close()
    again = Run.begin(run.folder, {"seed": 1}, "another", "")
    assert again.ledger.fact("corpus") == "another"
    again.close()


async def test_the_folder_of_a_run_is_for_its_own_corpus_and_settings(run: Run) -> None:
    await run.journal.put("0", "m", REQUEST, Reply((Choice("kept"),)), True)
    run.close()
    with pytest.raises(OutputError, match="another corpus"):
        Run.begin(run.folder, SETTINGS, "other", "")
    with pytest.raises(OutputError, match="seed: 0 then, 1 now"):
        Run.begin(run.folder, {"seed": 1}, "corpus", "")
    Run.begin(run.folder, SETTINGS, "corpus", "").close()


async def test_a_run_that_knew_less_settings_goes_on_where_they_change_nothing(run: Run) -> None:
    """What an earlier version wrote down says nothing of a setting that came later."""
    await run.journal.put("0", "m", REQUEST, Reply((Choice("kept"),)), True)
    known = run.ledger.fact("identity")
    run.close()
    later = {**SETTINGS, "tree.split": "auto", "selection.granularity": "span"}
    again = Run.begin(run.folder, later, "corpus", "")
    assert again.ledger.fact("identity") == known  # or its steps would be done anew
    again.close()
    for key, value, said in (
        ("tree.split", "middle", "tree.split: 'auto' then, 'middle' now"),
        ("answers.verify", "lexical", "answers.verify: nothing then, 'lexical' now"),
        ("answers.verify", None, "answers.verify: nothing then, None now"),
    ):
        with pytest.raises(OutputError, match=said):
            Run.begin(run.folder, {**later, key: value}, "corpus", "")


async def test_a_run_does_not_go_on_without_a_setting_that_it_was_begun_with(run: Run) -> None:
    run.close()
    other = Run.begin(run.folder, {**SETTINGS, "tree.was": 1}, "corpus", "")
    await other.journal.put("0", "m", REQUEST, Reply((Choice("kept"),)), True)
    other.close()
    with pytest.raises(OutputError, match=r"tree\.was: 1 then, nothing now"):
        Run.begin(run.folder, SETTINGS, "corpus", "")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty and holds no run"):
        Run.begin(tmp_path, SETTINGS, "corpus", "", fresh)
    with pytest.raises(OutputError, match="is a file"):
        Run.begin(tmp_path / "thesis.txt", SETTINGS, "corpus", "", fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "run.db").write_text("not a database at all, " * 100)
    with pytest.raises(StoreError, match="not a run's database, or damaged"):
        Run.read(tmp_path)
    with pytest.raises(StoreError, match="not a run's database, or damaged"):
        Run.begin(tmp_path, SETTINGS, "corpus", "")


def test_a_database_of_another_version_is_refused(run: Run) -> None:
    run.close()
    with sqlite3.connect(run.folder / "run.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(OutputError, match=f"database 99, this one {VERSION}"):
        Run.read(run.folder)


async def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "out", SETTINGS, "corpus", "")
    await run.journal.put("0", "m", REQUEST, Reply((Choice("kept"),)), True)
    run.database.write(lambda c: c.execute("PRAGMA max_page_count=40")).result()
    long = Reply((Choice(noise(20_000)),))

    async def fill() -> None:
        for number in range(1, 40):
            await run.journal.put(str(number), "m", REQUEST, long, True)

    with pytest.raises(StoreError, match=r"disk is full.*make room and give the same command"):
        await fill()
    run.close()
    resumed = Run.begin(tmp_path / "out", SETTINGS, "corpus", "")
    assert resumed.journal.get("0") == Reply((Choice("kept"),))
    (sound,) = resumed.database.rows("PRAGMA integrity_check")
    assert sound[0] == "ok"
    await resumed.journal.put("99", "m", REQUEST, long, True)
    assert resumed.journal.get("99") == long
    resumed.close()


def test_a_file_that_may_not_grow_stops_a_run_and_leaves_it_whole(tmp_path: Path) -> None:
    """A limit on the size of files, as a quota sets it, in a process of its own."""
    out = tmp_path / "out"
    script = f"""
        import asyncio, random, resource
        from pathlib import Path
        from augcon.errors import StoreError
        from augcon.llm.base import Choice, Reply, Request
        from augcon.store import Run
        run = Run.begin(Path({str(out)!r}), {{"seed": 0}}, "corpus", "")
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        written = 0
        async def fill():
            global written
            for number in range(100):
                reply = Reply((Choice(random.randbytes(20_000).hex()),))
                await run.journal.put(str(number), "m", Request("chat"), reply, True)
                written += 1
        try:
            asyncio.run(fill())
        except StoreError as error:
            print(written, error)
    """
    ended = python(script)
    assert ended.returncode == 0, ended.stderr
    number, said = ended.stdout.split(" ", 1)
    assert 3 <= int(number) < 100
    assert "the disk is full or failing" in said
    run = Run.begin(out, SETTINGS, "corpus", "")
    assert all(run.journal.get(str(n)) is not None for n in range(int(number)))
    (sound,) = run.database.rows("PRAGMA integrity_check")
    assert sound[0] == "ok"
    run.close()


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_atomically(path, "first")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(StoreError, match=str(path)):
            write_atomically(path, "second" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        Run.begin(tmp_path / "out", SETTINGS, "corpus", "")


def run_count(run: Run, table: str) -> int:
    row = run.database.row(f"SELECT COUNT(*) FROM {table}")
    assert row is not None
    return int(row[0])


def noise(size: int) -> str:
    """A text that takes `size` bytes however it is compressed."""
    return random.Random(0).randbytes(size).hex()
