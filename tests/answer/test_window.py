"""The embedded model's answers are stretches of the context, and the right ones."""

from __future__ import annotations

from augcon.answer.window import WindowResponder
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.records import Context, Document, Question
from tests.plain_texts import split

TOPICS = ("bee", "hive", "winter", "honey")


def count_topics(request: Request) -> Reply:
    """An embedding whose directions are topics, so that cosine means shared words."""
    words = request.text.lower()
    return Reply(embedding=(0.1, *(float(words.count(topic)) for topic in TOPICS)))


def question_about(text: str, asked: str) -> Question:
    document = Document.of("d.txt", text, "en")
    return Question.of(Context.root(document, 0, len(text), 10, "en"), asked, 0)


def responder(model: FakeModel) -> WindowResponder:
    return WindowResponder(Caller(model, MemoryJournal()), split)


async def test_the_answer_is_the_closest_sentence_word_for_word() -> None:
    text = "Rain fell all day. The hive stays warm in winter. Nobody came."
    model = FakeModel(count_topics)
    answer = await responder(model).respond(question_about(text, "What is a hive in winter?"))
    assert answer == "The hive stays warm in winter."


async def test_neighbouring_sentences_are_joined_when_both_are_asked_for() -> None:
    text = "Nothing here.  A hive is warm.\nIn winter it is heavy. Bee honey."
    model = FakeModel(count_topics)
    answer = await responder(model).respond(question_about(text, "Is a hive heavy in winter?"))
    assert answer == "A hive is warm.\nIn winter it is heavy."
    assert answer in text


async def test_a_single_sentence_is_its_own_answer_and_nothing_is_asked() -> None:
    model = FakeModel(count_topics)
    answer = await responder(model).respond(question_about("One bee.", "How many bees?"))
    assert answer == "One bee."
    assert model.requests == []


async def test_a_text_without_sentences_is_answered_with_itself() -> None:
    model = FakeModel(count_topics)
    assert await responder(model).respond(question_about(" 42 ", "How many?")) == "42"


async def test_each_window_is_encoded_once_for_two_questions_on_one_context() -> None:
    text = "The hive is old. A bee came. Winter is long."
    model = FakeModel(count_topics)
    windows = responder(model)
    await windows.respond(question_about(text, "What came to the hive?"))
    before = len(model.requests)
    await windows.respond(question_about(text, "How long is winter?"))
    assert len(model.requests) - before == 1
