"""The examples that the embedded model's adapter is trained from."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from adapter.__main__ import chats_of
from adapter.passages import Passage, read_passages

POINTS_AT_THE_TEXT = re.compile(
    r"\b(the|this) (text|passage|paragraph|context|excerpt)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    return read_passages()


def test_there_are_enough_of_enough_kinds(passages: list[Passage]) -> None:
    assert sum(len(p.asked) for p in passages) >= 1200
    assert len({p.kind for p in passages}) >= 15
    assert max(Counter(p.kind for p in passages).values()) <= len(passages) / 10


def test_every_context_is_of_a_length_that_the_tree_meets(passages: list[Passage]) -> None:
    for passage in passages:
        for asked in passage.asked:
            assert 18 <= len(asked.context.split()) <= 320
            assert asked.context in passage.text


def test_every_question_is_one_question_that_stands_alone(passages: list[Passage]) -> None:
    for passage in passages:
        for asked in passage.asked:
            assert asked.question.count("?") == 1
            assert asked.question.endswith("?")
            assert "\n" not in asked.question
            assert not POINTS_AT_THE_TEXT.search(asked.question + asked.answer)
            assert asked.answer.strip()
    questions = [asked.question for p in passages for asked in p.asked]
    assert len(set(questions)) == len(questions)


def test_no_form_of_question_rules(passages: list[Passage]) -> None:
    openings = Counter(" ".join(a.question.split()[:2]) for p in passages for a in p.asked)
    assert openings.most_common(1)[0][1] <= sum(openings.values()) / 8
    assert len(openings) >= 60


def test_about_a_tenth_is_held_out_and_shares_no_text_with_the_rest(
    passages: list[Passage],
) -> None:
    held_out = [p for p in passages if p.held_out]
    assert 0.05 <= len(held_out) / len(passages) <= 0.2
    trained_on = {asked.context for p in passages if not p.held_out for asked in p.asked}
    assert trained_on.isdisjoint({asked.context for p in held_out for asked in p.asked})


def test_a_chat_asks_about_a_text_and_answers(passages: list[Passage]) -> None:
    asked = passages[0].asked[0]
    windows = dict.fromkeys(passages[0].asked, "Some of its sentences.")
    chat = chats_of(passages[:1], windows)[0]
    assert [m.role for m in chat] == ["system", "user", "assistant", "user", "assistant"]
    assert (chat[1].content, chat[2].content, chat[4].content) == (
        asked.context,
        asked.question,
        asked.answer,
    )
    assert chat[3].content.endswith("Some of its sentences.")
