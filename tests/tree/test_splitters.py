"""Parts that are computed: where each way cuts, and that they are the node's own text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augcon.corpus import count_units
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.records import Context, Document
from augcon.tree.split import Splitter
from augcon.tree.splitters import MiddleSplitter, RecursiveSplitter, SemanticSplitter
from tests.small_corpora import chinese, english

PARAGRAPHS = "The mill is old.\n\nIt grinds rye. It grinds oats. The miller sleeps late in winter."
SHIPS = "Ships bring salt. Bees eat honey. Bees sleep in winter. Bees dance."


def node(text: str, language: str = "en") -> Context:
    document = Document.of("d.txt", text, language)
    return Context.root(document, 0, len(text), count_units(text), language)


def by_subject(request: Request) -> Reply:
    subjects = ("ship", "bee", "船", "蜂")
    return Reply(embedding=(*(float(one in request.text.lower()) for one in subjects), 0.1))


def semantic() -> SemanticSplitter:
    return SemanticSplitter(Caller(FakeModel(by_subject), MemoryJournal()))


SPLITTERS = [MiddleSplitter, RecursiveSplitter, semantic]
texts = st.one_of(
    st.builds(lambda s, n: (english(s, n), "en"), st.integers(0, 99), st.integers(1, 9)),
    st.builds(lambda s, n: (chinese(s, n), "zh"), st.integers(0, 99), st.integers(1, 9)),
    st.builds(
        lambda s: (f"{english(s, 2)}\n\n{english(s + 1, 3)}\n \n{chinese(s, 2)}", "en"),
        st.integers(0, 99),
    ),
    st.tuples(st.text(alphabet="ab 船。，；.,;:!?\n’”", min_size=1, max_size=60), st.just("en")),
    st.tuples(st.text(alphabet="船蜂。，；：、\n”", min_size=1, max_size=60), st.just("zh")),
)


@pytest.mark.parametrize("make", SPLITTERS)
@given(text=texts)
@settings(max_examples=60)
async def test_the_parts_are_two_in_order_hold_all_of_the_text_and_nothing_else(
    make: type[Splitter], text: tuple[str, str]
) -> None:
    context = node(*text)
    parts = await make().parts(context)
    if not parts:
        return
    first, second = parts
    assert first
    assert second
    assert context.text.strip().startswith(first)
    assert context.text.strip().endswith(second)
    assert "".join((first + second).split()) == "".join(context.text.split())


@pytest.mark.parametrize("make", SPLITTERS)
@pytest.mark.parametrize(
    ("text", "language"), [("The mill is old.", "en"), ("石桥很古老。", "zh"), ("x", "en")]
)
async def test_a_single_sentence_without_clauses_is_not_divided(
    make: type[Splitter], text: str, language: str
) -> None:
    assert await make().parts(node(text, language)) == ()


@pytest.mark.parametrize("make", [MiddleSplitter, semantic])
@pytest.mark.parametrize(
    ("text", "language"),
    [("The mill is old, and it is closed.", "en"), ("石桥很古老，一直没有修。", "zh")],
)
async def test_only_recursive_divides_a_sentence(
    make: type[Splitter], text: str, language: str
) -> None:
    context = node(text, language)
    assert await make().parts(context) == ()
    first, second = await RecursiveSplitter().parts(context)
    assert first.endswith((",", "，"))
    assert first + second == text.replace(", and", ",and")


async def test_middle_cuts_at_the_sentence_border_nearest_the_middle() -> None:
    assert await MiddleSplitter().parts(node("One two three. Four. Five. Six seven.")) == (
        "One two three. Four.",
        "Five. Six seven.",
    )
    assert await MiddleSplitter().parts(node("一二三四五六。七。八九十一。", "zh")) == (
        "一二三四五六。",
        "七。八九十一。",
    )


async def test_recursive_goes_by_paragraphs_then_sentences_then_strong_marks_then_clauses() -> None:
    splitter = RecursiveSplitter()
    assert await splitter.parts(node(PARAGRAPHS)) == tuple(PARAGRAPHS.split("\n\n"))
    assert (await splitter.parts(node(PARAGRAPHS.split("\n\n")[1])))[0].endswith("oats.")
    one = "At dawn, if it is dry, they open the gate; the water, cold and fast, turns the wheel."
    assert (await splitter.parts(node(one)))[1].startswith("the water")
    clauses = "若天晴，他们开闸，水流很急，水轮就转。"
    assert (await splitter.parts(node(clauses, "zh")))[0] == "若天晴，他们开闸，"
    assert await splitter.parts(node("It cost 1,200 crowns at 12:30 that day.")) == ()


async def test_semantic_cuts_where_the_subject_changes_even_far_from_the_middle() -> None:
    first, second = await semantic().parts(node(SHIPS))
    assert (first, second[:4]) == ("Ships bring salt.", "Bees")
    assert (await semantic().parts(node("蜂采蜜。蜂睡觉。船运盐。船很大。船很旧。", "zh")))[1] == (
        "船运盐。船很大。船很旧。"
    )


async def test_semantic_cuts_nearest_the_middle_where_all_sentences_mean_the_same() -> None:
    text = "Bees eat. Bees sleep. Bees dance. Bees sting."
    assert await semantic().parts(node(text)) == (
        "Bees eat. Bees sleep.",
        "Bees dance. Bees sting.",
    )


async def test_semantic_asks_for_each_sentence_once_however_deep_the_tree() -> None:
    model = FakeModel(by_subject)
    splitter = SemanticSplitter(Caller(model, MemoryJournal()))
    _, second = await splitter.parts(node(SHIPS))
    assert len(model.requests) == 4
    await splitter.parts(node(second))
    assert len(model.requests) == 4
