from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.corpus import count_units
from augcon.records import (
    UNSCORED,
    Asked,
    Context,
    Document,
    Question,
    State,
    Verdict,
    failed,
    rejected,
)
from augcon.rouge import rouge_l, tokens
from augcon.select import choose, find_repeats, quota_of

TEXT = "The mill of Harwick was built in 1801."
ROOT = Context.root(Document.of("a.txt", TEXT, "en"), 0, len(TEXT), 8, "en")

words = st.sampled_from(["mill", "bridge", "old", "who", "石桥", "何时", "?", "。", "⺀"])
texts = st.lists(words, max_size=7).map(" ".join)
scores = st.sampled_from([UNSCORED, -1.0, 0.0, 0.5, 2.0])
asked = st.lists(
    st.builds(
        lambda text, score, number: dataclasses.replace(
            Question.of(ROOT, text, number), score=score
        ),
        texts,
        scores,
        st.integers(0, 3),
    ),
    max_size=14,
)


def question(text: str, score: float = 0.0) -> Question:
    return dataclasses.replace(Question.of(ROOT, text, 0), score=score)


def verdicts(*questions: Question, quota: int = 9, threshold: float = 0.7) -> dict[str, str]:
    return {
        judged.question.text: judged.verdict.reason or judged.verdict.state.value
        for judged in choose(questions, quota, threshold)
    }


@given(asked, st.integers(1, 5), st.sampled_from([0.3, 0.7, 1.0]), st.integers(1, 4))
def test_every_question_gets_one_verdict_and_what_is_kept_keeps_the_rules(
    questions: list[Question], quota: int, threshold: float, min_units: int
) -> None:
    judged = choose(questions, quota, threshold, min_units)
    assert Counter(j.question for j in judged) == Counter(questions)
    assert [j.place for j in judged] == list(range(len(questions)))
    ranked = [j.question.score for j in judged]
    assert ranked == sorted(ranked, reverse=True)
    kept = [j.question for j in judged if j.verdict.kept]
    assert len(kept) <= quota
    assert len({q.id for q in kept}) == len(kept)
    for place, later in enumerate(kept):
        assert later.score != UNSCORED
        for earlier in kept[:place]:
            assert rouge_l(later.text, earlier.text).precision < threshold
    for each in judged:
        assert each.verdict.kept or each.verdict.reason
        if each.verdict.reason == "over_quota":
            assert len(kept) == quota
        if each.verdict.reason == "too_similar":
            nearest = max(rouge_l(each.question.text, k.text).precision for k in kept)
            assert nearest >= threshold


@given(asked, st.integers(1, 5), st.sampled_from([0.3, 0.5, 0.7, 1.0]), st.integers(1, 4))
@settings(max_examples=300)
def test_the_verdicts_are_those_of_one_walk_down_the_ranking(
    questions: list[Question], quota: int, threshold: float, min_units: int
) -> None:
    kept: list[Question] = []
    told = []
    for each in sorted(questions, key=lambda q: (-q.score, q.id, q.pass_number)):
        repeated = [k for k in kept if rouge_l(each.text, k.text).precision >= threshold]
        if each.score == UNSCORED:
            told.append(failed("no_score"))
        elif not tokens(each.text) or count_units(each.text) < min_units:
            told.append(rejected("too_short"))
        elif len(kept) >= quota:
            told.append(rejected("over_quota"))
        elif repeated:
            told.append(rejected("too_similar", f"to question {repeated[0].id}"))
        else:
            told.append(Verdict())
            kept.append(each)
    assert [judged.verdict for judged in choose(questions, quota, threshold, min_units)] == told


@given(asked, st.randoms(use_true_random=False))
def test_the_order_in_which_questions_came_does_not_matter(
    questions: list[Question], draw: object
) -> None:
    shuffled = list(questions)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(shuffled, 3, 0.7) == choose(questions, 3, 0.7)


def test_the_best_are_kept_until_the_quota_is_full() -> None:
    found = verdicts(
        question("Who built the mill?", 1.0),
        question("When did Anna write?", 3.0),
        question("How deep is water?", 2.0),
        quota=2,
    )
    assert found == {
        "When did Anna write?": "kept",
        "How deep is water?": "kept",
        "Who built the mill?": "over_quota",
    }


def test_a_repetition_does_not_use_up_the_quota() -> None:
    found = verdicts(
        question("When was the mill built?", 3.0),
        question("When was the mill of Harwick built?", 2.0),
        question("Who paid?", 1.0),
        quota=2,
    )
    assert found["When was the mill of Harwick built?"] == "too_similar"
    assert found["Who paid?"] == "kept"


def test_a_precision_at_the_threshold_is_a_repetition_and_one_below_is_none() -> None:
    first = question("a b c d e f g h i j", 2.0)
    seven, six = question("a b c d e f g x y z", 1.0), question("a b c d e f u x y z", 1.0)
    assert verdicts(first, seven)[seven.text] == "too_similar"
    assert verdicts(first, six)[six.text] == "kept"


def test_precision_counts_and_not_recall_so_that_a_longer_question_may_follow() -> None:
    short, long = question("old mill", 2.0), question("who sold that old mill last May", 1.0)
    assert verdicts(short, long)[long.text] == "kept"
    assert verdicts(dataclasses.replace(long, score=3.0), short)[short.text] == "too_similar"


def test_chinese_repetitions_are_found() -> None:
    found = verdicts(
        question("青石镇的石桥是何时修建的？", 2.0), question("石桥是何时修建的？", 1.0)
    )
    assert found["石桥是何时修建的？"] == "too_similar"


def test_a_question_without_a_score_has_failed() -> None:
    unscored = question("Who built it?", UNSCORED)
    unscored = dataclasses.replace(unscored, no_score="server_fault: it is ill")
    (judged,) = choose([unscored], 5, 0.7)
    assert (judged.verdict.state, judged.verdict.reason) == (State.FAILED, "no_score")
    assert judged.verdict.detail == "server_fault: it is ill"


@pytest.mark.parametrize(
    ("text", "reason"), [("", "too_short"), ("?!", "too_short"), ("⺀⺁⺂", "too_short")]
)
def test_a_question_without_a_word_is_too_short(text: str, reason: str) -> None:
    assert verdicts(question(text)) == {text: reason}


def test_equal_scores_go_by_id() -> None:
    questions = [question(f"{word} alone") for word in ("one", "two", "three", "four")]
    judged = choose(questions, 9, 1.0)
    ids = [j.question.id for j in judged]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("units", "per_pair", "quota"),
    [(1, 35, 1), (52, 35, 1), (53, 35, 2), (350, 35, 10), (500, 35, 14), (10, 0.5, 20)],
)
def test_a_root_has_a_quota_by_its_length_and_at_least_one(
    units: int, per_pair: float, quota: int
) -> None:
    assert quota_of(units, per_pair) == quota


def test_a_question_that_repeats_a_better_one_of_another_root_is_found() -> None:
    asked = [
        Asked("d", "root 1", "When was the mill built?", 1.0),
        Asked("c", "root 2", "When was the old mill built?", 2.0),
        Asked("b", "root 3", "Who paid?", 0.0),
        Asked("a", "root 4", "Who paid?", 0.0),
    ]
    told = [(question.id, kept.id) for question, kept in find_repeats(asked, 0.7)]
    assert told == [("d", "c"), ("b", "a")]
    assert find_repeats(reversed(asked), 0.7) == find_repeats(asked, 0.7)
    assert find_repeats([], 0.7) == []
