"""Annotated examples of both languages, and a model that answers and grades as it is told."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

from augcon.answer import FixedExamples, GenerateResponder
from augcon.llm.base import Message, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel, last_text
from augcon.prompts import Asker, Library
from augcon.records import Triplet

ANNOTATED = {
    "en": [
        Triplet.of(
            f"Mill {n} was built in {1800 + n} by Anna Kolbe.",
            f"When was mill {n} built?",
            f"Mill {n} was built in {1800 + n}.",
            "en",
        )
        for n in range(9)
    ],
    "zh": [
        Triplet.of(
            f"{n}号磨坊由安娜于{1800 + n}年建成。",
            f"{n}号磨坊建于何时？",
            f"{n}号磨坊建于{1800 + n}年。",
            "zh",
        )
        for n in range(9)
    ],
}
Shown = frozenset[str]  # ids
Grades = Callable[[Triplet, Shown], object]
Answers = Callable[[Triplet, Shown], str]
SET = "@"  # before the ids of the examples that an answer was given with


class Shuffled(FakeModel):
    """Replies come in an order of their own."""

    def __init__(self, script: Callable[[Request], str], seed: int) -> None:
        super().__init__(script)
        self._draw = random.Random(seed)

    async def ask(self, request: Request) -> Reply:
        reply = await super().ask(request)
        for _ in range(self._draw.randrange(40)):
            await asyncio.sleep(0)
        return reply


def is_grading(request: Request) -> bool:
    return list(json.loads(request.schema)["required"]) == ["reason", "grade"]


def item_of(text: str) -> Triplet:
    """The one that is asked about, or whose answer is graded."""
    return next(t for some in ANNOTATED.values() for t in some if t.question in text)


def shown_in(messages: tuple[Message, ...]) -> list[str]:
    """The ids of the examples of a request, in order."""
    turns = messages[1:-1:2]
    return [item_of(turn.content).id for turn in turns]


def answered(request: Request, answer: Answers) -> str:
    """The answer, with the examples that it was given with, so that it can be graded by them."""
    shown = shown_in(request.messages)
    text = answer(item_of(last_text(request)), frozenset(shown))
    return json.dumps({"answer": f"{text} {SET}{','.join(shown)}"})


def script_of(
    grade: Grades, answer: Answers = lambda item, _: item.answer
) -> Callable[[Request], str]:
    """Grades by the item and the examples that its answer was given with."""

    def script(request: Request) -> str:
        if not is_grading(request):
            return answered(request, answer)
        said = last_text(request)
        shown = frozenset(said.rpartition(SET)[2].split("\n")[0].split(","))
        return json.dumps({"reason": "r", "grade": str(grade(item_of(said), shown))})

    return script


def responder(model: FakeModel) -> GenerateResponder:
    asker = Asker(Caller(model, MemoryJournal(), seed=3))
    return GenerateResponder(asker, Library(), FixedExamples({}), Sampling(0.2))


def answers_asked(model: FakeModel) -> list[Request]:
    return [request for request in model.requests if not is_grading(request)]
