"""A number is known by its value, however it is written, and a word that is none is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.answer.numbers import numbers, readings


def values(text: str) -> list[float]:
    return sorted(number.value for number in numbers(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3,500 sheep", [3500]),
        ("three thousand five hundred sheep", [3500]),
        ("Three hundred and forty-two", [342]),
        ("in nineteen ninety-five", [1995]),
        ("1.5 million crowns", [1_500_000]),
        ("on March 3rd, 1995", [3, 1995]),
        ("12 %", [12]),
        ("３５０", [350]),
        ("三千五百只羊", [3500]),
        ("两千零五十", [2050]),
        ("一万三千", [13_000]),
        ("35万人", [350_000]),
        ("十五头牛", [15]),
        ("百分之三", [3]),
        ("第十二条", [12]),
        ("二〇二三年十二月", [12, 2023]),
    ],
)
def test_numbers_are_read_in_figures_and_in_words(text: str, expected: list[float]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "one of the two reasons",
        "1. First item\n2) Second item",
        "thousands of millions, a million times",
        "一些人十分高兴，千万不要着急，万一下雨",
        "四五个人",
        "百姓",
        "",
    ],
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert values(text) == []


@pytest.mark.parametrize(
    ("answer", "context"),
    [
        ("3 May 1907", "on the third of May, 1907"),
        ("1907年5月3日", "May 3rd, 1907"),
        ("二〇二三年", "2023"),
        ("3,500", "three thousand five hundred"),
        ("百分之三十", "30%"),
        ("five hundred thousand", "0.5 million"),
        ("350000", "35万"),
        ("thirty-one", "31"),
        ("2.5", "version 2.5.1"),
        ("twelve thousand", "a dozen, that is 12,000"),
    ],
)
def test_a_number_is_found_again_in_another_notation(answer: str, context: str) -> None:
    assert set(values(answer)) <= readings(context)


@given(st.integers(11, 999_999))
def test_figures_are_held_by_themselves_with_and_without_separators(number: int) -> None:
    assert values(f"{number:,}") == values(str(number)) == [number]
    assert number in readings(f"about {number:,}!") & readings(f"about {number}!")


@given(st.text())
def test_any_text_can_be_read_and_holds_what_it_says(text: str) -> None:
    assert {number.value for number in numbers(text)} <= readings(text)
