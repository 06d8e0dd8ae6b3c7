"""Answers that are not the answer stay with their reasons, and the books count every one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.provenance import show
from augcon.records import (
    Answer,
    Asked,
    Augmented,
    Claim,
    ClaimVerdict,
    Draft,
    Verdict,
    Verification,
    failed,
    rejected,
)
from augcon.report import write_report
from augcon.store import Books, Run
from tests.store.test_run import ROOT, SETTINGS, augmented, finish, open_books

CHECKED = Verification("lexical", (Claim(0, 6, ClaimVerdict.ABSENT, 0.1, 0, 0, "1861"),))
INVENTED = Draft("It was 1861.", rejected("not_supported", "It was 1861. (1861)"), CHECKED, 2)
OTHER = Draft("四五六，一二三。", rejected("less_consistent"), None, 0)
GONE = Draft("", failed("unusable_reply", "no JSON"), None, 3)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    opened = Run.begin(tmp_path / "out", SETTINGS, "corpus", "seed = 0\n")
    yield opened
    opened.close()


def with_drafts(*drafts: Draft, verdict: Verdict | None = None) -> Augmented:
    """The first answer has these drafts beside it; `verdict` is in place of its own."""
    told = augmented()
    first = replace(told.answers[0], drafts=drafts, asked=len(drafts) + 1)
    first = replace(first, verdict=verdict or first.verdict)
    return replace(told, answers=(first, *told.answers[1:]))


async def drafted(run: Run, *drafts: Draft, verdict: Verdict | None = None) -> Books:
    open_books(run)
    await run.ledger.finish_context(with_drafts(*drafts, verdict=verdict))
    return run.books()


async def test_a_pair_has_its_drafts_in_the_order_in_which_they_were_asked_for(run: Run) -> None:
    await drafted(run, INVENTED, OTHER, GONE)
    (pair,) = run.ledger.pairs()
    assert pair.drafts == (OTHER, INVENTED, GONE)


async def test_every_answer_that_was_asked_for_is_in_the_books(run: Run) -> None:
    books = await drafted(run, INVENTED, OTHER, GONE)
    assert books.balanced
    drafts = books.stages["drafts"]
    assert (drafts.entered, drafts.kept, drafts.failed) == (5, 1, 1)
    assert drafts.rejected == {"empty_answer": 1, "less_consistent": 1, "not_supported": 1}
    assert books.stages["answers"].entered == 2
    assert "drafts" in books.lines


async def test_drafts_have_a_line_only_where_there_are_any_and_always_in_json(run: Run) -> None:
    books = await drafted(run)
    assert "drafts" not in books.lines
    stages = books.as_json()["stages"]
    assert isinstance(stages, dict)
    assert stages["drafts"]["in"] == 2
    write_report(run)
    page = run.folder / "report.html"
    assert "<td>drafts</td>" not in page.read_text(encoding="utf-8")
    await run.ledger.finish_context(with_drafts(OTHER))
    write_report(run)
    assert "<td>drafts</td>" in page.read_text(encoding="utf-8")


async def test_an_answer_that_is_rejected_later_leaves_the_books_in_balance(run: Run) -> None:
    await drafted(run, INVENTED, OTHER)
    (asked,) = run.ledger.asked()
    for repeats in ([(asked, Asked("better", "elsewhere", "What?", 1.0))], []):
        run.ledger.reject_repeats(repeats)
        books = run.books()
        assert books.balanced
        assert books.stages["drafts"].entered == 4
        assert books.stages["drafts"].rejected.get("repeated_elsewhere", 0) == len(repeats)
        assert books.stages["drafts"].kept == 1 - len(repeats)


async def test_the_books_do_not_balance_where_a_draft_has_vanished(run: Run) -> None:
    assert (await drafted(run, INVENTED, OTHER)).balanced
    run.database.write(lambda c: c.execute("DELETE FROM drafts WHERE number = 0") and None).result()
    books = run.books()
    assert not books.balanced
    assert not books.stages["drafts"].balanced


async def test_a_context_that_is_written_again_has_only_its_new_drafts(run: Run) -> None:
    await drafted(run, INVENTED, OTHER)
    await run.ledger.finish_context(with_drafts(GONE))
    (pair,) = run.ledger.pairs()
    assert pair.drafts == (GONE,)
    assert run.books().balanced


async def test_a_context_that_is_ranked_by_another_scorer_begins_without_drafts(run: Run) -> None:
    await drafted(run, INVENTED)
    run.ledger.reopen_unless("another")
    books = run.books()
    assert books.balanced
    assert books.stages["drafts"].entered == 0
    assert list(run.database.rows("SELECT * FROM drafts")) == []


@pytest.mark.parametrize(("reason", "again"), [("server_fault", 1), ("unusable_reply", 0)])
async def test_a_draft_that_the_server_stumbled_over_is_asked_for_again(
    run: Run, reason: str, again: int
) -> None:
    await drafted(run, replace(GONE, verdict=failed(reason, "HTTP 500")))
    assert run.ledger.may_go_well() == bool(again)
    assert "HTTP 500" in run.ledger.why_failed()
    run.ledger.reopen_failed()
    books = run.books()
    assert books.stages["contexts"].pending == again
    assert books.balanced


async def test_a_pair_is_shown_with_its_drafts_and_why_they_are_not_the_answer(run: Run) -> None:
    await drafted(run, INVENTED, OTHER, GONE)
    (pair,) = run.ledger.pairs()
    shown = show(run.folder, pair.id)
    assert "draft     less_consistent\n  四五六，一二三。" in shown
    assert "draft     not_supported (It was 1861. (1861))\n  It was 1861." in shown
    assert "draft     unusable_reply (no JSON)" in shown
    assert shown.index("less_consistent") < shown.index("not_supported")


@pytest.mark.parametrize("text", ["It was all in 1861, they say.", "据说都是1861年的事。"])
async def test_a_tree_shows_what_a_rejected_answer_said_and_why_it_was_rejected(
    run: Run, text: str
) -> None:
    open_books(run)
    told = augmented()
    verdict = rejected("not_supported", text)
    answers = (replace(told.answers[0], text=text, verdict=verdict), told.answers[1])
    await run.ledger.finish_context(replace(told, answers=answers))
    shown = show(run.folder, ROOT.id)
    assert f"(not_supported)\n    answered: {text}" in shown
    assert shown.count("answered:") == 1


async def test_a_tree_does_not_repeat_the_answer_of_a_pair(run: Run) -> None:
    await finish(run)
    assert "answered:" not in show(run.folder, ROOT.id)


fates = st.sampled_from(
    [
        rejected("less_consistent"),
        rejected("not_supported", "x"),
        rejected("cut_off"),
        failed("unusable_reply"),
        failed("server_fault"),
    ]
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(fates, max_size=4), min_size=2, max_size=2),
    st.lists(fates | st.just(Verdict()), min_size=2, max_size=2),
    st.booleans(),
)
def test_the_books_balance_whatever_became_of_the_answers(
    drafts: list[list[Verdict]], verdicts: list[Verdict], repeated: bool
) -> None:
    def answer(place: int) -> Answer:
        beside = tuple(Draft(f"d{n}", fate, None, n) for n, fate in enumerate(drafts[place]))
        first = replace(augmented().answers[place], text=f"answer {place}")
        return replace(first, verdict=verdicts[place], drafts=beside, asked=len(beside) + 1)

    async def balance(run: Run) -> None:
        open_books(run)
        await run.ledger.finish_context(replace(augmented(), answers=(answer(0), answer(1))))
        asked = list(run.ledger.asked())
        if repeated:
            run.ledger.reject_repeats((a, Asked("b", "elsewhere", "What?", 1.0)) for a in asked)
        books = run.books()
        assert books.balanced
        found = books.stages["drafts"]
        assert found.entered == 2 + len(drafts[0]) + len(drafts[1])
        assert found.kept == books.pairs == (0 if repeated else sum(v.kept for v in verdicts))

    with tempfile.TemporaryDirectory() as folder:
        run = Run.begin(Path(folder) / "out", SETTINGS, "corpus", "")
        try:
            asyncio.run(balance(run))
        finally:
            run.close()
