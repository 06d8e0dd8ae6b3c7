from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from augcon.corpus import count_units
from augcon.errors import ModelError, ReplyError, TooLongError
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Library, Weakening
from augcon.records import Context, Document, Node, failed
from augcon.tree import Division, QuestionCheck, RewriteDivider, Tree
from tests.small_corpora import chinese, english

SOLD = (
    "Tom Hale built the mill in 1801 beside the river. "
    "He sold it to Anna Berg in 1830 for nine hundred crowns."
)
Divide = Callable[[Context], Division]


class Scripted:
    """A divider that does what a function says and remembers what it was asked about."""

    languages: frozenset[str] | None = None

    def __init__(self, divide: Divide) -> None:
        self.asked: list[Context] = []
        self._divide = divide

    async def divide(self, node: Context, pass_number: int) -> Division:
        self.asked.append(node)
        await asyncio.sleep(0)
        return self._divide(node)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return "Why?"


def root_of(text: str, language: str = "en") -> Context:
    document = Document.of("valley.txt", f"Before. {text} After.", language)
    return Context.root(document, 8, 8 + len(text), count_units(text), language)


def question(node: Context) -> str:
    return f"What of {node.text[:20]}?"


def halves(node: Context) -> Division:
    """The sentences in two halves, word for word; a single one is not divided."""
    ends = [i + 1 for i, letter in enumerate(node.text) if letter in ".。"]
    if len(ends) < 2:
        return Division(question(node), ())
    cut = ends[(len(ends) - 1) // 2]
    return Division(question(node), (node.text[:cut].strip(), node.text[cut:].strip()))


def always(*parts: str) -> Divide:
    return lambda node: Division(question(node), parts)


async def grown(
    divide: Divide, text: str, min_units: int = 5, language: str = "en"
) -> tuple[Node, ...]:
    return await Tree(Scripted(divide), min_units, 0.7).grow(root_of(text, language), 0)


@pytest.mark.parametrize(("text", "language"), [(english(1, 12), "en"), (chinese(1, 12), "zh")])
async def test_every_node_that_is_long_enough_has_one_question_about_itself(
    text: str, language: str
) -> None:
    divider = Scripted(halves)
    root = root_of(text, language)
    nodes = await Tree(divider, 20, 0.7).grow(root, 3)
    asked = [node for node in nodes if node.context.units >= 20]
    assert [n.question.text for n in asked if n.question] == [question(n.context) for n in asked]
    assert all(n.question is not None and n.question.context == n.context for n in asked)
    assert sorted(n.context.id for n in asked) == sorted(context.id for context in divider.asked)
    assert all(node.pass_number == 3 for node in nodes)
    assert nodes[0].context == root
    assert max(node.context.depth for node in nodes) >= 2


async def test_a_context_below_the_shortest_length_is_not_asked_about() -> None:
    divider = Scripted(halves)
    nodes = await Tree(divider, 20, 0.7).grow(root_of(english(1, 6)), 0)
    short = [node for node in nodes if node.context.units < 20]
    assert short
    for node in short:
        assert (node.verdict.reason, node.question) == ("below_min_units", None)
        assert node.context not in divider.asked
    (alone,) = await grown(halves, "Too short.", min_units=20)
    assert alone.verdict.reason == "below_min_units"


@pytest.mark.parametrize(("text", "language"), [(english(2, 12), "en"), (chinese(2, 12), "zh")])
async def test_the_tree_is_binary_and_every_word_of_a_split_context_is_in_one_of_its_parts(
    text: str, language: str
) -> None:
    nodes = await grown(halves, text, 10, language)
    children: dict[str, list[Context]] = {}
    for node in nodes[1:]:
        children.setdefault(str(node.context.parent_id), []).append(node.context)
    for node in nodes:
        own = children.get(node.context.id, [])
        assert len(own) == (2 if node.split.kept else 0)
        if own:
            assert own[0].end <= own[1].start
            assert sum(child.units for child in own) == node.context.units


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (english(3, 12), "en"),
        (chinese(3, 12), "zh"),
        ("The mill is old. " * 8, "en"),
        ("石桥很古老。" * 8, "zh"),
    ],
)
async def test_the_span_of_a_verbatim_child_reads_its_text(text: str, language: str) -> None:
    text = text.strip()
    document = f"Before. {text} After."
    nodes = await grown(halves, text, 5, language)
    assert len(nodes) > 5
    for node in nodes:
        assert document[node.context.start : node.context.end] == node.context.text


