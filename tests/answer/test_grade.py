from __future__ import annotations

import json

import pytest

from augcon.answer.grade import Grader, whole_grade
from augcon.errors import ReplyError
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library
from tests.answer.annotated import ANNOTATED


@pytest.mark.parametrize(
    ("said", "grade"),
    [("1", 1), ("5", 5), (" 4\n", 4), ("５", 5), ("３分", 3), ("5分", 5), ("2 分", 2)],
)
def test_a_whole_grade_is_one_in_either_width_and_with_its_unit(said: str, grade: int) -> None:
    assert whole_grade(said) == grade


@pytest.mark.parametrize(
    "said",
    [
        *("", " ", "0", "6", "15", "51", "10", "-5", "+5", "05", "5.", "4.5", "4/5", "5/5", "5 5"),
        *("grade 5", "5 of 5", "5 (good)", "5!", "five", "true", "None", "nan", "5e0", "٥", "⑤"),
        *(
            "是",
            "不是",
            "不是5",
            "五",
            "五分",
            "５５",
            "１０",
            "5分钟",
            "5分半",
            "满分",
            "评分：5",
            "4~5分",
        ),
    ],
)
def test_a_part_of_what_was_said_is_no_grade(said: str) -> None:
    with pytest.raises(Unusable):
        whole_grade(said)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_an_answer_has_the_models_grade_and_its_agreement_with_the_reference(
    language: str,
) -> None:
    item = ANNOTATED[language][0]
    model = FakeModel(lambda _: json.dumps({"reason": "r", "grade": "4分"}))
    grader = Grader(Asker(Caller(model, MemoryJournal())), Library(), 0)
    grade = await grader.grade(item, item.answer, language)
    assert (grade.grade, grade.agreement) == (4, 1.0)
    other = await grader.grade(item, "No." if language == "en" else "不知道。", language)
    assert other.agreement < 0.2


async def test_a_reply_without_a_whole_grade_is_asked_again_and_then_given_up() -> None:
    model = FakeModel(lambda _: json.dumps({"reason": "5", "grade": "不是"}))
    grader = Grader(Asker(Caller(model, MemoryJournal())), Library(), 0)
    with pytest.raises(ReplyError):
        await grader.grade(ANNOTATED["zh"][0], "a", "zh")
    assert len(model.requests) == 4
