"""Whether a text answers a question: by one whole word, with a sentence of the text."""

from __future__ import annotations

import json

import pytest

from augcon.answer import AnswerableCheck
from augcon.answer.answerable import ANSWERED
from augcon.answer.verify import located, read_grade
from augcon.errors import ReplyError
from augcon.llm.base import Choice, Reply
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from augcon.prompts.library import LANGUAGES
from tests.answer.questions import MILL, MILL_ZH

WHO = "Who built the mill at Orrow?"
WHO_ZH = "奥罗村的磨坊是谁建的？"
BUILT = "The mill at Orrow was built in 1801 by Anna Kolbe."
BUILT_ZH = "奥罗村的磨坊由安娜·科尔贝于1801年建成。"


def check(verdict: str, evidence: str) -> tuple[AnswerableCheck, FakeModel]:
    told = json.dumps({"evidence": evidence, "verdict": verdict}, ensure_ascii=False)
    model = FakeModel(lambda _: Reply((Choice(told),)))
    return AnswerableCheck(Asker(Caller(model, MemoryJournal(), tries=2)), Library()), model


@pytest.mark.parametrize(
    ("said", "share"),
    [
        *(("answerable", 1.0), (" Partly. ", 0.5), ("**unanswerable**", 0.0)),
        *(("not answerable", 0.0), ("「可答」。", 1.0), ("部分", 0.5), ("不可答", 0.0)),
    ],
)
def test_a_verdict_is_one_whole_word(said: str, share: float) -> None:
    assert ANSWERED[read_grade(said, ANSWERED)] == share


@pytest.mark.parametrize(
    "said",
    [
        *("", "yes", "it is answerable", "answerable or not", "unanswerable?!x", "supported"),
        *("是", "并不可答", "可答吗", "可答或不可答", "支持", "1"),
    ],
)
def test_anything_else_is_no_verdict(said: str) -> None:
    with pytest.raises(Unusable, match="not one of the verdicts"):
        read_grade(said, ANSWERED)


@pytest.mark.parametrize(
    ("text", "question", "language", "verdict", "quoted"),
    [
        (MILL, WHO, "en", "answerable", "was built in 1801 by Anna Kolbe"),
        (MILL_ZH, WHO_ZH, "zh", "可答", "由安娜·科尔贝于1801年建成"),
    ],
)
async def test_an_answer_comes_with_the_sentence_that_it_stands_in(
    text: str, question: str, language: str, verdict: str, quoted: str
) -> None:
    asked, _ = check(verdict, quoted)
    told = await asked.look(text, question, language)
    assert told.share == 1
    assert told.evidence == (BUILT_ZH if language == "zh" else BUILT)


@pytest.mark.parametrize(
    ("text", "question", "language", "verdict", "quoted"),
    [
        (MILL, WHO, "en", "answerable", "Anna Kolbe had the church built as well, in 1820."),
        (MILL, WHO, "en", "partly", "none"),
        (MILL_ZH, WHO_ZH, "zh", "可答", "教堂也是她在1820年捐建的。"),
        (MILL_ZH, WHO_ZH, "zh", "部分", "无"),
    ],
)
async def test_a_sentence_that_is_not_in_the_text_is_no_answer(
    text: str, question: str, language: str, verdict: str, quoted: str
) -> None:
    asked, model = check(verdict, quoted)
    with pytest.raises(ReplyError, match="not in the text"):
        await asked.look(text, question, language)
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    ("text", "question", "language", "verdict", "none"),
    [(MILL, WHO, "en", "unanswerable", "none"), (MILL_ZH, WHO_ZH, "zh", "不可答", "无")],
)
async def test_what_is_not_told_needs_no_sentence_and_keeps_the_closest_one(
    text: str, question: str, language: str, verdict: str, none: str
) -> None:
    asked, _ = check(verdict, none)
    assert (await asked.look(text, question, language)).evidence == ""
    closest = BUILT_ZH if language == "zh" else BUILT
    asked, _ = check(verdict, closest)
    told = await asked.look(text, question, language)
    assert (told.share, told.evidence) == (0, closest)


def test_the_prompts_examples_show_all_three_verdicts_with_their_evidence() -> None:
    for language in LANGUAGES:
        examples = Library().prompt("answerable", language).examples
        grades = [ANSWERED[read_grade(example["verdict"], ANSWERED)] for example in examples]
        assert sorted(grades) == [0, 0.5, 1]
        for example in examples:
            assert located(example["evidence"], example["context"], language) is not None
