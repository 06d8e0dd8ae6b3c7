"""Of several answers that may stand, the one that the others agree with most."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.answer.consistency import agreements, most_consistent
from augcon.records import Claim, ClaimVerdict, Draft, Verdict, Verification

FLOOD = "A flood took the wheel of the mill in March 1854."
FLOOD_TOO = "In March 1854 a flood took the mill's wheel."
RYE = "It ground rye for nine villages."
FLOOD_ZH = "洪水在1854年3月冲走了磨坊的水轮。"
FLOOD_ZH_TOO = "1854年3月，洪水冲走了磨坊的水轮。"
RYE_ZH = "它为九个村子磨黑麦。"


def verified(score: float) -> Verification:
    return Verification("lexical", (Claim(0, 1, ClaimVerdict.SUPPORTED, score, 0, 0),))


def drafts(*texts: str, scores: tuple[float, ...] = ()) -> list[Draft]:
    told = scores or (1.0,) * len(texts)
    return [
        Draft(text, Verdict(), verified(score), number)
        for number, (text, score) in enumerate(zip(texts, told, strict=True))
    ]


@pytest.mark.parametrize(
    ("one", "too", "other"), [(FLOOD, FLOOD_TOO, RYE), (FLOOD_ZH, FLOOD_ZH_TOO, RYE_ZH)]
)
def test_what_says_the_same_is_more_similar_than_what_does_not(
    one: str, too: str, other: str
) -> None:
    assert agreements([one, one]) == [1, 1]
    assert agreements([one, too])[0] > 0.5 > agreements([one, other])[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FLOOD, FLOOD.replace("1854", "1845")),
        (FLOOD_ZH, FLOOD_ZH.replace("1854", "1845")),
        ("It was repaired.", "It was not repaired."),
        ("它修复了。", "它没有修复。"),
        ("Yes.", "No."),
    ],
)
def test_a_number_or_a_denial_is_something_that_is_said(one: str, other: str) -> None:
    assert agreements([one, other])[0] < 1


def test_answers_without_a_word_of_content_are_compared_by_all_their_words() -> None:
    assert agreements(["It is.", "It is."]) == [1, 1]
    assert agreements(["It is.", "They were."]) == [0, 0]


@pytest.mark.parametrize(
    ("one", "too", "other"), [(FLOOD, FLOOD_TOO, RYE), (FLOOD_ZH, FLOOD_ZH_TOO, RYE_ZH)]
)
def test_the_answer_that_the_others_agree_with_is_taken_wherever_it_stands(
    one: str, too: str, other: str
) -> None:
    both = f"{one} {other}"
    for texts in permutations((one, too, other, both)):
        assert most_consistent(drafts(*texts)).text == both


def test_what_is_said_most_often_wins() -> None:
    assert most_consistent(drafts(RYE, FLOOD, FLOOD)).text == FLOOD


def test_of_equals_the_better_verified_one_is_taken_and_then_the_first() -> None:
    assert most_consistent(drafts(FLOOD, RYE, scores=(0.5, 0.75))).text == RYE
    assert most_consistent(drafts(FLOOD, RYE)).text == FLOOD
    unverified = [Draft(text, Verdict(), None, n) for n, text in enumerate((RYE, FLOOD))]
    assert most_consistent(unverified).text == RYE


@given(st.lists(st.sampled_from([FLOOD, FLOOD_TOO, RYE, FLOOD_ZH, RYE_ZH]), min_size=1, max_size=6))
def test_agreement_is_a_share_and_does_not_depend_on_the_order(texts: list[str]) -> None:
    found = agreements(texts)
    assert all(0 <= share <= 1 for share in found)
    assert agreements(texts[::-1]) == found[::-1]
    chosen = most_consistent(drafts(*texts))
    assert found[chosen.number] == max(found)
