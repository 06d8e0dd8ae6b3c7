"""What a cut breaks is found by its words, mended by the model, and taken only where it passes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from augcon.corpus import count_units, sentence_spans
from augcon.errors import RequestFailed
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library, Weakening
from augcon.prompts.library import LANGUAGES
from augcon.records import Context, Document
from augcon.tree import Division, Tree
from augcon.tree.decontextualise import AS_IT_WAS, MENDED, DecontextualisingDivider
from augcon.tree.numbered import AssignDivider
from augcon.tree.references import dangling, objection
from augcon.tree.split import Divider, excerpts_of

SOLD = (
    "Tom Hale built the mill of Harwick in 1801 beside the river. "
    "He sold it to Anna Berg in 1830 for nine hundred crowns."
)
BRIDGE = "南渚石桥由莫言礼主持修建，1893年完工。它在1927年的洪水中被冲走，后来没有重建。"


def node(text: str, language: str = "en") -> Context:
    document = Document.of("d.txt", text, language)
    return Context.root(document, 0, len(text), count_units(text), language)


def found(sentence: str, before: str = "", language: str = "en") -> list[str]:
    return [sentence[span.start : span.end] for span in dangling(sentence, before, language)]


@pytest.mark.parametrize(
    ("sentence", "references"),
    [
        ("He sold it to Anna Berg in 1830.", ["He"]),
        ("In March 1830 he sold the mill.", ["he"]),
        ("However, its wheel turns.", ["its"]),
        ("This led to a flood.", ["This"]),
        ("The members met at these sheds.", ["these sheds"]),
        ("Near the pond stood these two sheds.", ["these"]),
        ("In this year the bridge fell.", ["this year"]),
        ("At that time no road led there.", ["that time"]),
        ("The former burned down.", ["The former"]),
        ("The company had two hundred workers.", ["The company"]),
        ("By 1930 the company had two hundred workers.", ["the company"]),
        ("They’re taught in winter.", ["They’re"]),
    ],
)
def test_what_refers_to_the_text_before_is_found_in_english(
    sentence: str, references: list[str]
) -> None:
    assert found(sentence, "Solberg Glass is a company.") == references


@pytest.mark.parametrize(
    "sentence",
    [
        "Tom Hale sold his mill in 1830.",
        "The wheel lost its teeth.",
        "The company of Harwick had two hundred workers.",
        "The company Solberg Glass had two hundred workers.",
        "The mill had two stones.",
        "Metals such as iron rust.",
        "Anna Berg bought the mill after she had seen it.",
    ],
)
def test_what_stands_alone_in_english_is_left_alone(sentence: str) -> None:
    assert found(sentence, "Solberg Glass is a company.") == []


@pytest.mark.parametrize(
    ("sentence", "references"),
    [
        ("它在1927年的洪水中被冲走。", ["它"]),
        ("后来，他们把石桥卖掉了。", ["他们"]),
        ("该公司有两百名工人。", ["该公司"]),
        ("这座石桥长九十米。", ["这座石桥"]),
        ("此举使河水改道。", ["此举"]),
        ("这两座石桥都很窄。", ["这"]),
        ("其桥面很窄。", ["其"]),
        ("上述规定从明年起施行。", ["上述规定"]),
        ("該公司於一九三〇年成立。", ["該公司"]),
        ("這使河水改道。", ["這"]),
        ("牠們住在林中。", ["牠們"]),
    ],
)
def test_what_refers_to_the_text_before_is_found_in_chinese(
    sentence: str, references: list[str]
) -> None:
    assert found(sentence, "阳山玻璃厂是一家公司。", "zh") == references


@pytest.mark.parametrize(
    "sentence",
    [
        "李文远在1830年卖掉了他的磨坊。",
        "其他石桥都很窄。",
        "因此石桥应该重建。",
        "其中三座已经拆除。",
    ],
)
def test_what_stands_alone_in_chinese_is_left_alone(sentence: str) -> None:
    assert found(sentence, "南渚有五座石桥。", "zh") == []


def against(mended: str, text: str, language: str) -> str:
    """The objection to a mended last sentence of a text of two."""
    cut = text.index("He sold") if language == "en" else text.index("它在")
    sentence = text[cut:]
    return objection(mended, sentence, dangling(sentence, text[:cut], language), text, language)


@pytest.mark.parametrize(
    "mended",
    [
        "Tom Hale sold the mill of Harwick to Anna Berg in 1830 for nine hundred crowns.",
        "Tom Hale sold it to Anna Berg in 1830 for nine hundred crowns.",
    ],
)
def test_names_from_the_text_may_take_the_place_of_what_refers_to_them(mended: str) -> None:
    assert against(mended, SOLD, "en") == ""


@pytest.mark.parametrize(
    ("mended", "why"),
    [
        ("Ben Hale sold the mill to Anna Berg in 1830 for nine hundred crowns.", "'Ben'"),
        ("Tom Hale sold the mill to Anna Berg in 1831 for nine hundred crowns.", "'1831'"),
        ("Tom Hale sold the mill to Anna Berg in 1830 for nine crowns.", "'hundred' is lost"),
        ("Anna Berg sold the mill to Tom Hale in 1830 for nine hundred crowns.", "'anna' is lost"),
        ("Tom Hale sold it to Anna Berg beside 1830 for nine hundred crowns.", "'in' is lost"),
        ("Tom Hale sold it in Anna Berg in 1830 for nine hundred crowns.", "'to' is lost"),
        ("Tom Hale sold the mill to Anna Berg for nine hundred crowns in 1830.", "moved"),
        ("Tom Hale sold the ruined mill to Anna Berg in 1830 for nine hundred crowns.", "'ruined'"),
        ("Tom Hale had not sold it to Anna Berg in 1830 for nine hundred crowns.", "negation"),
        ("Tom Hale sold it to Anna Berg in 1830. It cost nine hundred crowns.", "one sentence"),
        ("Tom Hale sold it to Anna Berg in 1830 for nine hundred crowns", "does not end"),
        (f"Tom Hale, {'of the mill beside the river, ' * 4}{SOLD[-49:]}", "grown"),
    ],
)
def test_a_mended_sentence_that_adds_moves_or_loses_anything_is_refused(
    mended: str, why: str
) -> None:
    assert why in against(mended, SOLD, "en")


@pytest.mark.parametrize(
    ("mended", "why"),
    [
        ("南渚石桥在1927年的洪水中被冲走，后来没有重建。", ""),
        ("北渚石桥在1927年的洪水中被冲走，后来没有重建。", "not in the text"),
        ("南渚石桥在1928年的洪水中被冲走，后来没有重建。", "'1928'"),
        ("南渚石桥在1927年被冲走，后来没有重建。", "'洪水'"),
        ("南渚石桥在1927年的洪水中被冲走，后来重建。", "negation"),
        ("南渚石桥在1927年的洪水中冲走，后来没有重建。", "voice"),
        ("南渚石桥没有在1927年的洪水中被冲走，后来没有重建。", "negation"),
        ("南渚石桥在1927年的洪水中被冲走。石桥没有重建。", "one sentence"),
    ],
)
def test_a_mended_chinese_sentence_is_held_to_the_same(mended: str, why: str) -> None:
    said = against(mended, BRIDGE, "zh")
    assert why in said
    assert bool(why) == bool(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_examples_need_mending_and_their_mended_forms_pass(language: str) -> None:
    examples = Library().prompt("decontextualise", language).examples
    assert len(examples) >= 3
    for example in examples:
        text, sentence = example["context"], example["sentence"]
        references = dangling(sentence, text[: text.index(sentence)], language)
        assert references, sentence
        assert objection(example["standalone"], sentence, references, text, language) == ""


class Halves:
    """Cuts before the last sentence."""

    languages: frozenset[str] | None = None

    async def divide(self, node: Context, pass_number: int) -> Division:
        cut = max(node.text.rfind(mark, 0, -1) for mark in (". ", "。")) + 1
        parts = (node.text[:cut].strip(), node.text[cut:].strip())
        return Division.verbatim("What?", excerpts_of(node.text, parts))

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return "Eh?"


def mending(
    reply: Callable[[Request], str], min_units: int = 5, divider: Divider | None = None
) -> tuple[DecontextualisingDivider, FakeModel]:
    model = FakeModel(reply)
    caller = Caller(model, MemoryJournal(), tries=2)
    library, sampling = Library(), Sampling()
    divider = divider or Halves()
    return DecontextualisingDivider(divider, Asker(caller), library, sampling, min_units), model


def saying(sentence: str) -> Callable[[Request], str]:
    return lambda _: json.dumps({"standalone": sentence})


@pytest.mark.parametrize(
    ("text", "language", "mended"),
    [
        (SOLD, "en", "Tom Hale sold the mill to Anna Berg in 1830 for nine hundred crowns."),
        (BRIDGE, "zh", "南渚石桥在1927年的洪水中被冲走，后来没有重建。"),
    ],
)
async def test_the_second_part_begins_with_the_mended_sentence_and_the_books_say_so(
    text: str, language: str, mended: str
) -> None:
    divider, model = mending(saying(mended))
    division = await divider.divide(node(text, language), 0)
    assert division.parts == ((await Halves().divide(node(text, language), 0)).parts[0], mended)
    assert division.note == f"{MENDED}: {mended}"
    asked = model.requests[0].messages[-1].content
    assert text in asked
    tree = await Tree(divider, 5, 0.6).grow(node(text, language), 0)
    assert [n.context.text for n in tree][2] == mended
    assert (tree[0].split.kept, tree[0].split.detail) == (True, f"{MENDED}: {mended}")


async def test_a_sentence_that_fails_its_check_stays_and_the_books_say_why() -> None:
    divider, model = mending(saying("Ben Hale sold the mill to Anna Berg in 1830."))
    division = await divider.divide(node(SOLD), 0)
    assert division.parts[1] == SOLD[SOLD.index("He sold") :]
    assert division.note.startswith(f"{AS_IT_WAS}: 'Ben'")
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("text", "language", "mended"),
    [
        (SOLD, "en", "The sold it to Anna Berg in 1830 for nine hundred crowns."),
        (BRIDGE, "zh", "在1927年的洪水中被冲走，后来没有重建。"),
    ],
)
async def test_something_must_stand_for_what_was_referred_to(
    text: str, language: str, mended: str
) -> None:
    divider, _ = mending(saying(mended))
    division = await divider.divide(node(text, language), 0)
    assert division.note == f"{AS_IT_WAS}: nothing stands for what was referred to"
    assert mended not in division.parts


async def test_a_sentence_that_comes_back_unchanged_needs_no_note() -> None:
    divider, _ = mending(saying(SOLD[SOLD.index("He sold") :]))
    division = await divider.divide(node(SOLD), 0)
    assert (division.parts[1], division.note) == (SOLD[SOLD.index("He sold") :], "")


async def test_an_unusable_reply_costs_the_mending_alone() -> None:
    divider, model = mending(lambda _: "I would rather not.")
    division = await divider.divide(node(SOLD), 0)
    assert division.parts[1].startswith("He sold")
    assert division.note == f"{AS_IT_WAS}: unusable_reply"
    assert len(model.requests) == 2


async def test_a_fault_of_the_server_is_the_nodes_and_so_is_asked_again_another_time() -> None:
    def fail(request: Request) -> str:
        raise RequestFailed("broken")

    divider, _ = mending(fail)
    with pytest.raises(RequestFailed):
        await divider.divide(node(SOLD), 0)


@pytest.mark.parametrize(
    ("text", "min_units"),
    [
        (SOLD, 40),  # the second part will not be asked about
        (SOLD.replace("He sold it", "Tom Hale sold the mill"), 5),
        ("He sold it.", 5),
    ],
)
async def test_nothing_is_asked_where_nothing_dangles_or_nothing_will_be_asked_of_it(
    text: str, min_units: int
) -> None:
    divider, model = mending(saying("never"), min_units)
    await divider.divide(node(text), 0)
    assert model.requests == []


async def test_equal_cuts_of_two_passes_are_mended_by_one_call() -> None:
    mended = "Tom Hale sold the mill to Anna Berg in 1830 for nine hundred crowns."
    divider, model = mending(saying(mended))
    first = await divider.divide(node(SOLD), 0)
    assert await divider.divide(node(SOLD), 1) == first
    assert len(model.requests) == 1
    assert await divider.weak_question(node(SOLD), Weakening.BOTH) == "Eh?"


async def test_a_part_that_would_grow_as_long_as_its_context_stays_as_it_was() -> None:
    text = "Elis Moor, the engineer, retired. He built the long bridge of Tarn in 1893."
    long = "Elis Moor, the engineer, the engineer Elis Moor, built the long bridge of Tarn in 1893."
    divider, _ = mending(saying(long))
    division = await divider.divide(node(text), 0)
    assert division.note == f"{AS_IT_WAS}: part_not_shorter"
    assert division.parts[1].startswith("He built")


async def test_a_mended_part_that_repeats_the_other_stays_as_it_was() -> None:
    """What "this opinion" stands for is a clause and not a name."""
    text = "有人说小金毛鼹属于非洲的猬形目。很多研究支持这个意见。"
    long = "很多研究支持小金毛鼹属于非洲的猬形目这个意见。"
    divider, _ = mending(saying(long))
    division = await divider.divide(node(text, "zh"), 0)
    assert division.note == f"{AS_IT_WAS}: parts_overlap"
    assert "".join(division.parts) == text


class Dividing:
    """Puts the sentences with these numbers into the second part."""

    languages: frozenset[str] | None = None

    def __init__(self, second: str) -> None:
        self._second = second

    async def divide(self, node: Context, pass_number: int) -> Division:
        if node.depth:
            return Division("What?", ())
        model = FakeModel(lambda _: json.dumps({"question": "What?", "second": self._second}))
        assign = AssignDivider(Asker(Caller(model, MemoryJournal())), Library(), Sampling())
        return await assign.divide(node, pass_number)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return "Eh?"


TWICE = [
    (
        "Rome fell. It was rebuilt. Carthage burned. It was rebuilt. Ships came from afar.",
        "en",
        ("Rome was rebuilt.", "Carthage was rebuilt."),
    ),
    (
        "南渚镇烧毁了。它后来重建了。北渚镇被淹了。它后来重建了。船只从远方驶来。",
        "zh",
        ("南渚镇后来重建了。", "北渚镇后来重建了。"),
    ),
]


@pytest.mark.parametrize(("text", "language", "said"), TWICE)
@pytest.mark.parametrize("wrong", [True, False])
async def test_a_sentence_that_the_text_has_twice_is_mended_by_what_stands_before_it(
    text: str, language: str, said: tuple[str, str], wrong: bool
) -> None:
    divider, model = mending(saying(said[not wrong]), 1, Dividing("4-5"))
    division = await divider.divide(node(text, language), 0)
    asked = model.requests[0].messages[-1].content
    spans = sentence_spans(text, language)
    assert text[: spans[3].end] in asked
    if not wrong:
        assert division.parts[1] == f"{said[1]}{text[spans[3].end :]}"
        assert division.note == f"{MENDED}: {said[1]}"


ASSIGNED = (
    "Tom Hale built the mill of Harwick in 1801. The river froze in the winter. He sold it to Anna "
    "Berg in 1830. A flood carried the weir away. Wheels turned all the year."
)
ASSIGNED_ZH = (
    "莫言礼于1893年修建了南渚石桥。河水在冬天结冰。这座桥，全长三十米。洪水冲走了河坝。"
    "水轮整年都在转。"
)
MENDED_PARTS = [
    (ASSIGNED, "en", "Tom Hale sold the mill of Harwick to Anna Berg in 1830."),
    (ASSIGNED_ZH, "zh", "南渚石桥，全长三十米。"),
]


@pytest.mark.parametrize(("text", "language", "mended"), MENDED_PARTS)
async def test_an_assigned_and_mended_part_spans_the_sentences_it_was_made_from(
    text: str, language: str, mended: str
) -> None:
    divider, _ = mending(saying(mended), 1, Dividing("3, 5"))
    tree = await Tree(divider, 3, 0.5).grow(node(text, language), 0)
    spans = sentence_spans(text, language)
    first, second = (n.context for n in tree if n.context.depth == 1)
    assert second.text.startswith(mended)
    assert (second.start, second.end) == (spans[2].start, spans[4].end)
    assert 0.5 < second.explained < 1.0
    assert (first.start, first.end, first.explained) == (0, spans[3].end, 1.0)


@pytest.mark.parametrize(("text", "language", "mended"), MENDED_PARTS)
async def test_the_parts_of_a_mended_part_lie_edge_to_edge_in_its_place(
    text: str, language: str, mended: str
) -> None:
    class Twice(Dividing):
        async def divide(self, node: Context, pass_number: int) -> Division:
            if not node.text.startswith(mended):
                return await super().divide(node, pass_number)
            head = sentence_spans(node.text, language)[0]
            parts = (node.text[: head.end], node.text[head.end :].strip())
            return Division.verbatim("Why?", excerpts_of(node.text, parts))

    divider, _ = mending(saying(mended), 1, Twice("3-5"))
    tree = await Tree(divider, 3, 0.5).grow(node(text, language), 0)
    spans = sentence_spans(text, language)
    first, second = (n.context for n in tree if n.context.depth == 2)
    assert first.text == mended
    assert (first.start, first.end) == (spans[2].start, spans[2].end)
    assert (second.start, second.end) == (spans[3].start, spans[4].end)