@pytest.mark.parametrize(
    ("text", "parts", "covered"),
    [
        (
            SOLD,
            (
                "Tom Hale built the mill in 1801, beside the river.",
                "Tom Hale sold the mill to Anna Berg in 1830 for nine hundred crowns.",
            ),
            (
                "Tom Hale built the mill in 1801 beside the river.",
                "sold it to Anna Berg in 1830 for nine hundred crowns.",
            ),
        ),
        (
            "李文远于1801年在河边修建了水磨坊。1830年他以九百银元把它卖给了赵若兰。",
            (
                "1801年，李文远在河边修建了水磨坊。",
                "1830年李文远以九百银元把水磨坊卖给了赵若兰。",
            ),
            ("修建了水磨坊。", "以九百银元把它卖给了赵若兰。"),
        ),
    ],
)
async def test_the_span_of_a_rewritten_child_reads_what_it_was_made_from(
    text: str, parts: tuple[str, str], covered: tuple[str, str]
) -> None:
    document = f"Before. {text} After."
    language = "zh" if "河" in text else "en"
    nodes = await grown(
        lambda node: Division(question(node), parts if node.depth == 0 else ()), text, 5, language
    )
    assert [node.context.text for node in nodes[1:]] == list(parts)
    for node, part in zip(nodes[1:], covered, strict=True):
        assert document[node.context.start : node.context.end].endswith(part)
        assert node.context.start >= 8
    assert nodes[1].context.end <= nodes[2].context.start


WHOLE = "The mill of Harwick was built in 1801 by Tom Hale and burned down in 1830."


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((), "nothing_to_split"),
        (("The mill of Harwick was built in 1801.", "?!"), "part_empty"),
        ((WHOLE, "burned down in 1830"), "part_not_shorter"),
        (("burned down in 1830", WHOLE + " Really."), "part_not_shorter"),
        (
            ("The mill of Harwick", "A ship sailed north with silver and salt"),
            "part_not_from_context",
        ),
        (
            (
                "The mill of Harwick was built in 1801 by Tom Hale and burned down.",
                "mill of Harwick was built in 1801 by Tom Hale and burned down in 1830",
            ),
            "parts_overlap",
        ),
        (("mill of Harwick was built in", "mill of Harwick was built in"), "parts_overlap"),
    ],
)
async def test_a_hallucinated_split_ends_the_branch_and_costs_no_question(
    parts: tuple[str, ...], reason: str
) -> None:
    (node,) = await grown(always(*parts), WHOLE)
    assert (node.split.reason, node.verdict.kept) == (reason, True)
    assert node.question is not None


async def test_equal_sentences_in_two_places_are_two_children() -> None:
    text = "The mill is old and grey. The mill is old and grey."
    nodes = await grown(halves, text)
    assert [(n.context.start - 8, n.context.end - 8) for n in nodes[1:3]] == [(0, 25), (26, 51)]
    assert len({node.context.id for node in nodes}) == len(nodes)


async def test_a_node_that_fails_costs_only_itself() -> None:
    text = english(5, 12)
    unlucky = halves(root_of(text)).parts[0]

    def divide(node: Context) -> Division:
        if node.text == unlucky:
            raise ReplyError("no JSON", "hello")
        return halves(node)

    nodes = await grown(divide, text, 20)
    (failed,) = [node for node in nodes if node.verdict.reason == "unusable_reply"]
    assert failed.context.text == unlucky
    assert failed.question is None
    assert sum(node.question is not None for node in nodes) >= 3


async def test_a_fault_of_the_whole_run_is_raised() -> None:
    def divide(node: Context) -> Division:
        raise ModelError("server gone")

    with pytest.raises(ModelError):
        await grown(divide, english(1, 5))


