from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augcon.corpus import count_units
from augcon.errors import ExamplesError
from augcon.llm.base import Choice, Reply, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal, Unusable
from augcon.llm.fake import FakeModel
from augcon.prompts import Asker, Field, Library, Prompt, Weakening
from augcon.prompts.library import LANGUAGES, PROMPTS, built_in, read_triplets
from augcon.prompts.prompt import MARK, Form
from augcon.records import Context, Document
from augcon.sections import TreeSettings
from augcon.tree.checks import check_parts
from augcon.tree.numbered import AssignDivider, CutDivider
from augcon.tree.prompted import PromptedDivider

SHOWN = {"context": "Snow is white.", "question": "What is white?", "first": "Snow.", "second": "."}
PROMPT = Prompt(
    "tree",
    "en",
    "Ask and split.",
    "Ask.",
    (Field("context", "Passage"),),
    tuple(Field(key, key.title(), f"the {key}") for key in ("question", "first", "second")),
    (SHOWN, {**SHOWN, "context": "Coal is black."}, {**SHOWN, "context": "Grass is green."}),
)
FORMS = ("json", "marked")
DEFAULTS = TreeSettings()

answers = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)


def rendered(prompt: Prompt, values: dict[str, str], form: str) -> str:
    """What an example's answer looks like, which is what a reply must look like."""
    shown = prompt.with_examples((values,)).messages(SHOWN, form)  # type: ignore[arg-type]
    return shown[2].content


@given(answers, answers, answers)
def test_what_is_shown_as_json_is_read_back(question: str, first: str, second: str) -> None:
    values = {**SHOWN, "question": question, "first": first, "second": second}
    found = PROMPT.parse(rendered(PROMPT, values, "json"), "json")
    assert found == {"question": question, "first": first, "second": second}


@given(answers, answers, answers)
def test_what_is_shown_with_marks_is_read_back_unless_it_holds_a_mark_itself(
    question: str, first: str, second: str
) -> None:
    values = {"question": question, "first": first, "second": second}
    shown = rendered(PROMPT, {**SHOWN, **values}, "marked")
    if any(MARK.search(value) for value in values.values()):
        with pytest.raises(Unusable):
            PROMPT.parse(shown, "marked")
    else:
        assert PROMPT.parse(shown, "marked") == values


def test_a_mark_inside_a_text_is_refused_and_not_guessed_about() -> None:
    values = {**SHOWN, "first": "before\n[[second]]\nafter"}
    with pytest.raises(Unusable, match="exactly the asked marks"):
        PROMPT.parse(rendered(PROMPT, values, "marked"), "marked")
    assert PROMPT.parse(rendered(PROMPT, values, "json"), "json")["first"] == values["first"]


@given(st.text(st.sampled_from("<> \na"), max_size=20))
def test_the_fence_around_a_text_is_longer_than_any_in_it(text: str) -> None:
    asked = PROMPT.messages({"context": text}, "json")[-1].content
    label, fence, *_, closing = asked.split("\n")
    assert label == "Passage:"
    assert set(fence) == {"<"}
    assert set(closing) == {">"}
    assert len(fence) == len(closing) >= 3
    inside = asked[len(label) + len(fence) + 2 : -len(closing) - 1]
    assert inside == text.strip()
    assert fence not in inside
    assert closing not in inside


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "not json",
        'Here it is: {"question": "q", "first": "a", "second": "b"}',
        '{"question": "q", "first": "a", "second": "b"} I hope this helps',
        '{"question": "q", "first": "a"}',
        '{"question": "q", "first": "a", "second": "b", "third": "c"}',
        '{"question": "q", "first": "a", "Second": "b"}',
        '{"question": "q", "first": "a", "second": ""}',
        '{"question": "q", "first": "a", "second": "  "}',
        '{"question": "q", "first": "a", "second": null}',
        '{"question": "q", "first": "a", "second": true}',
        '{"question": "q", "first": ["a"], "second": "b"}',
        '[{"question": "q", "first": "a", "second": "b"}]',
        '"question"',
        '{"question": "q", "first": "a", "second": "b"',
        "[" * 100_000,
    ],
)
def test_json_that_is_not_exactly_what_was_asked_is_refused(reply: str) -> None:
    with pytest.raises(Unusable):
        PROMPT.parse(reply, "json")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "q\na\nb",
        "Sure!\n[[question]]\nq\n[[first]]\na\n[[second]]\nb",
        "[[question]]\nq\n[[first]]\na",
        "[[question]]\nq\n[[second]]\nb\n[[first]]\na",
        "[[question]]\nq\n[[first]]\na\n[[first]]\na\n[[second]]\nb",
        "[[question]]\nq\n[[first]]\na\n[[second]]\nb\n[[end]]",
        "[[question]]\nq\n[[first]]\n\n[[second]]\nb",
        "[[Question]]\nq\n[[first]]\na\n[[second]]\nb",
        "[[question]] q\n[[first]]\na\n[[second]]\nb",
    ],
)
def test_marks_that_are_not_exactly_what_was_asked_are_refused(reply: str) -> None:
    with pytest.raises(Unusable):
        PROMPT.parse(reply, "marked")


