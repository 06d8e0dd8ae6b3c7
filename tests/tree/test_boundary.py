"""The embedded model's strategy: where it divides a text."""

from __future__ import annotations

import numpy as np
import pytest

from augcon.llm.base import Choice, Reply, Request, TokenLogprob
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.records import Context
from augcon.tree.boundary import (
    BoundarySplitter,
    balance_of_halves,
    coherence_of_halves,
    standardised,
)
from augcon.tree.split import ComputedDivider, Weakening
from tests.plain_texts import node_of, split

BEES = (
    "The bees of Harlow keep warm in winter. The bees eat honey. "
    "Trains to Tessen left at nine in 1958. The trains were late because snow fell."
)
CUT = BEES.index(" Trains")


class Questions:
    """Writes what it is told to."""

    def __init__(self, question: str = "Why were the trains late?") -> None:
        self.question = question

    async def write(self, node: Context, pass_number: int) -> str:
        return self.question

    async def write_weakly(self, node: Context, weakening: Weakening) -> str:
        return f"What about {weakening}?"


class Rig:
    """A divider over a scripted reader and an encoder that knows bees from trains."""

    def __init__(self, question: str = "Why were the trains late?") -> None:
        self.reader = FakeModel(self.read)
        self.encoder = FakeModel(self.encode)
        splitter = BoundarySplitter(
            Caller(self.reader, MemoryJournal()), Caller(self.encoder, MemoryJournal()), split
        )
        self.divider = ComputedDivider(Questions(question), splitter)

    def read(self, request: Request) -> Reply:
        newline = -1.0 if request.text == BEES[:CUT] else -5.0
        return Reply((Choice("\n", tokens=(TokenLogprob("\n", newline),)),))

    def encode(self, request: Request) -> Reply:
        bees = "bees" in request.text
        return Reply(embedding=(1.0, 0.1) if bees else (0.1, 1.0))


async def test_a_text_is_divided_where_its_subject_changes_into_its_own_words() -> None:
    division = await Rig().divider.divide(node_of(BEES), 0)
    assert division.parts == (BEES[:CUT], BEES[CUT + 1 :])


async def test_a_single_sentence_is_not_divided() -> None:
    division = await Rig().divider.divide(node_of("The bees of Harlow eat honey."), 0)
    assert division.parts == ()


async def test_a_left_part_finds_its_boundaries_in_the_journal() -> None:
    rig = Rig()
    await rig.divider.divide(node_of(BEES), 0)
    assert len(rig.reader.requests) == 3
    await rig.divider.divide(node_of(BEES[:CUT]), 0)
    assert len(rig.reader.requests) == 3


async def test_another_pass_scores_no_boundary_again() -> None:
    rig = Rig()
    first = await rig.divider.divide(node_of(BEES), 0)
    assert await rig.divider.divide(node_of(BEES), 1) == first
    assert len(rig.reader.requests) == 3


async def test_the_question_is_the_writers_and_its_absence_is_told() -> None:
    division = await Rig("Why did snow fall?").divider.divide(node_of(BEES), 0)
    assert (division.question, division.why_no_question) == ("Why did snow fall?", "")
    division = await Rig("").divider.divide(node_of(BEES), 0)
    assert (division.question, division.why_no_question) == ("", "no_candidate_passed_filter")


async def test_a_weak_question_is_the_writers_too() -> None:
    assert await Rig().divider.weak_question(node_of(BEES), Weakening.BOTH) == "What about both?"


def test_coherence_is_highest_where_alike_sentences_stay_together() -> None:
    vectors = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    assert coherence_of_halves(vectors) == pytest.approx([2.0, 3.0])


def test_balance_is_highest_for_even_parts_and_equal_scores_standardise_to_zero() -> None:
    assert balance_of_halves(np.array([1.0, 1.0, 2.0])) == pytest.approx([-0.5, 0.0])
    assert standardised(np.array([4.0, 4.0])) == pytest.approx([0.0, 0.0])
