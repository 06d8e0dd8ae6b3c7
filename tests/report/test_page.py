from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path

import pytest

from augcon.records import (
    Answer,
    Augmented,
    Context,
    Document,
    Judged,
    Node,
    Question,
    Root,
    State,
    Verdict,
)
from augcon.report import write_report
from augcon.store import Run


def augmented(context: Context) -> Augmented:
    """A root with one question and its answer."""
    question = Question.of(context, f"What of {context.document}?", 0)
    return Augmented(
        *(context, 1, 1, (Node(context, 0, Verdict(), Verdict(State.NONE), question),)),
        (Judged(question, 0, Verdict()),),
        (Answer(question, "It stands.", Verdict()),),
    )


async def page_of(folder: Path, number: int) -> str:
    """The report of a run with a pair from each of so many documents, half of them Chinese."""
    named = [Document.of(f"{n}.txt", f"Text {n}.", "zh" if n % 2 else "en") for n in range(number)]
    contexts = [Context.root(document, 0, 6, 2, document.language) for document in named]
    roots = [[Root(context, 1, Verdict(State.PENDING))] for context in contexts]
    with closing(Run.begin(folder, {"seed": 0}, "corpus", "")) as run:
        run.ledger.open_books(zip(named, roots, strict=True), [], "cut")
        for context in contexts:
            await run.ledger.finish_context(augmented(context))
        write_report(run)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "sampled"),
    [
        (0, []),
        (1, [0]),
        (6, [0, 1, 2, 3, 4, 5]),
        (11, [0, 1, 2, 3, 4, 5]),
        (32, [0, 5, 10, 15, 20, 25]),
    ],
)
async def test_the_report_shows_some_pairs_from_all_over_the_dataset(
    tmp_path: Path, number: int, sampled: list[int]
) -> None:
    page = await page_of(tmp_path / "out", number)
    assert re.findall(r"<b>What of (\d+)\.txt\?</b>", page) == [str(n) for n in sampled]


async def test_the_report_of_a_folder_whose_name_is_no_utf_8_shows_it_with_escapes(
    tmp_path: Path,
) -> None:
    page = await page_of(Path(os.fsdecode(bytes(tmp_path) + b"/out\xff")), 1)
    assert "out\\udcff" in page


async def test_the_report_counts_the_pairs_by_language_shape_and_document(tmp_path: Path) -> None:
    page = await page_of(tmp_path / "out", 5)
    assert "5 pairs from 5 documents (5 root contexts); languages: en, zh." in page
    assert "<td>depth 0, macro</td><td class='n'>5</td>" in page
    for n in range(5):
        assert f"<td>{n}.txt</td><td class='n'>1</td>" in page


async def test_a_table_scrolls_inside_its_own_box_on_a_narrow_screen(tmp_path: Path) -> None:
    page = await page_of(tmp_path / "out", 1)
    style = page[page.index("<style>") : page.index("</style>")]
    narrow = re.search(r"@media \(max-width: [^)]+\) \{ table \{([^}]*)\} \}", style)
    assert narrow is not None
    rules = dict(rule.split(":") for rule in narrow[1].replace(" ", "").split(";") if rule)
    assert (rules["display"], rules["overflow-x"]) == ("block", "auto")
