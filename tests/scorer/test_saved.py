from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.errors import ScorerError
from augcon.llm.base import Choice, Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Library
from augcon.scorer import (
    Accuracy,
    HeuristicScorer,
    Item,
    JudgeScorer,
    LinearScorer,
    RandomScorer,
    chance_warning,
    facts_of,
    features,
    fingerprint,
    keep,
    load_judge,
    load_linear,
    read_card,
    report_of,
)
from augcon.scorer.linear import LAYOUT

ITEMS = [Item("The mill.", "Who?"), Item("青石镇的石桥。", "谁修的？"), Item("", "?")]
HEAD = (0.1, -2.0 / 3.0, 1e-17, 5.0)  # three hidden numbers, and what the heuristic says


def embedding(request: Request) -> Reply:
    draw = np.random.default_rng(len(request.text))
    return Reply(embedding=tuple(draw.normal(size=len(HEAD) - 1).astype(np.float32).tolist()))


def embedder(name: str = "base-1") -> Caller:
    return Caller(FakeModel(embedding, name), MemoryJournal())


def linear(head: tuple[float, ...] = HEAD) -> LinearScorer:
    return LinearScorer(features(embedder()), head, "base-1")


def judge(name: str = "judge-1", library: Library | None = None) -> JudgeScorer:
    model = FakeModel(lambda _: Reply((Choice("4"),)), name)
    return JudgeScorer(Caller(model, MemoryJournal()), library or Library(), logprobs=True)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "scorer"
    keep(linear(), folder, report_of({"all": Accuracy(9, 10)}, 40))
    return folder


