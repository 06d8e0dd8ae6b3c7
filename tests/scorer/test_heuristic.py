from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.scorer import HeuristicScorer, Item, Score
from augcon.scorer.heuristic import weigh

ENGLISH = (
    "The mill of Harwick was built by Tom Hale in 1801. It ground corn for nine villages. "
    "In 1830 a fire destroyed the wooden wheel, and his daughter replaced it with iron."
)
CHINESE = (
    "青石镇的石桥由李文远于1801年修建，连接两岸的集市。"
    "1830年洪水冲垮了桥墩，他的女儿用铁梁重修了石桥。"
)


@pytest.mark.parametrize(
    ("context", "good", "poor"),
    [
        (
            ENGLISH,
            "How did the fire of 1830 change the wheel that Tom Hale built for the mill?",
            "What is the economic outlook for renewable energy in northern Europe?",
        ),
        (
            ENGLISH,
            "Who replaced the wooden wheel of the mill of Harwick with iron?",
            "Why?",
        ),
        (
            CHINESE,
            "1830年的洪水冲垮桥墩后，青石镇的石桥是如何重修的？",
            "新能源汽车的销量在未来几年会怎样变化？",
        ),
        (CHINESE, "李文远于1801年修建的石桥连接了什么？", "为什么？"),
    ],
)
async def test_the_heuristic_prefers_a_question_that_its_context_answers(
    context: str, good: str, poor: str
) -> None:
    better, worse = await HeuristicScorer().score([Item(context, good), Item(context, poor)])
    assert better.value > worse.value


async def test_the_heuristic_gives_nothing_for_a_question_without_a_word() -> None:
    scored = await HeuristicScorer().score([Item("The mill.", "?!"), Item("", "Who?")])
    assert scored == [Score(0.0), Score(0.0)]


@pytest.mark.parametrize(
    ("context", "telling", "vague"),
    [
        (ENGLISH, "What did the daughter of Tom Hale replace after the fire?", "What is the fire?"),
        (CHINESE, "李文远修建的石桥在洪水之后是如何重修的？", "石桥是什么？"),
    ],
)
def test_a_question_that_says_what_it_asks_about_is_better_than_a_vague_one(
    context: str, telling: str, vague: str
) -> None:
    assert weigh(context, telling) > weigh(context, vague)


@pytest.mark.parametrize(
    ("context", "known", "unknown"),
    [
        (ENGLISH, "What could destroy the wheels?", "What could paint the wheels?"),
        (CHINESE, "谁能够重修石桥？", "谁能够油漆石桥？"),
    ],
)
def test_words_are_known_again_in_another_form(context: str, known: str, unknown: str) -> None:
    assert weigh(context, known) > weigh(context, unknown)


@pytest.mark.parametrize(
    ("simplified", "traditional"),
    [
        ("谁在小城中住了十年，为什么？", "誰在小城中住了十年，為什麼？"),
        ("李文与谁在城中，他们从哪里上山？", "李文與誰在城中，他們從哪裡上山？"),
        ("李文在城中怎样种茶，种了几年？", "李文在城中怎樣種茶，種了幾年？"),
    ],
)
def test_function_words_are_known_in_traditional_characters(
    simplified: str, traditional: str
) -> None:
    """The two differ in these characters alone."""
    context = "青石山下有一座小城，李文在城中住了十年，天天上山种茶。"
    assert weigh(context, simplified) == weigh(context, traditional)
    assert weigh(context.replace("种", "種"), traditional) == weigh(context, traditional)


def test_a_question_that_goes_on_and_on_is_worse() -> None:
    asked = "How did the fire of 1830 change the wooden wheel of the mill of Harwick?"
    rambling = asked[:-1] + ", and so on and so forth as it may be or might have been" * 3 + "?"
    assert weigh(ENGLISH, asked) > weigh(ENGLISH, rambling)


@given(st.text(max_size=200), st.text(max_size=80))
def test_any_texts_are_weighed_between_none_and_four_and_a_half(context: str, asked: str) -> None:
    assert 0.0 <= weigh(context, asked) <= 4.5


def test_the_order_of_questions_about_many_contexts_does_not_matter() -> None:
    asked = "How many villages did the mill of Harwick grind corn for?"
    alone = weigh(ENGLISH, asked)
    for number in range(300):
        weigh(f"Text number {number}.", asked)
    assert weigh(ENGLISH, asked) == alone
