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
        ("19世纪60年代", [1860]),
        ("十九世纪六十年代的19匹马", [19, 1860]),
        ("约3成的羊，三成五的牛", [30, 35]),
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
        "一成不变，合二成一，三成员，三成语",
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
        ("19世纪60年代", "in the 1860s"),
        ("the 1860s", "19世纪60年代"),
        ("the 1860s", "十九世纪六十年代"),
        ("19世纪70年代", "19世纪60年代和70年代"),
        ("19世纪70年代", "in the 1860s and '70s"),
        ("60年代", "in the sixties"),
        ("19世纪", "in the nineteenth century"),
        ("21世纪", "in the twenty-first century"),
        ("Thirty percent", "三成"),
        ("35 percent", "三成五"),
        ("3成", "thirty percent"),
        ("21点30分", "at 9:30 p.m."),
        ("21点30分", "at 9:30 in the evening"),
        ("9:30 p.m.", "21点30分"),
        ("9:30 p.m.", "晚上九点半"),
        ("21:30", "晚上9点半"),
        ("9 a.m.", "上午9点"),
        ("0点15分", "at 12:15 a.m."),
        ("12点", "at noon"),
    ],
)
def test_a_number_is_found_again_in_another_notation(answer: str, context: str) -> None:
    assert set(values(answer)) <= readings(context)


@pytest.mark.parametrize(
    ("answer", "context"),
    [
        ("19世纪60年代", "in the 1850s"),
        ("the 1860s", "18世纪60年代"),
        ("Thirty percent", "五成"),
        ("3成", "3 sheep"),
        ("21点30分", "at 9:30 a.m."),
        ("9:30 p.m.", "20点30分"),
        ("21:30", "上午9点半"),
    ],
)
def test_another_number_is_not_found(answer: str, context: str) -> None:
    assert not set(values(answer)) <= readings(context)


@given(st.integers(11, 999_999))
def test_figures_are_held_by_themselves_with_and_without_separators(number: int) -> None:
    assert values(f"{number:,}") == values(str(number)) == [number]
    assert number in readings(f"about {number:,}!") & readings(f"about {number}!")


@given(st.text())
def test_any_text_can_be_read_and_holds_what_it_says(text: str) -> None:
    assert {number.value for number in numbers(text)} <= readings(text)
