"""Numbered sentences out, numbers back: what the parts are made of, and which replies are none."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.corpus import Span, count_units, sentence_spans
from augcon.errors import ReplyError
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library, Weakening
from augcon.records import Context, Document
from augcon.tree.numbered import AssignDivider, CutDivider, joined, numbered, read_numbers
from augcon.tree.prompted import PromptedDivider, PromptedQuestions
from tests.small_corpora import chinese, english

MILL = "The mill is old. Rye is ground in it.\n\nA bridge leads there. The bridge is narrow."
BRIDGE = "石桥很古老。桥上有灯。\n\n水磨坊在河边。磨坊已经关闭。"
BOTH = [(MILL, "en"), (BRIDGE, "zh")]
WAYS = [(CutDivider, "last"), (AssignDivider, "second")]


def node(text: str, language: str) -> Context:
    document = Document.of("d.txt", text, language)
    return Context.root(document, 0, len(text), count_units(text), language)


def divider(
    kind: type[PromptedDivider],
    reply: Callable[[Request], str],
    journal: MemoryJournal | None = None,
) -> tuple[PromptedDivider, FakeModel]:
    model = FakeModel(reply)
    caller = Caller(model, journal or MemoryJournal(), tries=2)
    return kind(Asker(caller), Library(), Sampling(0.85)), model


def saying(key: str, value: str) -> Callable[[Request], str]:
    return lambda _: json.dumps({"question": "What of it?", key: value})


@pytest.mark.parametrize(("text", "language"), BOTH)
async def test_the_model_sees_every_sentence_behind_its_number_and_cuts_after_one(
    text: str, language: str
) -> None:
    cut, model = divider(CutDivider, saying("last", "3"))
    division = await cut.divide(node(text, language), 0)
    (request,) = model.requests
    lines = request.messages[-1].content.split("<<<\n")[1].split("\n>>>")[0].split("\n")
    spans = sentence_spans(text, language)
    shown = [f"[{n}] {text[s.start : s.end]}" for n, s in enumerate(spans, 1)]
    assert lines == [*shown[:2], "", *shown[2:]]
    assert division.question == "What of it?"
    assert division.parts == (text[: spans[2].end], text[spans[3].start :])


@pytest.mark.parametrize(("text", "language"), BOTH)
@pytest.mark.parametrize("told", ["3.", "3。", "３", "[3]。", " 3 "])
async def test_a_number_is_read_in_either_width_and_with_the_stop_of_a_sentence(
    text: str, language: str, told: str
) -> None:
    cut, model = divider(CutDivider, saying("last", told))
    division = await cut.divide(node(text, language), 0)
    assert division.parts[0] == text[: sentence_spans(text, language)[2].end]
    assert len(model.requests) == 1


@pytest.mark.parametrize(("text", "language"), BOTH)
@pytest.mark.parametrize(
    "told",
    [
        *("2, 4", "2，4", "4 2", "[2], [4]", "1-1, 3", "1、3"),
        *(
            "2, 4.",
            "2、4。",
            "2和4",
            "2 和 4",
            "2 and 4",
            "2, and 4",
            "２，４",
            "[2][4]",
            "［2］［4］",
        ),
    ],
)
async def test_assigned_sentences_are_put_together_as_the_text_spaces_them(
    text: str, language: str, told: str
) -> None:
    assign, _ = divider(AssignDivider, saying("second", told))
    one, two, three, four = (text[s.start : s.end] for s in sentence_spans(text, language))
    division = await assign.divide(node(text, language), 0)
    assert division.parts == (f"{one}\n\n{three}", f"{two}\n\n{four}")
    paragraph = f"{one}{' ' if language == 'en' else ''}{two}"
    assert joined(text, sentence_spans(text, language), {1, 2}) == paragraph


def test_sentences_that_are_not_neighbours_have_a_gap_like_those_between_them() -> None:
    text = "A is. B is. C is.\nD is.\n\nE is."
    spans = [Span(text.index(f"{a} is."), text.index(f"{a} is.") + 5) for a in "ABCDE"]
    assert joined(text, spans, {1, 3}) == "A is. C is."
    assert joined(text, spans, {1, 4}) == "A is.\nD is."
    assert joined(text, spans, {1, 3, 5}) == "A is. C is.\n\nE is."
    chinese_text = "甲在。乙在。丙在。"
    assert joined(chinese_text, sentence_spans(chinese_text, "zh"), {1, 3}) == "甲在。丙在。"


@pytest.mark.parametrize(("kind", "key"), WAYS)
@pytest.mark.parametrize(("text", "language"), [("The mill is old.", "en"), ("石桥很古老。", "zh")])
async def test_of_a_single_sentence_only_the_question_is_asked(
    kind: type[PromptedDivider], key: str, text: str, language: str
) -> None:
    one, model = divider(kind, lambda _: json.dumps({"question": "How old?"}))
    division = await one.divide(node(text, language), 0)
    assert (division.question, division.parts) == ("How old?", ())
    assert set(json.loads(model.requests[0].schema)["properties"]) == {"question"}


@pytest.mark.parametrize(
    ("kind", "key", "wrong"),
    [
        *((CutDivider, "last", w) for w in ("0", "4", "5", "-1", "two", "1.5", "1, 2", ".")),
        *((AssignDivider, "second", w) for w in ("0", "5", "1-4", "2, 2", "3-2", "2-9", "none")),
        *((AssignDivider, "second", w) for w in ("2 or 3", "2,,3", "1,2,3,4", "2-3, 3", "2.5")),
    ],
)
async def test_numbers_that_divide_nothing_are_asked_for_again_and_then_a_failure(
    kind: type[PromptedDivider], key: str, wrong: str
) -> None:
    replies = iter([wrong, "2"])
    mended, model = divider(kind, lambda request: saying(key, next(replies))(request))  # noqa: PLW0108
    assert len((await mended.divide(node(MILL, "en"), 0)).parts) == 2
    assert len(model.requests) == 2
    hopeless, _ = divider(kind, saying(key, wrong))
    with pytest.raises(ReplyError):
        await hopeless.divide(node(MILL, "en"), 0)


@pytest.mark.parametrize(("kind", "key"), WAYS)
async def test_a_division_is_replayed_from_the_journal_and_another_pass_asks_anew(
    kind: type[PromptedDivider], key: str
) -> None:
    journal = MemoryJournal()
    first, model = divider(kind, saying(key, "3"), journal)
    found = await first.divide(node(MILL, "en"), 0)
    again, silent = divider(kind, lambda _: "never asked", journal)
    assert await again.divide(node(MILL, "en"), 0) == found
    assert silent.requests == []
    await first.divide(node(MILL, "en"), 1)
    assert len({request.seed for request in model.requests}) == 2


@pytest.mark.parametrize("weakening", list(Weakening))
@pytest.mark.parametrize("kind", [CutDivider, AssignDivider])
async def test_a_weak_question_comes_from_the_strategys_own_prompt(
    kind: type[PromptedDivider], weakening: Weakening
) -> None:
    weak, model = divider(kind, lambda _: json.dumps({"question": "Eh?"}))
    assert await weak.weak_question(node(MILL, "en"), weakening) == "Eh?"
    (request,) = model.requests
    prompt = Library().prompt(kind.prompt_name, "en")
    assert "[1] The mill is old." in request.messages[-1].content
    is_whole = request.messages[0].content.startswith(prompt.only("question").told)
    assert is_whole == (weakening is Weakening.EXAMPLES)
    assert len(request.messages) == (
        2 + 2 * (len(prompt.examples) if weakening is Weakening.INSTRUCTION else 1)
    )


async def test_the_question_alone_is_that_of_the_papers_prompt_without_the_parts() -> None:
    model = FakeModel(lambda _: json.dumps({"question": "Why?"}))
    questions = PromptedQuestions(Asker(Caller(model, MemoryJournal())), Library(), Sampling(0.85))
    assert await questions.write(node(MILL, "en"), 0) == "Why?"
    assert await questions.write_weakly(node(MILL, "en"), Weakening.BOTH) == "Why?"
    strong, weak = model.requests
    assert strong.messages[0].content.startswith(
        Library().prompt("tree", "en").only("question").told
    )
    assert '"first"' not in strong.schema
    assert len(weak.messages) == 4


@given(st.sets(st.integers(1, 30), min_size=1), st.integers(30, 40))
def test_any_list_of_numbers_is_read_as_it_was_written(numbers: set[int], most: int) -> None:
    assert read_numbers(", ".join(map(str, sorted(numbers))), most) == numbers
    assert read_numbers("、".join(f"{n}-{n}" for n in numbers), most) == numbers


@given(st.text(alphabet="0123456789,-[] 、至x", max_size=12), st.integers(1, 30))
def test_whatever_is_told_is_numbers_of_sentences_or_unusable(told: str, most: int) -> None:
    try:
        numbers = read_numbers(told, most)
    except Unusable:
        return
    assert numbers
    assert numbers <= set(range(1, most + 1))


@given(st.integers(0, 99), st.integers(2, 9), st.booleans(), st.data())
def test_assigned_parts_hold_every_sentence_once_and_in_order(
    seed: int, number: int, is_chinese: bool, data: st.DataObject
) -> None:
    make, language = (chinese, "zh") if is_chinese else (english, "en")
    text = f"{make(seed, number)}\n\n{make(seed + 1, 2)}"
    spans = sentence_spans(text, language)
    everyone = set(range(1, len(spans) + 1))
    chosen = data.draw(st.sets(st.sampled_from(sorted(everyone)), min_size=1))
    for numbers in (chosen, everyone - chosen):
        part, at = joined(text, spans, numbers), 0
        for n in sorted(numbers):
            sentence = text[spans[n - 1].start : spans[n - 1].end]
            at = part.index(sentence, at) + len(sentence)
        told = "".join(text[spans[n - 1].start : spans[n - 1].end] for n in sorted(numbers))
        assert "".join(part.split()) == "".join(told.split())
    assert joined(text, spans, everyone) == text
    assert numbered(text, spans).count("\n[") == len(spans) - 1
