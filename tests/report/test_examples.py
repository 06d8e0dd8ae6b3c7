from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any
from xml.etree import ElementTree

import pytest

from augcon.answer import Round, Trial, Tried
from augcon.llm.budget import Spent
from augcon.prepare import Chosen
from augcon.records import Triplet
from augcon.report.examples import tell_audits, tell_examples

ANNOTATED = [Triplet.of(f"c <{n}>", f"q <{n}>?", f"a <{n}> & 磨坊", "en") for n in range(5)]
IDS = tuple(t.id for t in ANNOTATED)


def trial(places: str, fair: float, abandoned: int | None, items: int = 3) -> Trial:
    return Trial(tuple(IDS[int(n)] for n in places), items, fair - 0.25, 0.5, fair, abandoned)


SEARCHED = Chosen(
    "search",
    IDS,
    (ANNOTATED[3], ANNOTATED[1]),
    trials=(trial("31", 4.5, None, 6), trial("01", 4.0, None, 6), trial("24", 2.0, 1)),
    curve=(Round(9, 4.75), Round(15, 4.5)),
    cost=Spent(30, 12_000, 3_456),
)


def page(**chosen: Chosen) -> str:
    steps = {f"examples-{language}": json.dumps(asdict(one)) for language, one in chosen.items()}
    return tell_examples({"abilities": "{}", **steps, "scorer": "{}"})


def rows(told: str) -> list[list[str]]:
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", told)]
    return [row for row in cells if row]


def test_a_search_is_told_with_its_gain_its_cost_and_every_set() -> None:
    told = page(en=SEARCHED)
    assert "<b>en</b>: 2 examples, the best of 3 sets of 5 annotated ones" in told
    assert "4.50 at equal questions, against 4.00 without a search" in told
    assert "Choosing took 30 calls and 15,456 tokens." in told
    assert rows(told) == [
        ["4, 2", "6", "4.25", "4.50", "0.50", "to the end"],
        ["1, 2 *", "6", "3.75", "4.00", "0.50", "to the end"],
        ["3, 5", "3", "1.75", "2.00", "0.50", "abandoned after round 1"],
    ]


def test_a_search_that_found_nothing_better_says_so() -> None:
    first = replace(SEARCHED, trials=(SEARCHED.trials[1], SEARCHED.trials[2]))
    assert "4.00, and no other set was found to be better" in page(zh=first)


@pytest.mark.parametrize(
    ("fair", "told"), [(5.15, "5.00"), (5, "5.00"), (0.4, "1.00"), (3.25, "3.25")]
)
def test_an_estimate_beyond_the_scale_is_shown_as_its_end(fair: float, told: str) -> None:
    better = (trial("31", fair, None), trial("01", fair, None))
    found = page(en=replace(SEARCHED, trials=better, curve=(Round(9, fair),)))
    assert f": {told} at equal questions, against {told} without a search" in found
    assert [row[3] for row in rows(found)] == [told, told]
    assert f"<title>9 answers: {told}</title>" in found
    alone = page(zh=replace(SEARCHED, trials=better[1:]))
    assert f": {told}, and no other set was found to be better" in alone


def test_it_is_told_whether_something_is_wrong_with_annotated_examples() -> None:
    fine = json.dumps({"examples": 2, "found": []})
    one = {"id": "b", "question": "为何？", "reason": "not_supported", "detail": "1811"}
    bad = json.dumps({"examples": 3, "found": [one, {**one, "reason": "no_source"}]})
    assert tell_audits({"scorer": "{}"}) == ""
    told = tell_audits({"audit-en": fine})
    assert "2 annotated examples were looked at" in told
    assert "nothing was found wrong.</p>" in told
    told = tell_audits({"audit-en": fine, "audit-zh": bad})
    assert "5 annotated examples were looked at" in told
    assert "something is wrong with 1. They are used as they are.</p>" in told
    assert [row[:2] for row in rows(told)] == [["为何？", "not_supported"], ["为何？", "no_source"]]


def test_the_curve_is_a_picture_of_answers_and_grades() -> None:
    told = page(en=SEARCHED)
    picture = ElementTree.fromstring(told[told.index("<svg") : told.index("</svg>") + 6])
    points = [
        tuple(map(float, one.split(",")))
        for one in picture.find("polyline").get("points").split()  # type: ignore[union-attr]
    ]
    assert len(points) == 2
    (left, upper), (right, lower) = points
    assert left < right <= 340
    assert 0 <= upper < lower <= 150
    assert [circle[0].text for circle in picture.findall("circle")] == [
        "9 answers: 4.75",
        "15 answers: 4.50",
    ]


def test_the_examples_are_shown_whole_and_as_text() -> None:
    told = page(en=SEARCHED)
    assert "q &lt;3&gt;?" in told
    assert "a &lt;3&gt; &amp; 磨坊" in told
    assert "c &lt;1&gt;" in told
    assert "q <3>" not in told
    assert told.index("q &lt;3&gt;") < told.index("q &lt;1&gt;")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (Chosen("first", IDS, tuple(ANNOTATED[:2])), "2 annotated examples, the first of 5, not"),
        (
            Chosen("first", IDS[:2], tuple(ANNOTATED[:2]), "only 2 annotated, too few"),
            "not searched. Only 2 annotated, too few.",
        ),
        (Chosen("nearest", IDS), "for each question the closest of 5 annotated examples"),
        (Chosen("none", (), why="no annotated example: zero-shot"), "No annotated example: zero-"),
    ],
)
def test_every_other_way_is_told_in_words(chosen: Chosen, told: str) -> None:
    page_of_both = page(en=chosen, zh=chosen)
    assert page_of_both.count(told) == 2
    assert "<svg" not in page_of_both
    assert "Choosing took" not in page_of_both


def test_bootstrapping_tells_what_became_of_every_question() -> None:
    own = Triplet.of("c", "q", "mine", "en")
    tried = (
        Tried(IDS[4], own, "", 5.0, 0.8),
        Tried(IDS[0], None, "low_grade", 2.0, 0.1),
        Tried(IDS[2], None, "not_supported"),
    )
    told = page(en=Chosen("bootstrapped", IDS, (own,), tried=tried))
    assert "1 of the model's own answers to annotated questions" in told
    assert "the best of 1 that passed every check with grade 4 or 5 (of 3 tried)" in told
    assert rows(told) == [
        ["5", "passed", "5.00", "0.80"],
        ["1", "low_grade", "2.00", "0.10"],
        ["3", "not_supported", "", ""],
    ]


def test_without_a_model_that_writes_there_are_none() -> None:
    told: dict[str, Any] = {"scorer": "{}"}
    assert "answers are sentences of their context" in tell_examples(told)
