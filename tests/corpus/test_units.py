from __future__ import annotations

import time

import pytest
from hypothesis import given

from augcon.corpus import count_units

from .hard_texts import texts


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", 0),
        (" \n\t", 0),
        ("。，！…", 0),
        ("three short words", 3),
        ("don't stop, it’s state-of-the-art", 4),
        ("3.5 m and 1,000 km", 5),
        ("end.Next", 2),
        ("snake_case", 2),
        ("中国的首都", 5),
        ("𠀀𠀁", 2),
        ("カタカナとひらがな", 9),
        ("か\u3099", 1),
        ("re\u0301sume\u0301", 1),
        ("हिन्दी भाषा", 2),
        ("한국어 문장", 2),
        ("用Python写代码", 5),
        ("👨‍👩‍👧 ok", 1),
    ],
)
def test_a_cjk_character_or_a_word_of_another_script_is_one_unit(text: str, units: int) -> None:
    assert count_units(text) == units


@given(texts, texts)
def test_cutting_a_text_never_makes_its_parts_shorter_than_the_whole(left: str, right: str) -> None:
    assert count_units(left + right) <= count_units(left) + count_units(right)


@given(texts, texts)
def test_texts_apart_count_as_the_sum_of_both(left: str, right: str) -> None:
    assert count_units(f"{left}\n{right}") == count_units(left) + count_units(right)


@pytest.mark.parametrize(
    ("piece", "units"),
    [
        ("word ", 200_000),
        ("中", 1_000_000),
        ("a", 1),
        ("a-", 1),
        ("1,", 1),
        ("\u0301", 0),
        (" ", 0),
    ],
)
def test_a_million_characters_are_counted_in_linear_time(piece: str, units: int) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    assert count_units(text) == units
    assert time.process_time() - started < 2