async def test_a_strategy_that_finds_no_question_says_why_and_may_split_all_the_same() -> None:
    nodes = await grown(lambda node: Division("", halves(node).parts, "dull"), english(1, 6), 20)
    assert nodes[0].verdict.reason == "dull"
    assert nodes[0].split.kept
    assert all(node.question is None for node in nodes)


async def test_the_depth_is_bounded_where_a_model_peels_off_a_word_at_a_time() -> None:
    def peel(node: Context) -> Division:
        first, rest = node.text.split(" ", 1)
        return Division(question(node), (first, rest))

    text = " ".join(f"word{number}" for number in range(200))
    nodes = await grown(peel, text, 5)
    deepest = max(node.context.depth for node in nodes)
    assert deepest <= 2 * 6 + 3  # 200 units over λ = 5: a balanced tree has 6 levels
    assert nodes[-1].split.reason == "too_deep"
    assert nodes[-1].question is not None


async def test_the_order_is_a_walk_from_the_root_however_the_replies_came() -> None:
    class Uneven(Scripted):
        async def divide(self, node: Context, pass_number: int) -> Division:
            for _ in range(int(node.id[:2], 16)):
                await asyncio.sleep(0)
            return halves(node)

    root = root_of(english(6, 14))
    steady = await Tree(Scripted(halves), 15, 0.7).grow(root, 0)
    uneven = await Tree(Uneven(halves), 15, 0.7).grow(root, 0)
    assert uneven == steady
    starts = [(n.context.start, n.context.depth) for n in steady if not n.split.kept]
    assert starts == sorted(starts)


async def test_the_papers_divider_asks_for_question_and_parts_in_one_call() -> None:
    text = english(1, 4)
    root = root_of(text)

    def reply(request: Request) -> str:
        assert f"<<<\n{text}\n>>>" in request.messages[-1].content
        return json.dumps({"question": "Who?", "first": "a b", "second": "c d"})

    model = FakeModel(reply)
    caller = Caller(model, MemoryJournal(), seed=4)
    divider = RewriteDivider(Asker(caller), Library(), Sampling(0.85))
    assert await divider.divide(root, 2) == Division("Who?", ("a b", "c d"))
    (request,) = model.requests
    assert request.seed == caller.seed_for("divide", root.id, 2)
    assert request.sampling.temperature == 0.85
    await divider.divide(root, 3)
    assert model.requests[1].seed != request.seed


@pytest.mark.parametrize("kind", list(Weakening))
async def test_a_weak_question_comes_from_a_weakened_prompt_and_asks_for_nothing_else(
    kind: Weakening,
) -> None:
    model = FakeModel(lambda _: json.dumps({"question": "Eh?"}))
    caller = Caller(model, MemoryJournal())
    divider = RewriteDivider(Asker(caller), Library(), Sampling())
    root = root_of(english(1, 4))
    assert await divider.weak_question(root, kind) == "Eh?"
    (request,) = model.requests
    assert json.loads(request.schema)["required"] == ["question"]
    full = Library().prompt("tree", "en")
    weak_instruction = full.weak_instruction in request.messages[0].content
    assert weak_instruction is (kind is not Weakening.EXAMPLES)
    turns = (len(request.messages) - 2) // 2
    assert turns == (len(full.examples) if kind is Weakening.INSTRUCTION else 1)


async def test_parts_that_lose_most_of_their_context_are_not_followed() -> None:
    parts = ("The mill of Harwick", "burned down")
    (node,) = await grown(always(*parts), WHOLE)
    assert node.split.reason == "parts_lose_text"


async def test_a_part_made_of_two_stretches_spans_both_and_so_do_its_own_parts() -> None:
    sentences = [
        "The mill stands by the river.",
        "Its wheel is made of oak.",
        "A flood broke the dam in 1830.",
        "The miller paid for the repair.",
        "The ferry at Garrow closed in 1932.",
    ]
    scattered = f"{sentences[0]} {sentences[4]}"
    rest = " ".join(sentences[1:4])

    def divide(node: Context) -> Division:
        if node.depth == 0:
            return Division(question(node), (scattered, rest))
        if node.text == scattered:
            return Division(question(node), (sentences[0], sentences[4]))
        return Division(question(node), ())

    nodes = await grown(divide, " ".join(sentences))
    document = f"Before. {' '.join(sentences)} After."
    read = {n.context.text: document[n.context.start : n.context.end] for n in nodes}
    assert read[scattered] == " ".join(sentences)
    assert read[sentences[4]] == sentences[4]
    assert read[rest] == rest


