"""The books of a corpus: opened whole or not at all, once, and read a page at a time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from augcon.admission import cut_id
from augcon.config import load_settings
from augcon.corpus import read_corpus
from augcon.errors import CorpusError
from augcon.pipeline import open_books
from augcon.records import Augmented, Context, Document, Rejection, Root, State, Verdict, rejected
from augcon.store import Run
from augcon.store.ledger import PAGE
from tests.e2e.program import environment
from tests.small_corpora import english, write_corpus

MODEL = {"model.name": "m", "model.base_urls": ["http://localhost:1/v1"]}
SHORT = {**MODEL, "tree.max_units": 40}
Cut = tuple[Document, list[Root]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with closing(Run.begin(tmp_path / "out", {"seed": 0}, "corpus", "")) as opened:
        yield opened


def documents(number: int, contexts_of_each: int = 1, text: str = "A sentence.") -> Iterator[Cut]:
    """So many documents with their root contexts, made as they are asked for."""
    for n in range(number):
        whole = f"{n} {text} " * contexts_of_each
        document, size = Document.of(f"{n}.txt", whole, "en"), len(whole) // contexts_of_each
        spans = [(start * size, (start + 1) * size) for start in range(contexts_of_each)]
        contexts = [Context.root(document, start, end, 30, "en") for start, end in spans]
        yield document, [Root(context, 1, Verdict(State.PENDING)) for context in contexts]


def contexts_in(run: Run) -> tuple[int, bool]:
    books = run.books()
    return books.stages["contexts"].entered, books.balanced


async def finish(run: Run, context: Context) -> None:
    await run.ledger.finish_context(Augmented(context, 1, 0))


@pytest.mark.parametrize("number", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5])
def test_every_root_context_comes_once_and_in_order(run: Run, number: int) -> None:
    run.ledger.open_books(documents(number), [], "cut")
    expected = [f"{n}.txt" for n in range(number)]
    assert [root.document for root in run.ledger.roots()] == expected
    assert [root.document for root, _ in run.ledger.pending()] == expected
    assert run.ledger.count_roots() == number


async def test_contexts_may_be_finished_while_the_pending_ones_are_gone_through(run: Run) -> None:
    run.ledger.open_books(documents(2 * PAGE + 9), [], "cut")
    seen = []
    for root, _ in run.ledger.pending():
        seen.append(root.document)
        await finish(run, root)
    assert seen == [f"{n}.txt" for n in range(2 * PAGE + 9)]
    assert list(run.ledger.pending()) == []
    assert run.books().balanced


def test_contexts_that_are_not_worked_on_are_passed_over(run: Run) -> None:
    def left_out(cut: Iterator[Cut]) -> Iterator[Cut]:
        for n, (document, (root,)) in enumerate(cut):
            why = rejected("below_min_units") if n % 3 else Verdict(State.PENDING)
            yield document, [Root(root.context, 1, why)]

    run.ledger.open_books(left_out(documents(4 * PAGE)), [], "cut")
    expected = [f"{n}.txt" for n in range(0, 4 * PAGE, 3)]
    assert [root.document for root in run.ledger.roots()] == expected
    assert run.ledger.count_roots() == len(expected)


def test_no_reader_keeps_the_log_from_being_moved_into_the_database(run: Run) -> None:
    run.ledger.open_books(documents(3 * PAGE), [], "cut")
    going_on = [run.ledger.pending(), run.ledger.roots()]
    for rows in going_on:
        next(rows)
    with closing(sqlite3.connect(run.folder / "run.db")) as other:
        busy, in_log, moved = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, in_log, moved) == (0, 0, 0)
    assert [len(list(rows)) for rows in going_on] == [3 * PAGE - 1] * 2


def test_the_languages_are_those_of_the_contexts_that_are_worked_on(run: Run) -> None:
    def spoken() -> Iterator[Cut]:
        for language, verdict in (
            ("en", Verdict(State.PENDING)),
            ("zh", Verdict(State.PENDING)),
            ("fr", rejected("below_min_units")),
        ):
            document = Document.of(language, "Text.", language)
            yield document, [Root(Context.root(document, 0, 5, 1, language), 1, verdict)]

    run.ledger.open_books(spoken(), [], "cut")
    assert run.ledger.languages() == {"en", "zh"}


def test_a_root_without_any_context_to_work_on_says_why_most_often_first(run: Run) -> None:
    def told() -> Iterator[Cut]:
        for n, (document, (root,)) in enumerate(documents(6)):
            yield document, [Root(root.context, 1, rejected("short", "3 units" if n % 3 else ""))]

    run.ledger.open_books(told(), [], "cut")
    assert run.ledger.why_no_context() == "4 contexts: 3 units; 2 contexts: short"


def test_books_that_are_open_are_not_opened_again(run: Run) -> None:
    def never() -> Iterator[Cut]:
        raise AssertionError("a document was read")
        yield

    run.ledger.open_books(documents(5), [], "cut")
    run.ledger.open_books(never(), [], "cut")
    assert contexts_in(run) == (5, True)
    with pytest.raises(AssertionError, match="a document was read"):
        run.ledger.open_books(never(), [], "another cut")
    assert contexts_in(run) == (5, True)


async def test_another_cut_leaves_what_is_finished_as_it_is(run: Run) -> None:
    run.ledger.open_books(documents(5), [], "cut")
    first, _ = next(run.ledger.pending())
    await finish(run, first)
    run.ledger.open_books(documents(5), [Rejection("x", "documents", "empty", "x.txt")], "again")
    stages = run.books().stages
    assert (stages["contexts"].kept, stages["contexts"].pending) == (1, 4)
    assert stages["documents"].rejected == {"empty": 1}
    assert run.books().balanced


def test_an_error_in_the_middle_leaves_the_books_as_they_were(run: Run) -> None:
    def broken() -> Iterator[Cut]:
        yield from documents(7)
        raise CorpusError("8.txt: changed")

    with pytest.raises(CorpusError, match=r"8\.txt: changed"):
        run.ledger.open_books(broken(), [], "cut")
    assert contexts_in(run) == (0, True)
    run.ledger.open_books(documents(3), [], "cut")
    with pytest.raises(CorpusError):
        run.ledger.open_books(broken(), [], "another cut")
    assert contexts_in(run) == (3, True)
    run.ledger.open_books(documents(8), [], "another cut")
    assert contexts_in(run) == (8, True)


@pytest.mark.parametrize("before", [0, 3])
def test_a_kill_in_the_middle_leaves_the_books_as_they_were(tmp_path: Path, before: int) -> None:
    """So much is written before the kill that part of it is in the database's log already."""
    out = tmp_path / "out"
    with closing(Run.begin(out, {"seed": 0}, "corpus", "")) as run:
        run.ledger.open_books(documents(before), [], "cut")
    script = f"""
        import os, signal
        from pathlib import Path
        from augcon.store import Run
        from tests.store.test_opening import documents
        def killed():
            yield from documents(600, 10, "Much text. " * 100)
            log = os.stat({str(out / "run.db-wal")!r}).st_size
            print(log, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        Run.begin(Path({str(out)!r}), {{"seed": 0}}, "corpus", "").ledger.open_books(
            killed(), [], "another cut"
        )
    """
    path = f"{environment()['PYTHONPATH']}:{Path(__file__).parents[2]}"
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(PYTHONPATH=path),
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert int(ended.stdout) > 1_000_000
    with closing(Run.begin(out, {"seed": 0}, "corpus", "")) as run:
        assert contexts_in(run) == (before, True)
        run.ledger.open_books(documents(600, 10), [], "another cut")
        assert contexts_in(run) == (6000, True)


