from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.errors import ReplyError, RequestRefused
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Weakening
from augcon.records import UNSCORED, Context, Document, Question
from augcon.scorer import (
    Accuracy,
    Contrast,
    Item,
    LinearScorer,
    Score,
    contrast,
    draw_pilot,
    features,
    fit,
)
from augcon.scorer.heuristic import weigh

HIDDEN = 32


def root(number: int, units: int = 100) -> Context:
    text = f"Text number {number}."
    return Context.root(Document.of(f"{number}.txt", text, "en"), 0, len(text), units, "en")


def contrasts(n_roots: int, per_root: int) -> list[Contrast]:
    kinds = list(Weakening)
    return [
        Contrast(root(i), f"better {k}", f"worse {k}", kinds[k % 3])
        for i in range(n_roots)
        for k in range(per_root)
    ]


async def test_every_question_is_set_against_a_weak_one_of_each_kind() -> None:
    async def weak(context: Context, kind: Weakening) -> str:
        return f"weak by {kind}"

    questions = [Question.of(root(n), f"good {n}", 0) for n in range(3)]
    gathered = await contrast(questions, weak, 3, spoilt=False)
    assert sorted((c.better, c.worse, c.kind) for c in gathered.pairs) == sorted(
        (f"good {n}", f"weak by {kind}", kind) for n in range(3) for kind in Weakening
    )
    assert gathered.entered == 9


async def test_the_contrasted_questions_are_drawn_from_all_contexts_whatever_their_order() -> None:
    async def weak(context: Context, kind: Weakening) -> str:
        return "weak"

    questions = [Question.of(root(n), f"good {n} {k}", 0) for n in range(4) for k in range(20)]
    drawn = await contrast(questions, weak, 20, spoilt=False)
    again = await contrast(questions[::-1], weak, 20, spoilt=False)
    assert drawn.pairs == again.pairs
    assert len({c.context.id for c in drawn.pairs}) == 4
    assert len({c.better for c in drawn.pairs}) == 20


async def test_the_books_of_the_contrasts_add_up() -> None:
    async def weak(context: Context, kind: Weakening) -> str:
        if kind is Weakening.EXAMPLES:
            raise ReplyError("no JSON")
        return "good 0" if kind is Weakening.BOTH else "weak"

    questions = [Question.of(root(n), f"good {n}", 0) for n in range(4)]
    gathered = await contrast(questions, weak, 500, spoilt=False)
    assert (gathered.entered, gathered.same, gathered.failed) == (12, 1, 4)
    assert gathered.entered == len(gathered.pairs) + gathered.same + gathered.failed


