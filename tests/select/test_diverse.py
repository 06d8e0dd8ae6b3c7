"""Nothing but time is saved: against the plain loop over the plain definition."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import augcon
from augcon.errors import SettingsError
from augcon.rouge import rouge_l_tokens, tokens
from augcon.select import diverse
from augcon.select.diverse import Measure, first_repeated, select_diverse

SHARES = [1e-9, 0.1, 0.3, 0.5, 2 / 3, 0.7, 0.75, 0.9, 1.0]
MEASURES: list[Measure] = ["precision", "f1"]

thresholds = st.sampled_from(SHARES) | st.floats(1e-6, 1.0)
measures = st.sampled_from(MEASURES)
few = st.lists(st.sampled_from("abc"), max_size=8)
frequent_and_rare = st.lists(
    st.sampled_from(["the"] * 6 + ["of"] * 3 + [f"w{number}" for number in range(12)]), max_size=14
)
alike = st.lists(st.sampled_from("abcdefghij"), min_size=9, max_size=11)
texts = st.lists(few | frequent_and_rare, max_size=24) | st.lists(alike, max_size=24)
wordings = st.lists(
    st.text(st.sampled_from("石桥何时修建的，？ab Aé9 "), max_size=14), min_size=2, max_size=12
)


def plain_loop(
    texts: Sequence[Sequence[str]], threshold: float, measure: Measure
) -> list[int | None]:
    """The rule word for word, over all pairs that it compares."""
    kept: list[int] = []
    found = []
    for place, text in enumerate(texts):
        repeated = next(
            (k for k in kept if getattr(rouge_l_tokens(text, texts[k]), measure) >= threshold), None
        )
        if repeated is None:
            kept.append(place)
        found.append(repeated)
    return found


@given(texts, thresholds, measures)
@settings(max_examples=2000)
@example([["a", "a", "a"], ["a"], ["a", "a"], ["a", "b", "a"]], 2 / 3, "precision")
@example([["a", "b"], ["b", "a"], ["b", "a", "b"]], 1.0, "f1")
@example([[], ["a"], [], ["a"]], 1e-9, "precision")
def test_it_finds_what_the_plain_loop_finds(
    texts: list[list[str]], threshold: float, measure: Measure
) -> None:
    assert first_repeated(texts, threshold, measure) == plain_loop(texts, threshold, measure)


@given(wordings, thresholds, measures)
@settings(max_examples=200)
def test_what_is_kept_is_below_the_threshold_to_every_kept_one_before_it_in_any_language(
    questions: list[str], threshold: float, measure: Measure
) -> None:
    kept: list[int] = []
    for place, question in enumerate(questions):
        if all(getattr(augcon.rouge_l(question, questions[k]), measure) < threshold for k in kept):
            kept.append(place)
    assert select_diverse(questions, threshold, measure) == kept


@given(texts, texts, thresholds)
@settings(max_examples=300)
def test_what_is_given_is_kept_even_where_it_repeats_something(
    given_first: list[list[str]], others: list[list[str]], threshold: float
) -> None:
    kept, found = list(range(len(given_first))), []
    both = [*given_first, *others]
    for place in range(len(given_first), len(both)):
        repeated = (k for k in kept if rouge_l_tokens(both[place], both[k]).precision >= threshold)
        found.append(next(repeated, None))
        if found[-1] is None:
            kept.append(place)
    assert first_repeated(both, threshold, given=len(given_first))[len(given_first) :] == found


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("n_words", [5, 40, 3000])
def test_many_texts_are_judged_as_by_all_pairs(
    n_words: int, threshold: float, measure: Measure
) -> None:
    draw = random.Random(n_words)
    made: list[list[str]] = []
    for _ in range(500):
        text = [f"w{int(n_words * draw.random() ** 3)}" for _ in range(draw.randrange(16))]
        if made and draw.random() < 0.4:  # nearly one that was there
            text = list(draw.choice(made))
            text[draw.randrange(len(text) + 1) :] = text[: draw.randrange(4)]
        made.append(text)
    assert first_repeated(made, threshold, measure) == plain_loop(made, threshold, measure)


@pytest.mark.parametrize("length", [*range(1, 41), 100, 1000])
@pytest.mark.parametrize("threshold", [0.1, 0.35, 0.55, 0.7, 0.9, 1.0])
def test_a_share_that_is_exactly_the_threshold_is_a_repetition(
    length: int, threshold: float
) -> None:
    kept = [f"a{number}" for number in range(length)]
    at = int(threshold * length)
    for common in range(max(0, at - 1), min(length, at + 2) + 1):
        text = [*kept[:common], *(f"b{number}" for number in range(length - common))]
        reached = common >= 1 and 100 * common >= round(100 * threshold) * length
        for measure in MEASURES:
            assert first_repeated([kept, text], threshold, measure) == [
                None,
                0 if reached else None,
            ]


def test_the_precision_is_that_of_the_later_question_against_the_kept_one() -> None:
    short, long = "Who built it?", "Who built it on the hill, and who paid for all of the stone?"
    assert select_diverse([long, short]) == [0]
    assert select_diverse([short, long]) == [0, 1]
    assert select_diverse([long, short], measure="f1") == [0, 1]


def test_a_dropped_question_drops_no_other() -> None:
    chain = ["a b c d e f g h i j", "a b c d e f g x y z", "a b c d p q g x y z"]
    assert augcon.rouge_l(chain[2], chain[1]).precision == 0.8
    assert select_diverse(chain) == [0, 2]


def test_it_is_the_first_kept_one_that_is_told() -> None:
    assert first_repeated([["a", "b", "c"], ["c", "b", "a"], ["b"]], 0.7) == [None, None, 0]


def test_questions_without_a_token_are_kept_and_none_is_fine() -> None:
    assert select_diverse(["", "?!", "Who?", "", "who"]) == [0, 1, 2, 3]
    assert select_diverse([]) == []
    assert select_diverse(iter(["One?", "One?"])) == [0]


@given(texts, thresholds, measures)
@settings(max_examples=100)
def test_more_words_than_there_are_characters_change_nothing(
    texts: list[list[str]], threshold: float, measure: Measure
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diverse, "CHARACTERS", 1)
        assert first_repeated(texts, threshold, measure) == plain_loop(texts, threshold, measure)


def test_words_whose_characters_are_surrogates_are_words_like_others() -> None:
    many = [[f"w{number}"] for number in range(0xE100)]
    repeated = first_repeated([*many, ["w55300", "w57000", "w57000"]], 0.3)
    assert repeated == [*[None] * len(many), 55300]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(SettingsError, match="threshold"):
        select_diverse(["Who?"], threshold)


def test_a_measure_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingsError, match="neither 'precision' nor 'f1'"):
        select_diverse(["Who?"], measure="recall")  # type: ignore[arg-type]


def test_tokens_are_those_of_rouge() -> None:
    assert tokens("青石镇的石桥") == ["青石", "镇", "的", "石桥"]
    assert select_diverse(["青石镇的石桥是何时修建的？", "石桥是何时修建的？"]) == [0]
