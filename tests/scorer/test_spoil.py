"""Worse questions that are made without a model, as the scorer learns from them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.prompts import Weakening
from augcon.records import Context, Document, Question
from augcon.rouge import tokens
from augcon.scorer import Contrast, Spoiling, contrast
from augcon.scorer.contrast import spoil

ENGLISH = {
    "When was the mill of Harwick built?": "The mill of Harwick was built in 1801.",
    "What did Tom Hale give to the nine villages?": "Tom Hale gave corn to nine villages.",
    "Why did the wooden wheel burn in Elmsworth?": "In Elmsworth a wheel burnt after a storm.",
}
CHINESE = {
    "青石镇的石桥是什么时候修建的？": "青石镇的石桥于1801年修建。",
    "李文远为什么把桥墩换成铁梁？": "洪水之后，李文远用铁梁换下了桥墩。",
    "两岸的集市如何分配摊位？": "两岸的集市每年抽签分配摊位。",
}


def asked(texts: dict[str, str], language: str, name: str = "a.txt") -> list[Question]:
    """Each question about a root of its own, all of one document."""
    whole = Document.of(name, "\n".join(texts.values()), language)
    found = []
    for text, context in texts.items():
        start = whole.text.index(context)
        root = Context.root(whole, start, start + len(context), 9, language)
        found.append(Question.of(root, text, 0))
    return found


def by_kind(made: list[Contrast], kind: Spoiling) -> list[Contrast]:
    return [pair for pair in made if pair.kind is kind]


@pytest.mark.parametrize(("texts", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_every_question_is_spoilt_in_every_way_that_it_allows(
    texts: dict[str, str], language: str
) -> None:
    questions = asked(texts, language)
    made = spoil(questions)
    kinds = Counter(pair.kind for pair in made)
    assert kinds == {kind: 3 for kind in Spoiling if kind is not Spoiling.SIBLING}
    contexts = {q.text: q.context for q in questions}
    for pair in made:
        assert pair.context == contexts[pair.better]
        assert pair.worse != pair.better


@pytest.mark.parametrize(("texts", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_a_cut_question_begins_as_it_did_and_keeps_its_mark(
    texts: dict[str, str], language: str
) -> None:
    for pair in by_kind(spoil(asked(texts, language)), Spoiling.CUT):
        assert pair.worse[-1] == pair.better[-1]
        assert pair.better.startswith(pair.worse[:-1])
        assert 0 < len(tokens(pair.worse)) < len(tokens(pair.better))


@pytest.mark.parametrize(("texts", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_a_shuffled_question_has_the_same_characters(texts: dict[str, str], language: str) -> None:
    for pair in by_kind(spoil(asked(texts, language)), Spoiling.SHUFFLED):
        assert sorted(pair.worse) == sorted(pair.better)


@pytest.mark.parametrize(("texts", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_a_swapped_word_is_one_that_the_context_does_not_hold(
    texts: dict[str, str], language: str
) -> None:
    for pair in by_kind(spoil(asked(texts, language)), Spoiling.SWAPPED):
        new = [word for word in tokens(pair.worse) if word not in tokens(pair.better)]
        assert new
        assert not any(word in pair.context.text.casefold() for word in new)


def test_names_and_numbers_are_swapped_before_other_words() -> None:
    texts = {
        "Which mill did Harwick build?": "Harwick built a mill.",
        "Which bridge did Elmsworth pay for?": "Elmsworth paid for a bridge.",
    }
    pairs = by_kind(spoil(asked(texts, "en")), Spoiling.SWAPPED)
    assert {pair.worse for pair in pairs} == {
        "Which mill did Elmsworth build?",
        "Which bridge did Harwick pay for?",
    }


def test_a_question_from_elsewhere_is_one_of_the_same_document_where_there_is_one() -> None:
    others = asked({"Who sings in the choir?": "A choir sings."}, "en", "b.txt")
    pairs = by_kind(spoil([*asked(ENGLISH, "en"), *others]), Spoiling.ELSEWHERE)
    for pair in pairs:
        of_the_mill = pair.better in ENGLISH
        assert (pair.worse in ENGLISH) or not of_the_mill
    assert len(pairs) == 4


def test_a_question_from_elsewhere_is_in_the_language_of_its_context() -> None:
    pairs = spoil([*asked(ENGLISH, "en"), *asked(CHINESE, "zh", "b.txt")])
    for pair in by_kind(pairs, Spoiling.ELSEWHERE):
        assert (pair.worse in CHINESE) == (pair.context.language == "zh")


def test_a_sibling_is_about_another_part_of_the_same_root_and_never_about_its_whole() -> None:
    text = "The mill is old. The bridge is new."
    root = Context.root(Document.of("a.txt", text, "en"), 0, len(text), 8, "en")
    mill, bridge = root.child(text[:16], 4, 0, 16), root.child(text[17:], 4, 17, len(text))
    about = {root: "What is old and new?", mill: "How old is it?", bridge: "Is the bridge new?"}
    made = spoil([Question.of(context, asked, 0) for context, asked in about.items()])
    pairs = by_kind(made, Spoiling.SIBLING)
    assert {(p.better, p.worse) for p in pairs} == {
        ("How old is it?", "Is the bridge new?"),
        ("Is the bridge new?", "How old is it?"),
    }
    assert not by_kind(made, Spoiling.ELSEWHERE)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_whatever_the_questions_are_they_are_spoilt_alike_in_any_order(texts: list[str]) -> None:
    questions = [
        Question.of(Context.root(Document.of(f"{n}", "A mill.", "en"), 0, 7, 2, "en"), text, 0)
        for n, text in enumerate(texts)
    ]
    made = spoil(questions)
    assert spoil(questions[::-1]) == made
    assert all(pair.worse and pair.worse != pair.better for pair in made)


async def test_spoilt_questions_stand_beside_the_weak_ones_in_the_books() -> None:
    async def weak(context: Context, kind: Weakening) -> str:
        return f"weak by {kind}"

    questions = asked(ENGLISH, "en")
    both = await contrast(questions, weak, 3)
    spoilt = await contrast(questions, None, 3)
    assert both.entered == len(both.pairs) == 9 + len(spoilt.pairs)
    assert spoilt.pairs == spoil(questions)
    assert (spoilt.entered, spoilt.failed, spoilt.same) == (len(spoilt.pairs), 0, 0)


async def test_no_more_questions_are_spoilt_than_pairs_of_each_kind_are_wanted() -> None:
    made = await contrast(asked(ENGLISH, "en"), None, 2)
    assert max(Counter(pair.kind for pair in made.pairs).values()) == 2