@pytest.mark.parametrize(
    "reply",
    [
        '```json\n{"question": "q", "first": "a", "second": "b"}\n```',
        '```\n{"question": "q", "first": "a", "second": "b"}\n```',
        '<think>first {a}</think>\n{"question": "q", "first": "a", "second": "b"}',
        ' {"second": "b", "question": " q ", "first": "a"} \n',
    ],
)
def test_a_code_fence_and_thoughts_before_it_are_taken_off(reply: str) -> None:
    assert PROMPT.parse(reply, "json") == {"question": "q", "first": "a", "second": "b"}


def test_the_constant_part_comes_first_and_examples_are_turns() -> None:
    for form in FORMS:
        one = PROMPT.messages({"context": "A."}, form)  # type: ignore[arg-type]
        other = PROMPT.messages({"context": "B."}, form)  # type: ignore[arg-type]
        roles = [message.role for message in one]
        assert roles == ["system", *["user", "assistant"] * 3, "user"]
        assert one[:-1] == other[:-1]
        assert one[0].content.startswith("Ask and split.")
    completions = PROMPT.completion({"context": "A."}), PROMPT.completion({"context": "B."})
    assert completions[0].replace("A.", "B.") == completions[1]
    assert completions[0].endswith("Passage:\n<<<\nA.\n>>>\n\n")


def test_every_example_of_a_completion_can_be_parsed_back() -> None:
    text = PROMPT.completion({"context": "A."})
    assert text.count("[[question]]\nWhat is white?\n[[first]]\nSnow.\n[[second]]\n.") == 3


def test_the_schema_asks_for_every_output_as_text_and_for_nothing_else() -> None:
    schema = json.loads(PROMPT.schema())
    assert schema["required"] == ["question", "first", "second"]
    assert schema["additionalProperties"] is False
    assert {value["type"] for value in schema["properties"].values()} == {"string"}


def test_the_three_ways_to_weaken_a_prompt() -> None:
    by_instruction = PROMPT.weakened(Weakening.INSTRUCTION, 1)
    by_examples = PROMPT.weakened(Weakening.EXAMPLES, 1)
    by_both = PROMPT.weakened(Weakening.BOTH, 1)
    assert (by_instruction.instruction, len(by_instruction.examples)) == ("Ask.", 3)
    assert (by_examples.instruction, len(by_examples.examples)) == ("Ask and split.", 1)
    assert (by_both.instruction, len(by_both.examples)) == ("Ask.", 1)
    assert by_examples.examples[0] in PROMPT.examples
    assert PROMPT.weakened(Weakening.EXAMPLES, 1) == by_examples
    drawn = {PROMPT.weakened(Weakening.EXAMPLES, seed).examples[0]["context"] for seed in range(30)}
    assert len(drawn) == 3


def test_a_prompt_without_examples_can_be_weakened_too() -> None:
    assert PROMPT.with_examples(()).weakened(Weakening.BOTH, 1).examples == ()


def test_a_placeholder_is_filled_and_braces_in_the_filling_stay() -> None:
    prompt = Prompt("a", "en", "Keep to {principles}. {other}", "", (), ())
    assert prompt.filled(principles="{other}").instruction == "Keep to {other}. {other}"