def test_opening_and_going_through_a_corpus_keeps_little_of_it(run: Run) -> None:
    text, number = "Words of it. " * 1000, 2000
    tracemalloc.start()
    run.ledger.open_books(documents(number, 1, text), [], "cut")
    assert sum(len(root.text) for root in run.ledger.roots()) > number * len(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < number * len(text) / 10


def test_a_document_that_changes_before_it_is_cut_is_noticed_and_nothing_is_kept(
    run: Run, tmp_path: Path
) -> None:
    folder = write_corpus(tmp_path / "corpus")
    settings, corpus = load_settings(None, SHORT), read_corpus([folder])
    (folder / "valley-1.txt").write_text(english(9, 20))
    with pytest.raises(CorpusError, match=r"valley-1\.txt: changed while it was being read"):
        open_books(corpus, settings, run)
    assert contexts_in(run) == (0, True)


def test_a_resumed_corpus_is_not_cut_again_unless_something_that_decides_it_has_changed(
    run: Run, tmp_path: Path
) -> None:
    folder = write_corpus(tmp_path / "corpus")
    settings, corpus = load_settings(None, SHORT), read_corpus([folder])
    open_books(corpus, settings, run)
    for path in folder.iterdir():
        path.unlink()  # so that a document cannot be read again
    open_books(corpus, settings, run)
    with pytest.raises(CorpusError):
        open_books(corpus, load_settings(None, {**SHORT, "limit": 1}), run)


def test_what_decides_the_cut_is_in_its_name_and_nothing_else(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "corpus")
    corpus = read_corpus([folder])

    def named(**more: object) -> str:
        told = {key.replace("__", "."): value for key, value in more.items()}
        return cut_id(corpus, load_settings(None, {**MODEL, **told}))

    plain = named()
    assert named(seed=1, model__concurrency=3, scorer__pairs=7) == plain
    others = [
        named(limit=1),
        named(limit=2),
        named(tree__max_units=90),
        named(tree__min_units=9),
        named(selection__units_per_pair=9),
        cut_id(corpus, load_settings(None, {})),
    ]
    assert len({plain, *others}) == len(others) + 1
    (folder / "more.csv").write_text("a,b\n")
    assert read_corpus([folder]).id == corpus.id
    corpus = read_corpus([folder])
    assert named() != plain