async def test_a_span_begins_with_the_quotation_mark_and_ends_before_the_next() -> None:
    text = "“古井深三十米。”“石桥已有百年。”"
    parts = ("“那口古井深三十米。”", "“那座石桥已有百年。”")
    nodes = await grown(
        lambda node: Division(question(node), parts if node.depth == 0 else ()), text, 3, "zh"
    )
    document = f"Before. {text} After."
    spans = [document[n.context.start : n.context.end] for n in nodes[1:]]
    assert spans == ["“古井深三十米。”", "“石桥已有百年。”"]


@pytest.mark.parametrize(("text", "language"), [(english(2, 12), "en"), (chinese(2, 12), "zh")])
async def test_what_does_not_fit_the_models_window_is_asked_about_in_halves(
    text: str, language: str
) -> None:
    root = root_of(text, language)

    def divide(node: Context) -> Division:
        if node.units > root.units / 2 + 20:
            raise TooLongError("no room")
        return halves(node)

    nodes = await Tree(Scripted(divide), 10, 0.7).grow(root, 0)
    top, *below = nodes
    assert (top.verdict.reason, top.split.kept, top.question) == ("too_long", True, None)
    assert all(node.question for node in below if node.context.units >= 10)
    parts = sorted(
        (n.context for n in below if n.context.depth == 1), key=lambda context: context.start
    )
    assert [part.text for part in parts] == [
        root.text[part.start - root.start : part.end - root.start] for part in parts
    ]
    assert sum(part.units for part in parts) == root.units


async def test_a_single_sentence_that_does_not_fit_is_given_up() -> None:
    def divide(node: Context) -> Division:
        raise TooLongError("no room for it")

    (node,) = await grown(divide, "One sentence that is far too long for the model.")
    assert node.verdict == failed("too_long", "no room for it")


async def test_a_question_that_may_not_stand_is_rejected_with_its_text_and_costs_no_split() -> None:
    def divide(node: Context) -> Division:
        asked = "What does the author say?" if node.depth == 0 else question(node)
        return Division(asked, halves(node).parts)

    top, *below = await grown(divide, english(1, 8), 20)
    assert (top.verdict.reason, top.question) == ("not_self_contained", None)
    assert top.verdict.detail == "'author' in: What does the author say?"
    assert top.split.kept
    assert any(node.question for node in below)


async def test_a_question_of_the_prompts_examples_is_rejected() -> None:
    example = Library().prompt("tree", "en").examples[0]
    tree = Tree(
        Scripted(lambda node: Division(example["question"], ())),
        *(5, 0.7, QuestionCheck.of(Library())),
    )
    (node,) = await tree.grow(root_of(english(1, 3)), 0)
    assert node.verdict.reason == "copied_from_examples"


async def test_a_part_that_cannot_be_placed_ends_the_branch() -> None:
    text = "The old mill of Harwick grinds corn. Anna Berg keeps the accounts of the town."
    parts = (text, "Old songs of the sea are sung by children.")
    told = f"{text} In 1830 the dam broke and flooded the lower meadows."
    tree = Tree(Scripted(always(*parts)), 5, 0.1)
    (node,) = await tree.grow(root_of(told), 0)
    assert node.split.reason == "parts_lose_text"
    tree = Tree(Scripted(always(*parts)), 5, 0.1)
    (node,) = await tree.grow(root_of(f"{text} Good."), 0)
    assert node.split.reason == "part_not_placed"


async def test_a_rewritten_part_says_how_much_of_it_its_source_explains() -> None:
    parts = (SOLD.split(". ")[0] + ".", "Tom Hale sold it to Anna Berg in 1830 for 900 crowns.")
    nodes = await grown(lambda node: Division("Why?", parts if node.depth == 0 else ()), SOLD)
    assert [node.context.explained for node in nodes] == [1.0, 1.0, 8 / 12]
