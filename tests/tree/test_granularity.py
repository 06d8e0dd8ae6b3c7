from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.corpus import count_units
from augcon.records import Context, Document, Granularity
from augcon.tree import Tree, expected_nodes, granularity_of
from tests.small_corpora import chinese, english
from tests.tree.test_grow import Scripted, halves, root_of

MACRO, CONCEPT, DETAIL = Granularity


def root(units: int) -> Context:
    """A root of so many units, each of which is one letter."""
    return Context.root(Document.of("a.txt", "字" * units, "zh"), 0, units, units, "zh")


def part(whole: Context, units: int, span: int | None = None) -> Context:
    length = units if span is None else span
    return whole.child(whole.text[:units], units, 0, length)


@pytest.mark.parametrize(
    ("units", "kind"),
    [(500, MACRO), (250, MACRO), (249, CONCEPT), (75, CONCEPT), (74, DETAIL), (20, DETAIL)],
)
def test_the_share_of_its_root_tells_what_a_question_is(units: int, kind: Granularity) -> None:
    whole = root(500)
    assert granularity_of(part(whole, units), whole) is kind


@pytest.mark.parametrize(
    ("units", "kind"),
    [(20, DETAIL), (39, DETAIL), (40, CONCEPT), (99, CONCEPT), (100, MACRO), (800, MACRO)],
)
def test_a_root_that_is_a_sentence_gives_a_detail_and_one_below_a_paragraph_nothing_macro(
    units: int, kind: Granularity
) -> None:
    assert granularity_of(root(units), root(units)) is kind


def test_a_text_from_here_and_there_is_taken_for_what_it_holds_and_not_for_what_it_spans() -> None:
    whole = root(500)
    assert granularity_of(part(whole, 120, span=490), whole) is CONCEPT
    assert granularity_of(part(whole, 300, span=60), whole) is DETAIL


@given(st.integers(1, 2000), st.data())
def test_a_part_is_never_coarser_than_what_it_is_a_part_of(units: int, data: st.DataObject) -> None:
    whole = root(units)
    larger = data.draw(st.integers(1, units))
    smaller = data.draw(st.integers(1, larger))
    kinds = [granularity_of(part(whole, length), whole) for length in (larger, smaller)]
    assert kinds[0].fineness <= kinds[1].fineness


def divided(
    context: Context, whole: Context, least: int, draw: random.Random
) -> Iterator[Granularity]:
    """The kinds of the nodes of a tree whose contexts are cut somewhere around the middle."""
    if context.units >= least:
        yield granularity_of(context, whole)
        first = round(draw.uniform(0.3, 0.7) * context.units)
        for units in (first, context.units - first):
            yield from divided(part(whole, units), whole, least, draw)


@pytest.mark.parametrize(("least", "lengths"), [(20, range(200, 600)), (60, range(100, 900))])
def test_the_expected_kinds_are_those_of_trees_on_average(least: int, lengths: range) -> None:
    draw, counts = random.Random(1), Counter[Granularity]()
    expected = dict.fromkeys(Granularity, 0.0)
    for units in lengths:
        counts.update(divided(root(units), root(units), least, draw))
        for kind, number in expected_nodes(units, least).items():
            expected[kind] += number
    for kind in Granularity:
        share = expected[kind] / sum(expected.values())
        assert share == pytest.approx(counts[kind] / counts.total(), abs=0.05)


def test_a_root_of_one_node_is_expected_to_give_one_question_of_its_own_kind() -> None:
    assert expected_nodes(25, 20) == {MACRO: 0.0, CONCEPT: 0.0, DETAIL: 1.0}
    assert expected_nodes(120, 110) == {MACRO: 1.0, CONCEPT: 0.0, DETAIL: 0.0}


@pytest.mark.parametrize(("text", "language"), [(english(1, 40), "en"), (chinese(1, 30), "zh")])
@pytest.mark.parametrize("finest", [*Granularity])
async def test_a_pass_for_what_is_short_asks_about_nothing_finer_and_all_the_rest(
    text: str, language: str, finest: Granularity
) -> None:
    whole = root_of(text, language)
    assert count_units(text) > 300
    every = await Tree(Scripted(halves), 20, 0.7).grow(whole, 1)
    asked = {n.question for n in every if n.question}
    assert {q.granularity for q in asked} == {*Granularity}
    assert all(q.granularity is granularity_of(q.context, whole) for q in asked)
    divider = Scripted(halves)
    some = await Tree(divider, 20, 0.7).grow(whole, 1, finest)
    wanted = {q for q in asked if q.granularity.fineness <= finest.fineness}
    assert {n.question for n in some if n.question} == wanted
    assert len(divider.asked) == len(wanted)
    reasons = {n.verdict.reason for n in some if not n.verdict.kept}
    assert reasons <= {"share_full", "below_min_units"}
    assert ("share_full" in reasons) == (finest is not DETAIL)
