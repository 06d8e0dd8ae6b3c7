"""The embedded model's questions: drawn and filtered, the best one taken; weak ones by its base."""

from __future__ import annotations

import numpy as np
import pytest

from augcon.llm.base import Choice, Reply, TokenLogprob
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Exchange, Library, Weakening
from augcon.tree.candidates import objection, unnamed
from augcon.tree.questions import QuestionWriter
from augcon.tree.ranking import MEASURES, WEIGHTS, Candidate, log_odds, measures
from tests.plain_texts import node_of, split

BEES = (
    "The bees of Harlow keep warm in winter. The bees eat honey. "
    "Trains to Tessen left at nine in 1958. The trains were late because snow fell."
)
GOOD = "Why were the trains to Tessen late?"
BETTER = "What do the bees of Harlow eat?"
FOUL = "What do you think of bees?"


def drawn(*questions: tuple[str, float]) -> Reply:
    return Reply(
        tuple(
            Choice(text, tokens=tuple(TokenLogprob(word, logprob) for word in text.split()))
            for text, logprob in questions
        )
    )


class Rig:
    """A writer over scripted models."""

    def __init__(self, *rounds: Reply, weak: str = "What is that?") -> None:
        self.rounds = list(rounds)
        self.tuned = FakeModel(lambda _: self.rounds.pop(0) if self.rounds else drawn((FOUL, -0.1)))
        self.base = FakeModel(lambda _: drawn((weak, -3.0)))
        self.encoder = FakeModel(
            lambda request: Reply(embedding=(1.0, float(request.text.endswith("?"))))
        )
        tuned, base, encoder = (
            Caller(model, MemoryJournal()) for model in (self.tuned, self.base, self.encoder)
        )
        library = Library()
        self.prompt = library.prompt("small_question", "en")
        self.writer = QuestionWriter(tuned, base, encoder, split, Exchange.of(library), self.prompt)


async def test_the_best_of_those_that_pass_is_taken() -> None:
    rig = Rig(drawn((FOUL, -0.01), (GOOD, -2.5), (BETTER, -0.05)))
    assert await rig.writer.write(node_of(BEES), 0) == BETTER
    assert len(rig.tuned.requests) == 1
    assert rig.base.requests == []


async def test_where_no_candidate_passes_others_are_drawn_once() -> None:
    rig = Rig(drawn((FOUL, -0.1)), drawn((GOOD, -0.05)))
    assert await rig.writer.write(node_of(BEES), 0) == GOOD
    assert len({request.seed for request in rig.tuned.requests}) == 2
    rig = Rig()
    assert await rig.writer.write(node_of(BEES), 0) == ""
    assert len(rig.tuned.requests) == 2


async def test_another_pass_draws_with_other_seeds() -> None:
    rig = Rig(drawn((GOOD, -0.05)), drawn((GOOD, -0.05)))
    await rig.writer.write(node_of(BEES), 0)
    await rig.writer.write(node_of(BEES), 1)
    first, second = rig.tuned.requests
    assert first.seed != second.seed
    assert first.messages == second.messages


@pytest.mark.parametrize("weakening", list(Weakening))
async def test_a_weak_question_comes_unfiltered_from_the_base_and_a_weaker_prompt(
    weakening: Weakening,
) -> None:
    rig = Rig()
    assert await rig.writer.write_weakly(node_of(BEES), weakening) == "What is that?"
    assert rig.tuned.requests == []
    strong = rig.prompt.messages({"context": BEES}, "bare")
    weak = rig.base.requests[-1].messages
    assert (len(weak) < len(strong)) == (weakening is not Weakening.INSTRUCTION)
    assert (weak[0] != strong[0]) == (weakening is not Weakening.EXAMPLES)


async def test_a_candidate_that_is_hardly_likely_does_not_stand() -> None:
    rig = Rig(drawn((GOOD, -6.0)), drawn((GOOD, -0.05)))
    assert await rig.writer.write(node_of(BEES), 0) == ""
    assert len(rig.tuned.requests) == 1


def test_every_measure_has_a_weight_and_tells_what_it_says() -> None:
    assert len(WEIGHTS) == len(MEASURES)
    candidates = [Candidate(GOOD, (-0.5, -1.5)), Candidate("What do rockets burn?", (-1.0,))]
    questions = np.array([[1.0, 0.0], [0.0, 1.0]])
    sentences = np.array([[1.0, 0.0], [1.0, 1.0]])
    found = measures(candidates, BEES, questions, sentences)
    good, stray = (dict(zip(MEASURES, row, strict=True)) for row in found)
    assert good["mean_logprob"] == -1.0
    assert good["joined"] == 0.5  # trains stand with Tessen and with late, Tessen not with late
    assert good["told"] > stray["told"] == 0.0
    assert (good["meaning"], stray["meaning"]) == pytest.approx((1.0, 0.5**0.5))
    assert good["words"] == 7.0


@pytest.mark.parametrize(
    ("question", "context", "count"),
    [
        ("What did the university sponsor?", "In 1950, the university sponsored a project.", 1),
        ("What did the university sponsor?", "A university in Hall sponsored a project.", 0),
        ("What did the University of Hall sponsor?", "The University of Hall sponsored it.", 0),
        ("Which were the empire's members?", "Its empire had many members.", 1),
        ("How warm is the cluster?", "Bees form a cluster. The cluster is warm.", 0),
    ],
)
def test_a_thing_that_the_text_takes_as_known_is_not_named(
    question: str, context: str, count: int
) -> None:
    assert unnamed(question, context) == count


def test_the_likelier_of_two_alike_questions_is_better() -> None:
    vectors = np.array([[1.0, 0.0]])
    likely, unlikely = (
        log_odds([Candidate(GOOD, (p,))], BEES, vectors, vectors)[0] for p in (-0.2, -0.9)
    )
    assert likely > unlikely


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
