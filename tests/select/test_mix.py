from __future__ import annotations

import dataclasses
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.records import Context, Document, Granularity, Judged, Question
from augcon.rouge import rouge_l
from augcon.select import apportion, choose, finest_short, n_placed

MACRO, CONCEPT, DETAIL = Granularity
TEXT = "The mill of Harwick was built in 1801."
ROOT = Context.root(Document.of("a.txt", TEXT, "en"), 0, len(TEXT), 8, "en")
EVEN = {MACRO: 0.2, CONCEPT: 0.3, DETAIL: 0.5}
THRESHOLD = 0.7

mixes = (
    st.tuples(*[st.integers(0, 20)] * 3)
    .filter(any)
    .map(lambda parts: {kind: n / sum(parts) for kind, n in zip(Granularity, parts, strict=True)})
)
quotas = st.integers(1, 60)
ids = st.integers(0, 10**9).map(str)
words = st.sampled_from(["mill", "bridge", "old", "who", "when", "sold", "石桥", "何时"])
asked = st.lists(
    st.tuples(
        st.lists(words, min_size=1, max_size=6).map(" ".join),
        st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
        st.sampled_from([*Granularity]),
    ),
    max_size=20,
).map(lambda drawn: [question(text, kind, score) for text, score, kind in drawn])


def question(text: str, kind: Granularity, score: float = 0.0) -> Question:
    """A question of this kind; each kind is about a context of its own."""
    context = ROOT.child(kind, 1, kind.fineness, kind.fineness + 1)
    return dataclasses.replace(Question.of(context, text, 0, kind), score=score)


def supply(each: int, seed: int = 0) -> list[Question]:
    """So many questions of each kind that have no word in common, with random scores."""
    draw = random.Random(seed)
    return [
        question(f"{kind}{n}a {kind}{n}b {kind}{n}c", kind, draw.random())
        for kind in Granularity
        for n in range(each)
    ]


def chosen(
    questions: list[Question], quota: int, places: dict[Granularity, int]
) -> tuple[Judged, ...]:
    return choose(questions, quota, THRESHOLD, 1, places)


def kinds(judged: tuple[Judged, ...]) -> Counter[Granularity]:
    return Counter(j.question.granularity for j in judged if j.verdict.kept)


@given(quotas, mixes, ids)
def test_a_roots_places_sum_to_its_quota_and_each_kind_is_within_one_of_its_share(
    quota: int, mix: dict[Granularity, float], root: str
) -> None:
    places = apportion(quota, mix, root)
    assert sum(places.values()) == quota
    for kind in Granularity:
        assert abs(places.get(kind, 0) - quota * mix[kind]) < 1 + 1e-9
    assert places == apportion(quota, dict(reversed(mix.items())), root)


def test_without_a_mix_no_kind_has_places() -> None:
    assert apportion(9, {}, "root") == {}


@given(mixes, st.integers(1, 4))
@settings(max_examples=40)
def test_a_thousand_roots_of_small_quotas_come_to_the_mix_together(
    mix: dict[Granularity, float], quota: int
) -> None:
    total: Counter[Granularity] = Counter()
    for root in range(1000):
        total.update(apportion(quota, mix, f"root {root}"))
    for kind in Granularity:
        # Five standard deviations of a sum of roundings that are each right on average.
        assert abs(total[kind] / total.total() - mix[kind]) < 0.08 / quota


def test_a_thousand_roots_keep_the_mix_where_there_is_enough_of_each_kind() -> None:
    draw, total = random.Random(4), Counter[Granularity]()
    for root in range(1000):
        quota = draw.randint(1, 8)
        total.update(kinds(chosen(supply(8, root), quota, apportion(quota, EVEN, str(root)))))
    for kind in Granularity:
        assert abs(total[kind] / total.total() - EVEN[kind]) < 0.015


@given(asked, st.integers(1, 6), mixes, ids)
def test_the_quota_is_kept_and_no_kind_goes_over_its_places_while_another_could_fill_its_own(
    questions: list[Question], quota: int, mix: dict[Granularity, float], root: str
) -> None:
    places = apportion(quota, mix, root)
    judged = chosen(questions, quota, places)
    kept = [j.question for j in judged if j.verdict.kept]
    assert len(kept) <= quota
    assert Counter(j.question for j in judged) == Counter(questions)
    for at, later in enumerate(kept):
        for earlier in kept[:at]:
            assert rouge_l(later.text, earlier.text).precision < THRESHOLD
    left = [j for j in judged if j.verdict.reason in ("over_share", "over_quota")]
    assert not left or len(kept) == quota
    for each in judged:
        if each.verdict.reason == "too_similar":
            either = [
                max(
                    rouge_l(each.question.text, k.text).precision,
                    rouge_l(k.text, each.question.text).precision,
                )
                for k in kept
            ]
            assert max(either) >= THRESHOLD


