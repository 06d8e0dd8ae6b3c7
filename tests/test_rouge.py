from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon import rouge_l
from augcon.rouge import rouge_l_tokens, token_spans, tokens

few_words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)
english = st.lists(
    st.sampled_from(
        "The the a of mill Mill's state-of-the-art, 1801. (1801) A1-b2 who? WHO's _x_ --".split()
    ),
    max_size=16,
).map(" ".join)
mixed = st.text(st.sampled_from("aB9 .,_-'éİKß的石桥在东陵々ア\U00020000\n"), max_size=30)


def longest_common_subsequence(a: list[str], b: list[str]) -> int:
    """The textbook's table, with nothing of the library in it."""
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            lengths[i + 1][j + 1] = (
                lengths[i][j] + 1 if x == y else max(lengths[i][j + 1], lengths[i + 1][j])
            )
    return lengths[-1][-1]


@given(few_words, few_words)
def test_it_equals_the_longest_common_subsequence_over_the_lengths(
    candidate: list[str], reference: list[str]
) -> None:
    found = rouge_l_tokens(candidate, reference)
    common = longest_common_subsequence(candidate, reference)
    if not candidate or not reference:
        assert found == (0.0, 0.0, 0.0)
        return
    precision, recall = common / len(candidate), common / len(reference)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    assert found == pytest.approx((precision, recall, f1), rel=0, abs=1e-12)


@given(english, english)
def test_english_scores_as_the_published_scorer_defines_it(one: str, other: str) -> None:
    candidate, reference = (
        re.sub(r"[^a-z0-9]+", " ", text.lower()).split() for text in (one, other)
    )
    found = rouge_l(one, other)
    common = longest_common_subsequence(candidate, reference)
    precision, recall = common / max(len(candidate), 1), common / max(len(reference), 1)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    assert found == pytest.approx((precision, recall, f1), rel=0, abs=1e-12)


@given(mixed, mixed)
def test_precision_one_way_is_recall_the_other_way(one: str, other: str) -> None:
    there, back = rouge_l(one, other), rouge_l(other, one)
    assert there.precision == back.recall
    assert there.f1 == pytest.approx(back.f1)
    assert all(0.0 <= value <= 1.0 for value in there)


@given(mixed)
def test_a_text_is_all_of_itself(text: str) -> None:
    assert rouge_l(text, text).precision == (1.0 if tokens(text) else 0.0)


@given(mixed, mixed, mixed)
def test_a_text_is_all_of_whatever_holds_it_between_spaces(a: str, text: str, b: str) -> None:
    if tokens(text):
        assert rouge_l(text, f"{a} {text} {b}").precision == 1.0


@given(mixed)
def test_token_spans_say_where_the_tokens_stand(text: str) -> None:
    spans = token_spans(text)
    assert [span.text for span in spans] == tokens(text)
    assert all(text[span.start : span.end].lower() == span.text for span in spans)
    ends = [0, *(span.end for span in spans)]
    assert all(end <= span.start for end, span in zip(ends, spans, strict=False))


@pytest.mark.parametrize(
    ("candidate", "reference", "precision", "recall"),
    [
        # the, cat, sat | the, cat, on, the, mat: two in common
        ("The cat sat.", "the cat on the mat", 2 / 3, 2 / 5),
        # order counts: only one of the two words is in sequence
        ("mat cat", "the cat on the mat", 1 / 2, 1 / 5),
        # a token is taken once: "the the the" finds two
        ("the the the", "the cat on the mat", 2 / 3, 2 / 5),
        # words are runs of letters and digits, as in the published scorer
        ("state-of-the-art", "the state of the art", 4 / 4, 4 / 5),
        ("?!", "the cat", 0.0, 0.0),
        # 石桥, 修建 in common; 何时, 的 are not in the reference
        ("石桥何时修建的", "石桥修建", 2 / 4, 2 / 2),
        ("北京", "上海", 0.0, 0.0),
        ("用Python写代码", "用 Python 写 代码", 1.0, 1.0),
    ],
)
def test_values_worked_out_by_hand(
    candidate: str, reference: str, precision: float, recall: float
) -> None:
    found = rouge_l(candidate, reference)
    assert found.precision == pytest.approx(precision)
    assert found.recall == pytest.approx(recall)


def test_case_does_not_matter() -> None:
    assert rouge_l("THE CAT", "the cat").f1 == 1.0