@settings(max_examples=30)
@given(head=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4).map(tuple))
async def test_a_linear_scorer_scores_the_same_bit_for_bit_once_it_was_saved_and_loaded(
    head: tuple[float, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("scorer")
    scorer = linear(head)
    scorer.save(folder)
    again = await load_linear(folder, read_card(folder), embedder())
    assert await again.score(ITEMS) == await scorer.score(ITEMS)
    assert again.head == head


async def test_a_folder_is_known_by_what_the_scorer_is_and_not_by_where_it_lies(
    saved: Path, tmp_path: Path
) -> None:
    known = fingerprint(saved)
    shutil.copytree(saved, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / ".DS_Store").write_text("the system's")
    assert fingerprint(tmp_path / "elsewhere") == known
    keep(linear(), saved, {})  # the report of a fit is no part of what it is
    assert fingerprint(saved) == known
    keep(linear((1.0, 2.0, 3.0, 4.0)), saved, {})
    assert fingerprint(saved) != known


def test_every_kind_says_what_it_is_and_another_seed_or_prompt_is_another_scorer(
    tmp_path: Path,
) -> None:
    own = tmp_path / "prompts" / "en" / "score.toml"
    own.parent.mkdir(parents=True)
    own.write_text(Library().path_of("score", "en").read_text(encoding="utf-8") + "\n")
    scorers = [
        HeuristicScorer(),
        RandomScorer(0),
        RandomScorer(1),
        judge(),
        judge("judge-2"),
        judge(library=Library(tmp_path / "prompts")),
        linear(),
    ]
    known = set()
    for number, scorer in enumerate(scorers):
        folder = tmp_path / f"{number}"
        keep(scorer, folder, {})
        assert read_card(folder).kind == scorer.kind
        known.add(fingerprint(folder))
    assert len(known) == len(scorers)


def test_a_saved_scorer_holds_no_pickle_and_the_report_of_its_fit(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["scorer.json", "weights.npz"]
    with np.load(saved / "weights.npz", allow_pickle=False) as weights:
        assert weights["head"].tolist() == list(HEAD)
    facts = json.loads((saved / "scorer.json").read_text(encoding="utf-8"))
    assert (facts["format"], facts["kind"], facts["base"], facts["hidden"]) == (
        *(1, "linear", "base-1"),
        len(HEAD) - 1,
    )
    assert facts["trained_on"] == 40
    assert facts["held_out"]["all"]["right"] == 9


def test_what_was_kept_before_is_replaced_as_a_whole(saved: Path) -> None:
    keep(HeuristicScorer(), saved, {})
    assert [path.name for path in saved.iterdir()] == ["scorer.json"]
    assert [path.name for path in saved.parent.iterdir()] == ["scorer"]
    assert "held_out" not in facts_of(saved)


def rewritten(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "scorer.json"
        facts = {**json.loads(path.read_text(encoding="utf-8")), **changes}
        kept = {key: value for key, value in facts.items() if value is not None}
        path.write_text(json.dumps(kept), encoding="utf-8")

    return change


def flipped(folder: Path) -> None:
    raw = bytearray((folder / "weights.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "weights.npz").write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (shutil.rmtree, "no such folder of a scorer"),
        (lambda f: (f / "scorer.json").unlink(), r"holds no scorer \(no scorer.json\)"),
        (lambda f: (f / "scorer.json").write_text("{"), "its scorer.json is damaged"),
        (lambda f: (f / "scorer.json").write_bytes(b"\xff"), "its scorer.json is damaged"),
        (lambda f: (f / "scorer.json").write_text("[]"), "its scorer.json is damaged"),
        (rewritten(format=None), "its scorer.json is damaged"),
        (rewritten(format=2), r"another version of augcon \(scorer format 2, this one reads 1\)"),
        (rewritten(kind="best"), r"unknown kind \('best'\)"),
        (rewritten(kind=["linear"]), "unknown kind"),
        (rewritten(hidden="4"), "hidden is '4'"),
        (rewritten(base=7), "base is 7"),
        (rewritten(files=3), "its scorer.json is damaged"),
        (flipped, "its weights.npz has changed or is damaged"),
        (lambda f: (f / "weights.npz").unlink(), "its weights.npz is missing"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_one_line_that_names_it(
    saved: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(saved)
    with pytest.raises(ScorerError, match=told) as refusal:
        fingerprint(saved)
    assert str(saved) in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_a_head_goes_only_with_the_model_and_the_layout_that_it_was_fitted_on(
    saved: Path,
) -> None:
    card = read_card(saved)
    with pytest.raises(ScorerError, match=r"hidden states of 'base-1', not of 'base-2'"):
        await load_linear(saved, card, embedder("base-2"))
    with pytest.raises(ScorerError, match="no embeddings are served here"):
        await load_linear(saved, card, None)
    shorter = Caller(FakeModel(lambda _: Reply(embedding=(1.0, 2.0)), "base-1"), MemoryJournal())
    with pytest.raises(ScorerError, match="with 3 numbers, and this one gives 2"):
        await load_linear(saved, card, shorter)
    silent = Caller(FakeModel(lambda _: Reply(), "base-1"), MemoryJournal())
    with pytest.raises(ScorerError, match="gives none now"):
        await load_linear(saved, card, silent)
    rewritten(layout=LAYOUT + 1)(saved)
    with pytest.raises(ScorerError, match="another layout"):
        await load_linear(saved, read_card(saved), embedder())


@pytest.mark.parametrize("head", [(1.0, 2.0), (1.0, 2.0, float("nan"), 4.0)])
async def test_weights_that_are_not_as_many_numbers_as_promised_are_refused(
    saved: Path, head: tuple[float, ...]
) -> None:
    np.savez(saved / "weights.npz", head=np.array(head))
    rewritten(files=None)(saved)
    with pytest.raises(ScorerError, match="holds no 4 weights"):
        await load_linear(saved, read_card(saved), embedder())


async def test_a_judge_takes_its_rubric_along_and_goes_with_its_model(tmp_path: Path) -> None:
    own = tmp_path / "prompts" / "zh" / "score.toml"
    own.parent.mkdir(parents=True)
    rubric = Library().path_of("score", "zh").read_text(encoding="utf-8")
    own.write_text(rubric.replace("可答", "能答"), encoding="utf-8")
    mine = judge(library=Library(tmp_path / "prompts"))
    keep(mine, tmp_path / "scorer", {})
    own.unlink()
    again = load_judge(tmp_path / "scorer", read_card(tmp_path / "scorer"), judge())
    assert await again.score(ITEMS[:2]) == await mine.score(ITEMS[:2])
    asked = again.caller.model.requests[1]  # type: ignore[attr-defined]
    assert "能答" in asked.messages[0].content
    with pytest.raises(ScorerError, match=r"judgement of 'judge-1', not of 'judge-2'"):
        load_judge(tmp_path / "scorer", read_card(tmp_path / "scorer"), judge("judge-2"))


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20), st.randoms())
async def test_a_draw_follows_from_seed_and_item_whatever_the_order(
    texts: list[tuple[str, str]], order: st.DrawFn
) -> None:
    items = [Item(*pair) for pair in texts]
    scores = dict(zip(items, await RandomScorer(3).score(items), strict=True))
    shuffled = items.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [scores[item] for item in shuffled] == await RandomScorer(3).score(shuffled)
    assert all(0 <= score.value < 1 for score in scores.values())


async def test_draws_are_spread_evenly_and_another_seed_draws_anew() -> None:
    items = [Item("The mill.", f"Question {n}?") for n in range(2000)]
    values = np.array([score.value for score in await RandomScorer(0).score(items)])
    assert np.histogram(values, bins=4, range=(0, 1))[0].min() > 420
    others = np.array([score.value for score in await RandomScorer(1).score(items)])
    assert abs(np.corrcoef(values, others)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("right", "pairs", "warned"),
    [(50, 100, True), (8, 10, True), (0, 0, True), (9, 10, False), (70, 100, False)],
)
def test_a_scorer_that_does_not_beat_chance_is_warned_of(
    right: int, pairs: int, warned: bool
) -> None:
    accuracy = Accuracy(right, pairs)
    assert accuracy.beats_chance is not warned
    told = chance_warning(accuracy, "so be it")
    assert bool(told) is warned
    if warned:
        assert f"{right} of {pairs} held-out pairs" in told
        assert "no better than chance: so be it" in told
