from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.tree.spans import locate

letters = st.sampled_from([*"ab。 ,.石桥镇水\nİ", "mill ", "the ", "bridge "])
texts = st.lists(letters, max_size=14).map("".join)

ENGLISH = (
    "The mill of Harwick was built in 1801. Tom Hale paid for it. "
    "In 1830 the mill burned down. The mill was rebuilt by his son, who added a second wheel."
)
CHINESE = (
    "青石镇的石桥于1801年修建，由李文远出资。1830年洪水冲垮了石桥。"
    "他的儿子后来重修了石桥，并加宽了桥面。"
)


@given(texts, texts)
@settings(deadline=None)
def test_a_place_is_always_inside_the_source(part: str, source: str) -> None:
    place = locate(part, source)
    assert 0 <= place.start <= place.end <= len(source)
    assert 0.0 <= place.explained <= 1.0


@given(texts, texts, texts)
@settings(deadline=None)
def test_a_verbatim_part_is_found_word_for_word(before: str, part: str, after: str) -> None:
    source = before + part + after
    place = locate(part, source)
    assert source[place.start : place.end] == part
    assert place.explained == 1.0


@given(texts, texts)
@settings(deadline=None)
def test_the_second_of_two_equal_parts_is_not_taken_for_the_first(part: str, gap: str) -> None:
    source = f"{part}{gap}{part}"
    first = locate(part, source)
    second = locate(part, source, first.end)
    assert second.start >= first.end or not part
    assert source[second.start : second.end] == part


@given(texts, texts, st.integers(0, 20))
@settings(deadline=None)
def test_a_part_that_lies_before_the_offset_alone_is_found_all_the_same(
    part: str, source: str, after: int
) -> None:
    place = locate(part, source, after)
    assert 0 <= place.start <= place.end <= len(source)


@pytest.mark.parametrize(
    ("part", "source", "found"),
    [
        # a pronoun was replaced by the name it stands for
        (
            "Tom Hale's son rebuilt the mill and added a second wheel.",
            ENGLISH,
            "The mill was rebuilt by his son, who added a second wheel.",
        ),
        ("In 1830 the mill of Harwick burned down.", ENGLISH, "In 1830 the mill burned down."),
        ("1830年，一场洪水冲垮了石桥。", CHINESE, "1830年洪水冲垮了石桥。"),
        (
            "李文远的儿子后来重修了石桥，并加宽了桥面。",
            CHINESE,
            "儿子后来重修了石桥，并加宽了桥面。",
        ),
    ],
)
def test_a_rewritten_part_is_placed_on_the_sentence_it_was_made_from(
    part: str, source: str, found: str
) -> None:
    place = locate(part, source)
    stretch = source[place.start : place.end]
    assert place.explained < 1.0
    assert stretch.endswith(found[-8:])
    assert found in stretch or stretch in found


def test_a_stray_word_far_away_does_not_widen_the_place() -> None:
    source = (
        "The start. " + "Nothing of this is wanted at all here. " * 5 + "Mills grind corn well."
    )
    place = locate("The mills grind corn well", source)
    assert source[place.start : place.end] == "Mills grind corn well."


def test_a_part_that_shares_nothing_is_given_the_whole_and_says_so() -> None:
    assert locate("xyz", "The mill.") == (0, 9, 0.0)
