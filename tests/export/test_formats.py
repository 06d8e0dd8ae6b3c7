"""Preference pairs from drafts, and conversations from the pairs of a root context."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from augcon.errors import SettingsError
from augcon.export import FORMATS, format_of, write_dataset
from augcon.records import Draft, Granularity, Pair, failed, rejected

FLOOD = "A flood took the wheel of the mill in March 1854, and it was never repaired."
FLOOD_ZH = "洪水在1854年3月冲走了磨坊的水轮，此后再没有修复。"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Asks(Strict):
    role: Literal["user"]
    content: Annotated[str, Field(min_length=1)]


class Answers(Strict):
    role: Literal["assistant"]
    content: Annotated[str, Field(min_length=1)]


class Preference(Strict):
    """A row as a trainer of preferences reads it."""

    prompt: tuple[Asks]
    chosen: tuple[Answers]
    rejected: tuple[Answers]
    id: str
    reason: Annotated[str, Field(min_length=1)]


class Source(Strict):
    document: str
    start: int
    end: int


class Conversation(Strict):
    messages: list[Asks | Answers]
    pairs: list[str]
    source: Source


def pair(
    number: int = 0, answer: str = FLOOD, drafts: Sequence[Draft] = (), **more: object
) -> Pair:
    told = Pair(
        *(f"p{number}", f"What of {number}?", answer, "context", "en", "detail", 1, 0.5),
        *("a.txt", 10 * number, 10 * number + 9, f"c{number}", "r0"),
        drafts=tuple(drafts),
    )
    return replace(told, **more)  # type: ignore[arg-type]


def preferences(*pairs: Pair) -> list[Preference]:
    rows = FORMATS["dpo"].rows(pairs)
    return [Preference.model_validate_json(json.dumps(row)) for row in rows]


def conversations(
    pairs: Sequence[Pair], tmp_path: Path, turns: int | None = None
) -> list[Conversation]:
    path = tmp_path / "out.jsonl"
    count = write_dataset(pairs, path, "conversations", turns)
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == count
    return [Conversation.model_validate_json(line) for line in lines]


@pytest.mark.parametrize(
    ("answer", "lost"), [(FLOOD, "The mill burnt down."), (FLOOD_ZH, "磨坊被烧毁了。")]
)
def test_a_draft_that_lost_is_what_its_pairs_answer_is_better_than(answer: str, lost: str) -> None:
    (found,) = preferences(pair(3, answer, [Draft(lost, rejected("not_supported", "x"))]))
    assert found.prompt[0].content == "What of 3?"
    assert (found.chosen[0].content, found.rejected[0].content) == (answer, lost)
    assert (found.id, found.reason) == ("p3", "not_supported")


@pytest.mark.parametrize("answer", [FLOOD, FLOOD_ZH])
@pytest.mark.parametrize("reason", ["not_supported", "contradicted"])
def test_an_invented_year_is_worth_a_row_although_all_other_words_are_the_same(
    answer: str, reason: str
) -> None:
    wrong = Draft(answer.replace("1854", "1861"), rejected(reason))
    (found,) = preferences(pair(0, answer, [wrong]))
    assert found.rejected[0].content == wrong.text


@pytest.mark.parametrize(
    ("answer", "nearly", "other"),
    [
        (FLOOD, FLOOD.replace("never", "not"), "It ground rye for nine villages."),
        (FLOOD_ZH, FLOOD_ZH.replace("此后", "后来"), "它为九个村子磨黑麦。"),
    ],
)
def test_of_two_that_may_stand_the_other_has_to_say_something_else(
    answer: str, nearly: str, other: str
) -> None:
    less = rejected("less_consistent")
    found = preferences(pair(0, answer, [Draft(nearly, less), Draft(other, less)]))
    assert [row.rejected[0].content for row in found] == [other]


@pytest.mark.parametrize(
    "draft",
    [
        Draft("", rejected("empty_answer")),
        Draft("…", rejected("empty_answer")),
        Draft("", failed("unusable_reply")),
        Draft("It may even be right.", failed("unusable_reply")),
        Draft(FLOOD, rejected("repeats_answer")),
        Draft(f"“{FLOOD}”", rejected("cut_off")),
    ],
)
def test_what_tells_nothing_is_no_row(draft: Draft) -> None:
    assert preferences(pair(0, FLOOD, [draft])) == []


@pytest.mark.parametrize(
    ("answer", "refused", "invented"),
    [
        ("I do not know who owned it.", "Who owned it is not known.", "Tom Hale owned it."),
        ("我不知道它归谁所有。", "它归谁所有，尚不清楚。", "它归李文远所有。"),
    ],
)
def test_of_what_nobody_knows_an_invention_is_worse_and_a_refusal_is_not(
    answer: str, refused: str, invented: str
) -> None:
    drafts = [Draft(refused, rejected("refusal")), Draft(invented, rejected("not_supported"))]
    (found,) = preferences(pair(0, answer, drafts, unknown=True))
    assert (found.rejected[0].content, found.reason) == (invented, "not_supported")
    assert len(preferences(pair(0, answer, drafts))) == 2


def test_several_drafts_of_a_pair_are_several_rows_in_order() -> None:
    drafts = [
        Draft(f"The mill burnt down in {y}.", rejected("not_supported")) for y in (1861, 1862)
    ]
    found = preferences(pair(0, drafts=drafts), pair(1), pair(2, drafts=drafts[:1]))
    assert [(row.id, row.rejected[0].content[-5:]) for row in found] == [
        *(("p0", "1861."), ("p0", "1862."), ("p2", "1861."))
    ]


def test_a_conversation_goes_from_macro_to_detail_then_deeper_then_on_in_the_source(
    tmp_path: Path,
) -> None:
    pairs = [
        pair(1, granularity="detail", depth=3),
        pair(2, granularity="concept", depth=2),
        pair(3, granularity="concept", depth=1, language="zh", answer=FLOOD_ZH),
        pair(5, granularity="concept", depth=1),
        pair(0, granularity="macro", depth=0, start=0, end=99),
        pair(4, granularity="detail", depth=2),
    ]
    (found,) = conversations(pairs, tmp_path)
    assert found.pairs == ["p0", "p3", "p5", "p2", "p4", "p1"]
    assert [m.role for m in found.messages] == ["user", "assistant"] * 6
    assert found.messages[2].content == "What of 3?"
    assert found.messages[3].content == FLOOD_ZH
    assert found.source == Source(document="a.txt", start=0, end=99)


def test_a_root_with_many_pairs_is_dealt_out_so_that_each_conversation_goes_all_the_way(
    tmp_path: Path,
) -> None:
    kinds = ["macro"] * 3 + ["concept"] * 6 + ["detail"] * 12
    pairs = [pair(n, granularity=kind) for n, kind in enumerate(kinds)]
    found = conversations(pairs, tmp_path)
    assert [len(c.pairs) for c in found] == [7, 7, 7]
    by_id = {p.id: p for p in pairs}
    for conversation in found:
        fineness = [Granularity(by_id[i].granularity).fineness for i in conversation.pairs]
        assert fineness == sorted(fineness)
        assert Counter(fineness) == {0: 1, 1: 2, 2: 4}


def test_a_root_of_its_own_is_a_conversation_of_its_own(tmp_path: Path) -> None:
    pairs = [pair(n, root_id=f"r{n // 2}", document=f"{n // 2}.txt") for n in range(6)]
    found = conversations(pairs, tmp_path)
    assert [c.pairs for c in found] == [["p0", "p1"], ["p2", "p3"], ["p4", "p5"]]
    assert [c.source.document for c in found] == ["0.txt", "1.txt", "2.txt"]


@given(
    st.lists(st.tuples(st.sampled_from(list(Granularity)), st.integers(0, 4)), max_size=40),
    st.integers(1, 12),
)
def test_every_pair_is_in_exactly_one_conversation_and_none_is_too_long(
    shapes: list[tuple[Granularity, int]], turns: int
) -> None:
    pairs = [
        pair(n, granularity=kind, depth=depth, root_id=f"r{n // 15}")
        for n, (kind, depth) in enumerate(shapes)
    ]
    rows = format_of("conversations", turns).rows(pairs)
    found = [Conversation.model_validate_json(json.dumps(row)) for row in rows]
    assert sorted(i for c in found for i in c.pairs) == sorted(p.id for p in pairs)
    assert all(1 <= len(c.pairs) <= turns for c in found)


def test_other_formats_have_no_turns_and_a_conversation_has_one_at_least(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not for 'messages'"):
        write_dataset([], tmp_path / "a.jsonl", "messages", 3)
    with pytest.raises(SettingsError, match="at least one turn"):
        write_dataset([], tmp_path / "a.jsonl", "conversations", 0)


@pytest.mark.parametrize("name", ["dpo", "conversations"])
def test_parquet_holds_the_same_rows_as_jsonl(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_table

    drafts = [Draft("The mill burnt down.", rejected("not_supported"))]
    pairs = [pair(0, drafts=drafts), pair(1, FLOOD_ZH, drafts), pair(2, root_id="r1")]
    number = write_dataset(pairs, tmp_path / "a.jsonl", name)
    assert write_dataset(pairs, tmp_path / "a.parquet", name) == number == 2
    told = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert read_table(tmp_path / "a.parquet").to_pylist() == told
