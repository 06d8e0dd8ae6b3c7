"""How many "I don't know" pairs are kept, and which."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from augcon.records import Asked
from augcon.rouge import rouge_l
from augcon.select import choose_unknown, most_unknown

SHARES = st.floats(0, 0.5, exclude_max=True, allow_subnormal=False)
WORDS = st.lists(
    st.sampled_from("mill wheel tower who built it 石桥 何时 修建".split()), max_size=6
)
TEXTS = st.lists(WORDS.map(" ".join), max_size=12)


def asked(texts: list[str], prefix: str = "u") -> list[Asked]:
    return [Asked(f"{prefix}{n}", f"root{n % 3}", text, 0.0) for n, text in enumerate(texts)]


@given(st.integers(0, 100_000), SHARES)
def test_the_share_is_never_passed_and_one_more_would_pass_it(answered: int, share: float) -> None:
    most = most_unknown(answered, share)
    exact = Fraction(str(share))
    assert most <= exact * (answered + most)
    assert most + 1 > exact * (answered + most + 1)


def test_shares_that_come_out_even_are_reached() -> None:
    assert [most_unknown(n, 0.2) for n in (3, 4, 7, 8, 40)] == [0, 1, 1, 2, 10]
    assert most_unknown(9, 0.1) == 1
    assert most_unknown(90, 0.1) == 10
    assert most_unknown(1000, 0) == most_unknown(0, 0.3) == 0


@given(TEXTS, TEXTS, st.integers(0, 8), st.sampled_from([0.5, 0.7, 1.0]))
def test_none_is_kept_that_repeats_an_answered_question_or_another_that_is_kept(
    unanswered: list[str], answered: list[str], most: int, threshold: float
) -> None:
    chosen = choose_unknown(asked(unanswered), asked(answered, "a"), threshold, most, 0)
    assert len(chosen) <= most
    for place, question in enumerate(chosen):
        others = [*answered, *(other.text for other in chosen[:place])]
        assert all(rouge_l(question.text, text).precision < threshold for text in others)


@given(TEXTS, st.integers(0, 5), st.randoms())
def test_the_order_in_which_they_come_does_not_matter_and_more_room_only_adds(
    texts: list[str], most: int, random: object
) -> None:
    found, shuffled = asked(texts), asked(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = choose_unknown(found, [], 0.7, most, 3)
    assert choose_unknown(shuffled, [], 0.7, most, 3) == chosen
    assert choose_unknown(found, [], 0.7, most + 1, 3)[:most] == chosen


def test_an_answered_question_counts_even_where_it_repeats_another() -> None:
    answered = ["who built the old mill tower", "who built the old mill gate now"]
    only_like_second = ["built the old mill gate now"]
    assert choose_unknown(asked(only_like_second), asked(answered, "a"), 0.6, 9, 0) == []


def test_they_are_drawn_from_all_over_by_the_seed() -> None:
    found = asked([f"word{n} other{n} third{n}" for n in range(60)])
    one, two = (choose_unknown(found, [], 0.7, 10, seed) for seed in (0, 1))
    assert len(one) == len(two) == 10
    assert one != two
    numbers = [int(question.id[1:]) for question in one]
    assert min(numbers) < 20
    assert max(numbers) > 40
