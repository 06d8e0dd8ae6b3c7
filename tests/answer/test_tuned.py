"""The tuned model's answers: taken where their words are the text's, else the closest sentences."""

from __future__ import annotations

import pytest

from augcon.answer.tuned import TunedResponder, unsupported
from augcon.llm.base import Choice, Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Exchange, Library
from augcon.records import Question
from tests.plain_texts import node_of, split

BEES = (
    "Bees in the hive of Marta Lund form a cluster in winter. "
    "The cluster of 8,000 bees eats honey to keep warm. "
    "When the honey is gone in March, the keeper puts sugar on top."
)
ASKED = "What do the bees in the hive of Marta Lund do in winter?"
GOOD = "In winter the bees in Marta Lund's hive form a cluster and eat honey to keep warm."


def direction(request: Request) -> Reply:
    words = request.text.lower()
    return Reply(embedding=(float("winter" in words), float("sugar" in words), 0.1))


async def answer_of(written: str) -> tuple[str, FakeModel]:
    tuned = FakeModel(lambda _: Reply((Choice(written),)))
    responder = TunedResponder(
        Caller(tuned, MemoryJournal()),
        Caller(FakeModel(direction), MemoryJournal()),
        split,
        Exchange.of(Library()),
    )
    return await responder.respond(Question.of(node_of(BEES), ASKED, 0)), tuned


async def test_a_written_answer_in_the_texts_words_is_taken() -> None:
    answer, tuned = await answer_of(GOOD)
    assert answer == GOOD
    (request,) = tuned.requests
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert [m.content for m in request.messages[1:3]] == [BEES, ASKED]
    assert request.messages[-1].content.endswith("form a cluster in winter.")


@pytest.mark.parametrize(
    ("written", "because"),
    [
        ("The bees of Karl Lund form a cluster in winter.", "'Karl' is not in the context"),
        ("In winter 9,000 bees form a cluster and eat honey.", "not in the context"),
        ("Bees hibernate underground until temperatures climb again.", "words are not"),
        ("In winter the bees form a cluster and", "has no end"),
        ("The bees in the hive of Marta Lund do that in winter.", "no more than the question"),
        ("", "has no end"),
        ("Einstein puts sugar on top when the honey is gone.", "'Einstein' is not in the context"),
        ("In winter nine bees form a cluster and eat honey.", "'nine' is not in the context"),
        ("In winter the bees do not form a cluster.", "denies"),
        ("In winter the bees don't form a cluster.", "denies"),
    ],
)
async def test_an_answer_that_cannot_be_trusted_gives_way_to_the_window(
    written: str, because: str
) -> None:
    assert because in unsupported(written, BEES, ASKED)
    answer, _ = await answer_of(written)
    assert answer in BEES
    assert "in winter" in answer


def test_a_text_without_other_sentences_is_not_shown_twice() -> None:
    exchange = Exchange.of(Library())
    alone = exchange.answer(BEES, ASKED, BEES)[-1].content
    beside = exchange.answer(BEES, ASKED, "Something of it.")[-1].content
    assert BEES not in alone
    assert beside == f"{alone}\n\nSomething of it."
