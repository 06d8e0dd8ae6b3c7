from __future__ import annotations

import pytest
from hypothesis import given
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
def test_a_place_is_always_inside_the_source(part: str, source: str) -> None:
    place = locate(part, source)
    assert 0 <= place.start <= place.end <= len(source)
    assert 0.0 <= place.explained <= 1.0


@given(texts, texts, texts)
def test_a_verbatim_part_is_found_word_for_word(before: str, part: str, after: str) -> None:
    source = before + part + after
    place = locate(part, source)
    assert source[place.start : place.end] == part
    assert place.explained == 1.0


@given(texts, texts)
def test_the_second_of_two_equal_parts_is_not_taken_for_the_first(part: str, gap: str) -> None:
    source = f"{part}{gap}{part}"
    first = locate(part, source)
    second = locate(part, source, first.end)
    assert second.start >= first.end or not part
    assert source[second.start : second.end] == part


@given(texts, texts, st.integers(0, 20))
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


@pytest.mark.parametrize(
    ("part", "source", "found"),
    [
        ("Anna Berg sold it in 1830.", "Rain fell. She sold it in 1830.", "She sold it in 1830."),
        (
            "In 1801 Tom Hale built a mill.",
            "Frost came early. Tom Hale built a mill in 1801. Frost came late.",
            "Tom Hale built a mill in 1801.",
        ),
        ("李文远后来重修了桥面。", "洪水退了。他后来重修了桥面。", "他后来重修了桥面。"),
        (
            "1801年，李文远在河边修建了水磨坊。",
            "李文远于1801年在河边修建了水磨坊。",
            "李文远于1801年在河边修建了水磨坊。",
        ),
    ],
)
def test_no_word_at_the_edge_of_a_reworded_clause_is_lost(
    part: str, source: str, found: str
) -> None:
    place = locate(part, source)
    assert source[place.start : place.end] == found


def test_a_part_of_sentences_from_anywhere_spans_them_all_and_is_explained() -> None:
    sentences = [f"Stone {word} lies under bridge {word}." for word in "one two six ten".split()]
    between = [f"The water of mill {number} never runs dry in summer." for number in range(9)]
    source = " ".join([*sentences[:3], *between, sentences[3]])
    place = locate(" ".join([sentences[0], sentences[1], sentences[3]]), source)
    assert (source[place.start : place.end], place.explained) == (source, 1.0)


def test_a_name_put_into_the_second_part_does_not_draw_its_place_to_the_first() -> None:
    source = (
        "A tenant of the Brennick allotments may build one shed. "
        "The committee may order a tenant to remove a shed that breaks the limits."
    )
    part = (
        "The committee of the Brennick allotments may order a tenant to remove a shed that breaks "
        "the limits."
    )
    place = locate(part, source, source.index("The committee"))
    assert source[place.start :] == source[source.index("The committee") :]
    assert place.end == len(source)