def test_a_placeholder_in_what_an_output_should_hold_is_filled_too() -> None:
    field = Field("answer", "Answer", "in {language}")
    prompt = Prompt("a", "en", "Write.", "", (), (field,)).filled(language="Chinese")
    assert "(in Chinese)" in prompt.messages({}, "marked")[0].content
    assert "in Chinese" in prompt.schema()


def test_an_input_that_is_not_wanted_is_left_out() -> None:
    whole = PROMPT.without("context")
    assert [field.key for field in whole.inputs] == []
    assert PROMPT.without("nothing") == PROMPT


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PROMPTS)
def test_the_built_in_prompts_can_be_read_rendered_and_parsed_back(
    name: str, language: str
) -> None:
    prompt = Library().prompt(name, language)
    assert prompt.language == language
    assert prompt.weak_instruction != prompt.instruction
    assert len(prompt.weak_instruction) < len(prompt.instruction)
    values = {field.key: "x" for field in prompt.inputs}
    for example in prompt.examples:
        for form in FORMS:
            shown = prompt.with_examples((example,)).messages(values, form)  # type: ignore[arg-type]
            found = prompt.parse(shown[2].content, form)  # type: ignore[arg-type]
            assert found == {field.key: example[field.key].strip() for field in prompt.outputs}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_parts_in_the_built_in_examples_pass_the_trees_own_checks(language: str) -> None:
    prompt = Library().prompt("tree", language)
    assert len(prompt.examples) >= 2
    for example in prompt.examples:
        text = example["context"].strip()
        document = Document.of("example", text, language)
        parent = Context.root(document, 0, len(text), count_units(text), language)
        parts = [example["first"].strip(), example["second"].strip()]
        verdict = check_parts(parent, parts, DEFAULTS.child_precision)
        assert verdict.kept, (example["question"], verdict)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [CutDivider, AssignDivider])
async def test_the_numbers_in_the_built_in_examples_divide_their_texts_into_parts_that_pass(
    kind: type[PromptedDivider], language: str
) -> None:
    prompt = Library().prompt(kind.prompt_name, language)
    assert len(prompt.examples) >= 3
    for example in prompt.examples:
        text = re.sub(r"^\[\d+\] ", "", example["sentences"], flags=re.MULTILINE)
        text = text if language == "en" else re.sub(r"(?<!\n)\n(?!\n)", "", text)
        document = Document.of("example", text, language)
        node = Context.root(document, 0, len(text), count_units(text), language)
        model = FakeModel(
            lambda _, e=example: json.dumps({f.key: e[f.key] for f in prompt.outputs})
        )
        divider = kind(Asker(Caller(model, MemoryJournal())), Library(), Sampling())
        division = await divider.divide(node, 0)
        shown = model.requests[0].messages[-1].content.split("<<<\n")[1].split("\n>>>")[0]
        assert shown == example["sentences"]
        assert check_parts(node, division.parts, DEFAULTS.child_precision).kept


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_built_in_annotated_examples_are_enough_for_a_search(language: str) -> None:
    library = Library()
    triplets = library.triplets(language)
    assert len(triplets) >= 5
    assert {triplet.language for triplet in triplets} == {language}
    assert "{principles}" in library.prompt("answer", language).instruction
    assert library.principles(language)


def test_every_language_without_prompts_of_its_own_is_spoken_to_in_english() -> None:
    assert Library().prompt("tree", "fr") == Library().prompt("tree", "en")


def test_a_folder_of_the_users_overrides_the_one_file_that_it_holds(tmp_path: Path) -> None:
    own = built_in("zh", "judge.toml").read_text(encoding="utf-8").replace("评分", "打分")
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "judge.toml").write_text(own, encoding="utf-8-sig")
    mine, ours = Library(tmp_path), Library()
    assert mine.prompt("judge", "zh") != ours.prompt("judge", "zh")
    for name, language in (("tree", "zh"), ("answer", "zh"), ("judge", "en")):
        assert mine.prompt(name, language) == ours.prompt(name, language)
    assert mine.triplets("zh") == ours.triplets("zh")
    assert mine.identity() != ours.identity()


