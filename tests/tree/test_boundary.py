"""The embedded model's strategy: where it divides, and which questions it lets stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

from augcon.llm.base import Choice, Reply, Request, TokenLogprob
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Library, Weakening
from augcon.records import Context, Document
from augcon.tree.boundary import (
    BoundaryDivider,
    balance_of_halves,
    coherence_of_halves,
    question_grammar,
    standardised,
)
from augcon.tree.candidates import objection, openings

BEES = (
    "The bees of Harlow keep warm in winter. The bees eat honey. "
    "Trains to Tessen left at nine in 1958. The trains were late because snow fell."
)
CUT = BEES.index(" Trains")


@dataclass(frozen=True)
class Range:
    start: int
    end: int


def split(text: str, language: str) -> list[Range]:
    return [Range(found.start(), found.end()) for found in re.finditer(r"\S[^.]*\.", text)]


def node_of(text: str) -> Context:
    return Context.root(Document.of("d.txt", text, "en"), 0, len(text), len(text.split()), "en")


def choice(text: str, logprob: float) -> Choice:
    return Choice(text, tokens=tuple(TokenLogprob(word, logprob) for word in text.split()))


class Rig:
    """A divider over a scripted generator and an encoder that knows bees from trains."""

    def __init__(self, *rounds: Reply) -> None:
        self.rounds = list(rounds)
        self.generator = FakeModel(self.generate)
        self.encoder = FakeModel(self.encode)
        self.divider = BoundaryDivider(
            Caller(self.generator, MemoryJournal()),
            Caller(self.generator, MemoryJournal()),
            Caller(self.encoder, MemoryJournal()),
            split,
            Library().prompt("small_question", "en"),
        )

    def generate(self, request: Request) -> Reply:
        if request.endpoint == "completion":
            newline = -1.0 if request.text == BEES[:CUT] else -5.0
            return Reply((Choice("\n", tokens=(TokenLogprob("\n", newline),)),))
        return self.rounds.pop(0) if self.rounds else Reply((choice("What about you?", -0.1),))

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
    before = sum(request.endpoint == "completion" for request in rig.generator.requests)
    await rig.divider.divide(node_of(BEES[:CUT]), 0)
    after = sum(request.endpoint == "completion" for request in rig.generator.requests)
    assert (before, after) == (3, 3)


async def test_the_likeliest_question_that_passes_is_taken() -> None:
    good, better = "How do the bees of Harlow live?", "Why were the trains to Tessen late?"
    foul = "What do you think of bees?"
    rig = Rig(Reply((choice(foul, -0.1), choice(good, -0.9), choice(better, -0.5))))
    assert (await rig.divider.divide(node_of(BEES), 0)).question == better
    assert sum(request.endpoint == "chat" for request in rig.generator.requests) == 1


async def test_where_no_candidate_passes_other_openings_are_drawn() -> None:
    good = "Why were the trains to Tessen late?"
    rig = Rig(Reply((choice("What do you think of bees?", -0.1),)), Reply((choice(good, -0.9),)))
    assert (await rig.divider.divide(node_of(BEES), 0)).question == good
    grammars = [r.grammar for r in rig.generator.requests if r.endpoint == "chat"]
    assert len(set(grammars)) == 2


async def test_an_unlikely_question_does_not_stand() -> None:
    rig = Rig(Reply((choice("Why were the trains to Tessen late?", -2.0),)))
    assert (await rig.divider.divide(node_of(BEES), 0)).question == ""


async def test_no_passing_candidate_is_said_so_after_two_draws() -> None:
    rig = Rig()
    division = await rig.divider.divide(node_of(BEES), 0)
    assert division.question == ""
    assert division.why_no_question == "no_candidate_passed_filter"
    drawn = [request for request in rig.generator.requests if request.endpoint == "chat"]
    assert len(drawn) == 2  # general and specific openings


async def test_another_pass_draws_with_other_seeds_and_scores_no_boundary_again() -> None:
    rig = Rig()
    await rig.divider.divide(node_of(BEES), 0)
    first = len(rig.generator.requests)
    await rig.divider.divide(node_of(BEES), 1)
    again = rig.generator.requests[first:]
    assert {request.endpoint for request in again} == {"chat"}
    seeds = [request.seed for request in rig.generator.requests if request.endpoint == "chat"]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("weakening", list(Weakening))
async def test_a_weak_question_comes_unfiltered_from_a_weaker_prompt(weakening: Weakening) -> None:
    rig = Rig(Reply((choice("What is that?", -3.0),)))
    assert await rig.divider.weak_question(node_of(BEES), weakening) == "What is that?"
    strong = Library().prompt("small_question", "en").messages({"context": BEES}, "bare")
    weak = rig.generator.requests[-1].messages
    assert (len(weak) < len(strong)) == (weakening is not Weakening.INSTRUCTION)
    assert (weak[0] != strong[0]) == (weakening is not Weakening.EXAMPLES)


@pytest.mark.parametrize(
    "question",
    [
        "Why were the trains to Tessen late?",
        "When were the trains to Tessen late?",
        "How do the bees of Harlow keep warm in winter?",
        "What happened to the trains when snow fell?",
    ],
)
def test_a_question_in_the_words_of_its_context_stands(question: str) -> None:
    assert objection(question, BEES) == ""


@pytest.mark.parametrize(
    ("question", "because"),
    [
        ("What do you know about the trains?", "points at"),
        ("What does the passage say about bees?", "speaks of the text"),
        ("Why did they keep warm in winter?", "pronoun"),
        ("How do bees of Brennick keep warm?", "'Brennick' is not in the context"),
        ("Why were the trains late in 1962?", "'1962' is not in the context"),
        ("How does photosynthesis convert sunlight?", "words are not the context's"),
        ("Bees eat honey in winter", "ordinary length"),
        ("What is a train to Tessen?", "does not say what it is"),
        ("What is the difference between bees and honey?", "no answer of this kind"),
        ("How to keep the bees warm?", "not named"),
    ],
)
def test_a_question_that_cannot_stand_is_told_why(question: str, because: str) -> None:
    reason = objection(question, BEES)
    assert because in reason
    assert reason


def test_a_number_that_the_question_tells_is_not_its_answer() -> None:
    context = "Members may borrow ten books from the library in Calder Street."
    assert objection("How many books may members borrow?", context) == ""
    assert objection("How many of the ten books may members borrow?", context)


def test_a_question_that_repeats_its_whole_context_leaves_nothing_to_answer() -> None:
    context = "The keeper climbed the tower to wind the clockwork."
    assert objection("How does the keeper climb the tower to wind the clockwork?", context)


def test_an_example_question_is_not_taken_for_a_new_one() -> None:
    shown = ("Why were the trains to Tessen late?",)
    assert (
        objection("Why were the trains to Tessen late? ", BEES, shown) == "copied from an example"
    )


def test_openings_ask_only_for_what_the_context_shows() -> None:
    plain = openings("Grass is green and soft.")
    assert not any(
        opening.startswith(("Why", "How many", "How long")) for opening in plain.specific
    )
    assert any(opening.startswith("Why") for opening in openings(BEES).specific)


def test_the_grammar_lets_a_question_begin_only_as_asked() -> None:
    grammar = question_grammar(("What", "How is"))
    assert grammar.startswith('root ::= opening " "')
    assert grammar.endswith('opening ::= "What" | "How is"')


def test_coherence_is_highest_where_alike_sentences_stay_together() -> None:
    vectors = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    assert coherence_of_halves(vectors) == pytest.approx([2.0, 3.0])


def test_balance_is_highest_for_even_parts_and_equal_scores_standardise_to_zero() -> None:
    assert balance_of_halves(np.array([1.0, 1.0, 2.0])) == pytest.approx([-0.5, 0.0])
    assert standardised(np.array([4.0, 4.0])) == pytest.approx([0.0, 0.0])
