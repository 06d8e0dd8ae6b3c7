from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.prompts.library import LANGUAGES
from augcon.records import Context, Document, Granularity, Question
from augcon.select import Classifier, soundness
from augcon.select.classify import WORDS

MACRO, CONCEPT, DETAIL = Granularity
TEXTS = {"en": "The mill of Harwick was built in 1801.", "zh": "青石镇的石桥建于1801年。"}


def root_in(language: str) -> Context:
    text = TEXTS.get(language, TEXTS["en"])
    return Context.root(Document.of("a.txt", text, language), 0, len(text), 8, language)


def saying(word: str) -> Callable[[Request], str]:
    return lambda request: json.dumps({"granularity": word}, ensure_ascii=False)


def classifier(model: FakeModel) -> Classifier:
    caller = Caller(model, MemoryJournal(), tries=2)
    return Classifier(Asker(caller), Library(), Sampling(temperature=0.0))


async def classed(language: str, word: str) -> Question:
    root = root_in(language)
    part = root.child(root.text[:10], 3, 0, 10)
    question = Question.of(part, "What was built?", 0, CONCEPT)
    (found,) = await classifier(FakeModel(saying(word))).classify([question], root)
    return found


@pytest.mark.parametrize(
    ("language", "word", "kind"),
    [
        ("en", "macro", MACRO),
        ("en", "Concept", CONCEPT),
        ("fr", "detail", DETAIL),
        ("zh", "宏观", MACRO),
        ("zh", "概念", CONCEPT),
        ("zh", "细节", DETAIL),
    ],
)
async def test_the_one_word_of_the_model_is_the_granularity(
    language: str, word: str, kind: Granularity
) -> None:
    found = await classed(language, word)
    assert found.granularity is kind
    assert not found.unclassed


@pytest.mark.parametrize(
    ("language", "word"),
    [
        ("en", "not macro"),
        ("en", "macro."),
        ("en", "宏观"),
        ("zh", "不是宏观"),
        ("zh", "macro"),
        ("zh", "宏观、概念"),
    ],
)
async def test_anything_but_the_one_word_costs_the_question_and_no_guess_is_made(
    language: str, word: str
) -> None:
    found = await classed(language, word)
    assert found.unclassed.startswith("unusable_reply: ")
    verdict = soundness(found, 1)
    assert (verdict.state, verdict.reason) == ("failed", "no_granularity")


async def test_a_question_is_shown_with_the_whole_root_before_it() -> None:
    model = FakeModel(saying("detail"))
    root = root_in("en")
    part = root.child("The mill", 2, 0, 8)
    questions = [Question.of(part, text, 0) for text in ("Who came?", "What then?")]
    found = await classifier(model).classify(questions, root)
    assert [q.text for q in found] == ["Who came?", "What then?"]
    for request, question in zip(model.requests, questions, strict=True):
        asked = request.messages[-1].content
        assert asked.index(root.text) < asked.index(question.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_prompt_names_every_word_and_shows_each_once_at_least(language: str) -> None:
    prompt = Library().prompt("granularity", language)
    (output,) = prompt.outputs
    assert {example["granularity"] for example in prompt.examples} == set(WORDS[language])
    for word in WORDS[language]:
        assert word in prompt.instruction
        assert word in output.describe