def test_the_fingerprint_follows_what_the_files_hold_and_not_where_they_lie(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "en" / "principles").mkdir(parents=True)
        (tmp_path / name / "en" / "principles" / "standard.md").write_text("Be brief.")
    one, other = Library(tmp_path / "a"), Library(tmp_path / "b")
    assert one.identity() == other.identity()
    (tmp_path / "b" / "en" / "principles" / "standard.md").write_text("Be long.")
    assert one.identity() != other.identity()


GOOD = """name = "judge"
instruction = "i"
weak_instruction = "w"
[[inputs]]
key = "question"
label = "Q"
[[inputs]]
key = "reference"
label = "R"
[[inputs]]
key = "answer"
label = "A"
[[outputs]]
key = "reason"
label = "W"
[[outputs]]
key = "grade"
label = "G"
"""
EXAMPLE = '[[examples]]\nquestion = "q"\nreference = "r"\nanswer = "a"\nreason = "w"\ngrade = "5"\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name = x\n", "line 1"),
        (GOOD.replace('"i"', '"i'), "line 2"),
        (GOOD.replace("weak_instruction", "week_instruction"), "weak_instruction"),
        (GOOD.replace("label", "lable"), "lable"),
        (GOOD.replace('"grade"', '"mark"'), "must be reason, grade, not reason, mark"),
        (GOOD.replace('"reference"', '"truth"'), "must be question, reference, answer"),
        (GOOD + EXAMPLE.replace('grade = "5"\n', ""), "example 1 has no text 'grade'"),
        (GOOD + EXAMPLE + EXAMPLE.replace('"5"', '" "'), "example 2 has no text 'grade'"),
        (GOOD + EXAMPLE.replace('"5"', "5"), "example 1 has no text 'grade'"),
        ('examples = ["x"]\n' + GOOD, "example 1 has no text"),
        (GOOD.replace('"i"', "3"), "instruction"),
        ("inputs = 3\n" + GOOD.replace("[[inputs]]", "[[others]]"), "inputs"),
    ],
)
def test_a_prompt_file_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "en" / "judge.toml"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ExamplesError) as caught:
        Library(tmp_path).check()
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_good_prompt_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "judge.toml").write_text(GOOD + EXAMPLE)
    Library(tmp_path).check()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"context": "c", "question": "q"}', "needs a text 'answer'"),
        ('{"context": "c", "question": " ", "answer": "a"}', "needs a text 'question'"),
        ('{"context": 3, "question": "q", "answer": "a"}', "needs a text 'context'"),
        ("{", "not a line of JSON"),
        ('"text"', "not a JSON object"),
    ],
)
def test_an_annotated_example_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"context": "c", "question": "q", "answer": "a"}\n\n' + line)
    with pytest.raises(ExamplesError) as caught:
        read_triplets(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_annotated_examples_may_hold_any_letter_and_are_told_apart_by_language(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.jsonl"
    records = [
        {"context": "c\u2028d\x85", "question": "q", "answer": "a"},
        {"context": "c", "question": "石桥？", "answer": "a"},
        {"context": "c", "question": "q", "answer": "a", "language": "zh"},
    ]
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\r\n" for r in records))
    library = Library(examples_file=path)
    assert [triplet.context for triplet in library.triplets("en")] == ["c\u2028d"]
    assert len(library.triplets("zh")) == 2


def test_an_annotated_example_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"context": "c", "question": "q", "answer": "a"}\n' * 5)
    assert len(read_triplets(path)) == 1


def test_half_a_character_in_an_annotated_example_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    records = [
        {"context": "Snow \ud83d.", "question": "What?", "answer": "Snow.", "source": "\ud83d"},
        {"context": "雪\udfff", "question": "什么？", "answer": "雪\ud83d\ude00"},
    ]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    english, chinese = read_triplets(path)
    assert (english.context, english.source) == ("Snow \ufffd.", "\ufffd")
    assert (chinese.context, chinese.answer) == ("雪\ufffd", "雪😀")


def test_principles_without_a_word_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "principles.md"
    path.write_text(" \n")
    with pytest.raises(ExamplesError, match="holds no principle"):
        Library(chosen=str(path)).check()


def test_a_folder_of_prompts_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="no such folder of prompts"):
        Library(tmp_path / "nowhere").check()


