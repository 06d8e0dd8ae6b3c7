from __future__ import annotations

import pytest

from augcon.answer import FixedExamples, NearestExamples
from augcon.errors import ItemError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.records import Triplet

SUBJECTS = ["mill", "bridge", "tower", "lantern"]
SUBJECTS_ZH = ["磨坊", "石桥", "钟楼", "灯笼"]
ASKS = ["when", "why", "何时", "为何"]


class Encoder:
    """Of a text: which subjects it is about and what it asks. Every request is kept."""

    name = "encoder"

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def ask(self, request: Request) -> Reply:
        self.texts.append(request.text)
        found = [request.text.lower().count(word) for word in (*SUBJECTS, *SUBJECTS_ZH, *ASKS)]
        return Reply(embedding=tuple(float(n) for n in found))

    async def close(self) -> None: ...


def of_subjects(language: str) -> list[Triplet]:
    if language == "en":
        return [Triplet.of(f"The {s}.", f"When was the {s} built?", s, "en") for s in SUBJECTS]
    return [Triplet.of(f"这是{s}。", f"{s}何时建成？", s, "zh") for s in SUBJECTS_ZH]


def asked_about(language: str, subject: int, other: int) -> tuple[str, str]:
    """A context that is more about one subject than about another, and a question on the first."""
    if language == "en":
        one, two = SUBJECTS[subject], SUBJECTS[other]
        return f"A {one}, a {one}, a {two}.", f"Why the {one}?"
    one, two = SUBJECTS_ZH[subject], SUBJECTS_ZH[other]
    return f"{one}、{one}、{two}。", f"为何是{one}？"


async def nearest(model: Encoder, shots: int, annotated: list[Triplet]) -> NearestExamples:
    encoder = Caller(model, MemoryJournal())
    return await NearestExamples.over(encoder, {annotated[0].language: annotated}, shots)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_nearest_examples_are_shown_the_nearest_last(language: str) -> None:
    annotated = of_subjects(language)
    examples = await nearest(Encoder(), 2, annotated)
    for subject, other in [(0, 3), (2, 1), (3, 0)]:
        found = await examples.of(*asked_about(language, subject, other), language)
        assert [t.answer for t in found] == [annotated[other].answer, annotated[subject].answer]


async def test_a_question_counts_as_much_as_its_context_however_long_that_is() -> None:
    context = "The mill. " * 300
    annotated = [
        Triplet.of("The mill.", "Why the tower?", "by context", "en"),
        Triplet.of("The bridge.", "When was the lantern lit?", "by question", "en"),
        Triplet.of("The mill.", "When was the lantern lit first?", "by both", "en"),
    ]
    examples = await nearest(Encoder(), 1, annotated)
    (found,) = await examples.of(context, "When was the lantern lit at last?", "en")
    assert found.answer == "by both"


async def test_equally_near_examples_go_by_their_order() -> None:
    annotated = [Triplet.of(f"The mill {n}.", f"When {n}?", f"{n}", "en") for n in range(5)]
    examples = await nearest(Encoder(), 3, annotated)
    found = await examples.of("A mill.", "When?", "en")
    assert [t.answer for t in found] == ["2", "1", "0"]


async def test_an_annotated_item_is_never_shown_for_itself() -> None:
    annotated = of_subjects("en")
    examples = await nearest(Encoder(), 4, annotated)
    item = annotated[1]
    found = await examples.of(item.context, item.question, "en")
    assert len(found) == 3
    assert item not in found


async def test_annotated_examples_are_embedded_once_and_a_question_by_two_requests() -> None:
    model = Encoder()
    examples = await nearest(model, 2, of_subjects("en"))
    assert len(model.texts) == 2 * len(SUBJECTS)
    for subject in range(3):
        before = len(model.texts)
        await examples.of(*asked_about("en", subject, 3), "en")
        assert len(model.texts) - before == 2


async def test_a_language_without_examples_has_none_and_embeds_nothing() -> None:
    model = Encoder()
    examples = await nearest(model, 2, of_subjects("en"))
    before = len(model.texts)
    assert await examples.of("磨坊。", "何时？", "zh") == ()
    assert len(model.texts) == before
    assert await FixedExamples({}).of("c", "q", "en") == ()


async def test_a_text_that_cannot_be_embedded_is_that_items_error() -> None:
    class Refusing(Encoder):
        async def ask(self, request: Request) -> Reply:
            return Reply() if "poison" in request.text else await super().ask(request)

    examples = await nearest(Refusing(), 2, of_subjects("en"))
    with pytest.raises(ItemError):
        await examples.of("The poison.", "Why?", "en")


async def test_a_text_without_any_direction_is_as_near_to_one_as_to_another() -> None:
    examples = await nearest(Encoder(), 2, of_subjects("en"))
    found = await examples.of("Nothing known.", "Who?", "en")
    assert [t.answer for t in found] == ["bridge", "mill"]