def unweighed(differences: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Features where the heuristic says the same of both questions."""
    return np.pad(differences, ((0, 0), (0, 1))).astype(np.float32)


def test_the_fit_finds_a_planted_direction() -> None:
    draw = np.random.default_rng(0)
    pairs = contrasts(30, 6)
    planted = np.zeros(HIDDEN)
    planted[:2] = (1.0, -1.0)
    differences = draw.normal(size=(len(pairs), HIDDEN)) + planted
    found = fit(pairs, unweighed(differences), 0.2)
    head = np.array(found.head[:-1])
    assert found.head[-1] == 0.0
    cosine = head @ planted / np.linalg.norm(head) / np.linalg.norm(planted)
    assert cosine > 0.7
    assert found.held_out["all"].interval[0] > 0.6
    assert set(found.held_out) == {*(kind.value for kind in Weakening), "all"}
    assert found.held_out["all"].pairs == 36
    assert found.trained_on == len(pairs) - 36
    assert sum(found.held_out[k.value].pairs for k in Weakening) == 36


def test_the_fit_is_at_chance_on_noise_and_does_not_hide_it() -> None:
    covered = 0
    for seed in range(5):
        draw = np.random.default_rng(seed)
        pairs = contrasts(30, 6)
        differences = unweighed(draw.normal(size=(len(pairs), HIDDEN)))
        low, high = fit(pairs, differences, 0.3).held_out["all"].interval
        covered += low <= 0.5 <= high
    assert covered >= 4


def test_a_head_of_few_pairs_leans_on_the_heuristic_rather_than_on_chance() -> None:
    """With more hidden numbers than pairs, any of these agrees with all pairs by chance."""
    draw = np.random.default_rng(3)
    pairs = contrasts(12, 4)
    hidden = draw.normal(size=(len(pairs), 200))
    said = draw.normal(0.5, 0.3, size=(len(pairs), 1))
    found = fit(pairs, np.hstack([hidden, said]).astype(np.float32), 0.25)
    assert found.head[-1] > 10 * max(np.abs(found.head[:-1]))
    assert found.held_out["all"].share > 0.8
    alone = fit(pairs, unweighed(hidden), 0.25)
    assert alone.held_out["all"].share < 0.8


def test_pairs_of_a_root_are_trained_on_or_tested_on_and_never_both() -> None:
    """Every root has a direction of its own: a head that saw a root's pairs would rank them."""
    draw = np.random.default_rng(1)
    pairs = contrasts(40, 6)
    own = {f"{n}": draw.normal(size=256) for n in range(40)}
    differences = np.stack([own[pair.context.text.split()[2][:-1]] for pair in pairs])
    found = fit(pairs, unweighed(differences), 0.5)
    assert found.held_out["all"].share < 0.85
    assert found.held_out["all"].pairs == 120


def test_a_single_root_is_enough_to_fit_and_to_test() -> None:
    pairs = contrasts(1, 30)
    differences = np.ones((30, 4))
    found = fit(pairs, unweighed(differences + np.eye(30, 4)), 0.2)
    assert found.held_out["all"].pairs == 6
    assert found.trained_on == 24


def test_the_fit_is_the_same_every_time() -> None:
    differences = unweighed(np.random.default_rng(2).normal(size=(60, HIDDEN)))
    assert fit(contrasts(10, 6), differences, 0.2) == fit(contrasts(10, 6), differences, 0.2)


@pytest.mark.parametrize(
    ("right", "pairs", "low", "high"),
    [  # Wilson's score interval, z = 1.96, worked out apart from the code
        (8, 10, 0.4902, 0.9433),
        (50, 100, 0.4038, 0.5962),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(right: int, pairs: int, low: float, high: float) -> None:
    assert Accuracy(right, pairs).interval == pytest.approx((low, high), abs=1e-4)
    assert Accuracy(right, pairs).share == right / pairs


def test_no_pairs_tell_nothing() -> None:
    assert Accuracy(0, 0).interval == (0.0, 1.0)
    assert Accuracy(0, 0).share == 0.0


def test_the_pilot_is_the_same_in_any_order_and_when_the_corpus_grows_elsewhere() -> None:
    roots = [root(n) for n in range(50)]
    shuffled = random.Random(0).sample(roots, len(roots))
    pilot = draw_pilot(roots, 40, 1.0, 20)
    assert draw_pilot(shuffled, 40, 1.0, 20) == pilot
    last = pilot[-1].id
    grown = [*roots, *(r for r in map(root, range(50, 90)) if r.id > last)]
    assert draw_pilot(grown, 40, 1.0, 20) == pilot


def test_the_pilot_is_as_large_as_the_pairs_ask_for_and_within_its_share() -> None:
    roots = [root(n) for n in range(50)]
    assert len(draw_pilot(roots, 40, 1.0, 20)) == 8  # five questions of each root
    assert len(draw_pilot(roots, 500, 1.0, 20)) == 50
    assert len(draw_pilot(roots, 500, 0.2, 20)) == 10
    assert len(draw_pilot(roots, 500, 0.001, 20)) == 4
    assert len(draw_pilot(roots, 1, 1.0, 20)) == 4
    assert len(draw_pilot(roots[:2], 500, 0.5, 20)) == 2
    assert draw_pilot([], 500, 1.0, 20) == []


def pilot_of_a_sorted_list(
    roots: list[Context], pairs: int, share: float, units_per_node: float
) -> list[Context]:
    """The definition, with all roots in hand."""
    most = max(4, round(len(roots) * share))
    pilot: list[Context] = []
    expected = 0.0
    for each in sorted(roots, key=lambda r: r.id):
        if len(pilot) >= most or (expected >= pairs and len(pilot) >= 4):
            break
        pilot.append(each)
        expected += max(1.0, each.units / units_per_node)
    return pilot


@given(
    st.lists(st.integers(1, 400), max_size=80),
    st.integers(1, 120),
    st.floats(0.001, 1.0),
    st.integers(1, 200),
)
def test_the_pilot_of_a_stream_is_that_of_all_roots_in_the_order_of_their_ids(
    units: list[int], pairs: int, share: float, units_per_node: int
) -> None:
    roots = [root(n, size) for n, size in enumerate(units)]
    expected = pilot_of_a_sorted_list(roots, pairs, share, units_per_node)
    assert draw_pilot(iter(roots), pairs, share, units_per_node) == expected


async def test_features_are_the_hidden_state_of_both_texts_and_what_the_heuristic_says() -> None:
    model = FakeModel(lambda _: Reply(embedding=(1.0, 2.0)))
    embed = features(Caller(model, MemoryJournal()))
    hidden = await embed(" The mill. ", "Who?")
    assert hidden.tolist() == [1.0, 2.0, np.float32(weigh(" The mill. ", "Who?"))]
    assert model.requests == [Request("embedding", text="The mill.\n\nWho?")]


@pytest.mark.parametrize("vector", [(), (float("nan"), 1.0), (float("inf"),)])
async def test_a_vector_that_is_none_or_has_no_number_is_refused(vector: tuple[float]) -> None:
    embed = features(Caller(FakeModel(lambda _: Reply(embedding=vector)), MemoryJournal()))
    with pytest.raises(ReplyError, match="no embedding"):
        await embed("c", "q")


async def test_the_linear_scorer_gives_the_product_and_marks_what_it_could_not_score() -> None:
    def reply(request: Request) -> Reply:
        if "refused" in request.text:
            raise RequestRefused("too long")
        return Reply(embedding=(1.0, float(len(request.text))))

    embed = features(Caller(FakeModel(reply), MemoryJournal()))
    scorer = LinearScorer(embed, (2.0, -1.0, 0.5), "m")
    asked = [Item("The mill.", text) for text in ("Who?", "refused", "Why is the mill so?")]
    lengths = [len(f"The mill.\n\n{item.question}") for item in asked]
    weighed = [np.float32(weigh(item.context, item.question)) / 2 for item in asked]
    assert weighed[2] > 0
    assert await scorer.score(asked) == [
        Score(2.0 - lengths[0] + weighed[0]),
        Score(UNSCORED, "request_refused: too long"),
        Score(2.0 - lengths[2] + weighed[2]),
    ]