@given(asked, st.integers(1, 6), mixes, ids, st.randoms(use_true_random=False))
def test_the_order_in_which_questions_came_does_not_matter_with_a_mix_either(
    questions: list[Question],
    quota: int,
    mix: dict[Granularity, float],
    root: str,
    draw: random.Random,
) -> None:
    shuffled = list(questions)
    draw.shuffle(shuffled)
    places = apportion(quota, mix, root)
    assert chosen(shuffled, quota, places) == chosen(questions, quota, places)


@given(st.integers(1, 30), mixes, ids)
@settings(max_examples=50)
def test_each_kind_gets_its_places_with_its_best_where_there_is_enough(
    quota: int, mix: dict[Granularity, float], root: str
) -> None:
    questions, places = supply(quota), apportion(quota, mix, root)
    judged = chosen(questions, quota, places)
    assert kinds(judged) == +Counter(places)
    for kind in Granularity:
        ranked = [j.verdict.kept for j in judged if j.question.granularity is kind]
        assert ranked == sorted(ranked, reverse=True)


def test_what_a_kind_cannot_fill_goes_to_the_best_of_the_others() -> None:
    questions = [
        question("who was here", MACRO, 3.0),
        question("when did it end", DETAIL, 2.5),
        question("where is water now", DETAIL, 2.0),
        question("what costs nine crowns", CONCEPT, 1.0),
        question("which lamp burns", DETAIL, 0.5),
    ]
    judged = chosen(questions, 4, {MACRO: 2, CONCEPT: 1, DETAIL: 1})
    told = [j.verdict.reason or "kept" for j in judged]
    assert told == ["kept", "kept", "kept", "kept", "over_share"]
    assert n_placed(judged, {MACRO: 2, CONCEPT: 1, DETAIL: 1}) == 3


def test_a_question_over_its_share_takes_no_room_from_one_that_is_like_it() -> None:
    questions = [
        question("who built the old mill of Harwick", DETAIL, 3.0),
        question("when was the bridge sold", DETAIL, 2.0),
        question("when was the bridge sold again", CONCEPT, 1.0),
    ]
    judged = chosen(questions, 2, {CONCEPT: 1, DETAIL: 1})
    assert [j.verdict.reason or "kept" for j in judged] == ["kept", "over_share", "kept"]


def test_one_that_comes_in_for_another_kind_may_not_be_repeated_by_a_worse_one_either() -> None:
    long, short = "who sold that old mill to whom", "who sold that"
    questions = [
        question("when did it end", DETAIL, 3.0),
        question(long, DETAIL, 2.0),
        question(short, CONCEPT, 1.0),
    ]
    judged = chosen(questions, 3, {MACRO: 1, CONCEPT: 1, DETAIL: 1})
    assert [j.verdict.reason or "kept" for j in judged] == ["kept", "too_similar", "kept"]
    assert rouge_l(long, short).precision < THRESHOLD <= rouge_l(short, long).precision


def test_more_is_wanted_down_to_the_finest_kind_that_is_short() -> None:
    questions = supply(3)
    places = {MACRO: 2, CONCEPT: 2, DETAIL: 2}
    judged = chosen(questions, 6, places)
    assert finest_short(judged, 6, places, 1.15) is None
    assert finest_short(judged, 6, places, 2.0) is DETAIL
    without = [q for q in questions if q.granularity is not CONCEPT]
    assert finest_short(chosen(without, 6, places), 6, places, 1.15) is CONCEPT
    assert finest_short((), 6, {MACRO: 6}, 1.15) is MACRO


def test_no_more_is_asked_for_a_kind_that_the_root_cannot_give() -> None:
    places = {MACRO: 2, CONCEPT: 2, DETAIL: 2}
    judged = chosen([q for q in supply(3) if q.granularity is CONCEPT], 6, places)
    assert finest_short(judged, 6, places, 1.15) is DETAIL
    assert finest_short(judged, 6, places, 1.15, {MACRO, CONCEPT}) is MACRO
    assert finest_short(judged, 6, places, 1.15, {CONCEPT}) is CONCEPT  # the quota is not reached
    assert finest_short(judged, 3, {MACRO: 1, CONCEPT: 1, DETAIL: 1}, 1.15, {CONCEPT}) is None


def test_without_places_any_kind_counts() -> None:
    judged = chosen(supply(2), 4, {})
    assert n_placed(judged, {}) == 4
    assert finest_short(judged, 4, {}, 1.5) is None
    assert finest_short(judged, 4, {}, 1.6) is DETAIL
    assert finest_short(judged, 9, {}, 1.0) is DETAIL