async def test_a_reply_that_was_cut_off_or_is_empty_is_asked_again() -> None:
    whole = rendered(PROMPT, SHOWN, "json")
    replies = iter([Reply((Choice(whole, "length"),)), Reply((Choice(" "),)), Reply(), whole])
    model = FakeModel(lambda _: next(replies))
    asker = Asker(Caller(model, MemoryJournal()))
    found = await asker.ask(PROMPT, {"context": "x"}, Sampling(), 0)
    assert found["question"] == "What is white?"
    assert len(model.requests) == 4


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("What is white \\ud83d?", "What is white \ufffd?"),
        ("什么是白的\\udfff？", "什么是白的\ufffd？"),
        ("What is white \\ud83d\\ude00?", "What is white 😀?"),
        ("什么是白的\\ud83d\\ude00？", "什么是白的😀？"),
        ("\\ude00\\ud83d", "\ufffd\ufffd"),
    ],
)
def test_an_output_holds_no_half_of_a_character_and_a_pair_of_escapes_is_one(
    question: str, read: str
) -> None:
    reply = f'{{"question": "{question}", "first": "Snow.", "second": "."}}'
    assert PROMPT.parse(reply, "json")["question"] == read


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("context", "question"),
    [("Snow is white.", "What is \ufffd?"), ("雪是白的。", "什么是\ufffd？")],
)
async def test_a_reply_that_lost_a_character_is_asked_for_again_unless_its_text_had_lost_one(
    form: Form, context: str, question: str
) -> None:
    values = {**SHOWN, "question": question}
    replies = iter([rendered(PROMPT, said, form) for said in (values, SHOWN, values)])
    asker = Asker(Caller(FakeModel(lambda _: next(replies)), MemoryJournal()), form)
    found = await asker.ask(PROMPT, {"context": context}, Sampling(), 0)
    assert found["question"] == SHOWN["question"]
    found = await asker.ask(PROMPT, {"context": f"{context}\ufffd"}, Sampling(), 0)
    assert found["question"] == question


@pytest.mark.parametrize(("form", "schema"), [("json", True), ("marked", False)])
async def test_the_schema_is_sent_with_the_json_form_alone(form: str, schema: bool) -> None:
    reply = rendered(PROMPT, SHOWN, form)
    model = FakeModel(lambda _: reply)
    asker = Asker(Caller(model, MemoryJournal()), form)  # type: ignore[arg-type]
    await asker.ask(PROMPT, {"context": "x"}, Sampling(), 0)
    assert bool(model.requests[0].schema) is schema


async def test_a_completion_model_is_given_one_text_in_the_marked_form() -> None:
    reply = rendered(PROMPT, SHOWN, "marked")
    model = FakeModel(lambda _: reply)
    asker = Asker(Caller(model, MemoryJournal()), "json", "completion")
    await asker.ask(PROMPT, {"context": "x"}, Sampling(), 3)
    expected = Request("completion", text=PROMPT.completion({"context": "x"}), seed=3)
    assert model.requests == [expected]


def test_a_file_of_examples_without_an_example_means_that_there_is_none(tmp_path: Path) -> None:
    empty = tmp_path / "mine.jsonl"
    empty.write_text("\n")
    library = Library(examples_file=empty)
    library.check()
    assert library.triplets("en") == library.triplets("zh") == ()


def test_the_embedded_models_prompt_is_part_of_a_runs_identity(tmp_path: Path) -> None:
    own = tmp_path / "en" / "small_question.toml"
    own.parent.mkdir()
    text = built_in("en", "small_question.toml").read_text("utf-8")
    own.write_text(text, "utf-8")
    before = Library(tmp_path).identity()
    own.write_text(text.replace("exam question", "quiz question"), "utf-8")
    assert Library(tmp_path).identity() != before
    own.write_text("name = ", "utf-8")
    with pytest.raises(ExamplesError, match="small_question"):
        Library(tmp_path).check()
