"""Principles are files: ready sets by name, a user's own, and what goes with each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augcon.answer import Checking, LexicalVerifier
from augcon.assemble import assemble_terms, library_of, longest_request, principle_tokens
from augcon.config import load_settings
from augcon.corpus import count_units
from augcon.errors import ExamplesError
from augcon.prompts import Library
from augcon.prompts.library import LANGUAGES, built_in, read_triplets
from augcon.records import Context, Document, Question, Triplet
from augcon.templates import write_templates

SERVER = {"model.name": "m", "model.base_urls": ("http://localhost/v1",)}
FEWEST_EXAMPLES = 4
LINE = {"context": "The mill ground rye.", "question": "What did it grind?", "answer": "Rye."}
SETS = Library().sets()


def write(folder: Path, name: str, text: str, language: str = "en") -> Path:
    path = folder / language / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def asked_about(triplet: Triplet) -> Question:
    document = Document.of(triplet.source, triplet.context, triplet.language)
    units = count_units(triplet.context)
    root = Context.root(document, 0, len(triplet.context), units, triplet.language)
    return Question.of(root, triplet.question, 0)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SETS)
def test_every_set_is_there_in_both_languages_with_examples_enough_for_a_search(
    name: str, language: str
) -> None:
    assert built_in(language, "principles", f"{name}.md").is_file()
    assert len(read_triplets(built_in(language, "annotated", f"{name}.jsonl"))) >= FEWEST_EXAMPLES
    library = Library(chosen=name)
    library.check()
    assert {t.language for t in library.triplets(language)} == {language}
    assert not library.is_own(language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SETS)
async def test_the_examples_of_a_set_pass_the_checks_that_its_answers_have_to_pass(
    name: str, language: str
) -> None:
    settings = load_settings(overrides={**SERVER, "answers.principles": name})
    library = library_of(settings)
    terms = assemble_terms(settings, library)
    checking = Checking(LexicalVerifier(terms), terms=terms)
    for triplet in library.triplets(language):
        verdict = (await checking.judge(asked_about(triplet), triplet.answer)).verdict
        assert verdict.kept, (triplet.question, verdict)
        assert bool(triplet.source) == ("{source}" in library.principles(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_set_speaks_of_the_language_of_answers_which_is_a_setting(language: str) -> None:
    for name in SETS:
        principles = Library(chosen=name).principles(language)
        assert "language of the question" not in principles
        assert "与问题相同的语言" not in principles


def test_standard_is_the_first_of_the_sets_and_what_is_used_without_a_word() -> None:
    assert SETS[0] == "standard"
    assert Library().principles("en") == Library(chosen="standard").principles("en")


def test_a_set_is_looked_for_in_the_users_folder_first(tmp_path: Path) -> None:
    write(tmp_path, "principles/mine.md", "Answer in one word.")
    write(tmp_path, "principles/mine.md", "用一个词回答。", "zh")
    write(tmp_path, "principles/standard.md", "Be kind.")
    mine = Library(tmp_path, "mine")
    assert mine.principles("en") == "Answer in one word."
    assert mine.principles("zh") == "用一个词回答。"
    assert Library(tmp_path).principles("en") == "Be kind."
    assert Library(tmp_path).principles("zh") == Library().principles("zh")
    assert "mine" in mine.sets()


def test_an_unknown_set_is_told_with_those_that_there_are_and_the_one_that_was_meant(
    tmp_path: Path,
) -> None:
    write(tmp_path, "principles/pirate.md", "Arr.")
    with pytest.raises(ExamplesError) as caught:
        Library(tmp_path, "pirat").check()
    assert "did you mean 'pirate'" in str(caught.value)
    assert "standard" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ExamplesError, match=r"no such set; there are standard"):
        Library(chosen="zzz").principles("zh")


def test_a_set_in_one_language_serves_both(tmp_path: Path) -> None:
    write(tmp_path, "principles/mine.md", "Answer in one word.")
    library = Library(tmp_path, "mine")
    library.check()
    assert library.principles("zh") == "Answer in one word."


def test_examples_go_with_their_set_else_the_standard_ones_do(tmp_path: Path) -> None:
    for name in ("mine", "bare"):
        write(tmp_path, f"principles/{name}.md", "Answer in one word.")
    write(tmp_path, "annotated/mine.jsonl", json.dumps(LINE))
    assert [t.answer for t in Library(tmp_path, "mine").triplets("en")] == ["Rye."]
    standard = Library().triplets("zh")
    assert Library(tmp_path, "mine").triplets("zh") == standard
    assert Library(tmp_path, "bare").triplets("zh") == standard
    file = tmp_path / "own.txt"
    file.write_text("Be brief.")
    assert Library(None, str(file)).triplets("zh") == standard
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({**LINE, "answer": "It ground rye."}))
    found = Library(tmp_path, "mine", other).triplets("en")
    assert [t.answer for t in found] == ["It ground rye."]


@pytest.mark.parametrize("old", ["principles.md", "annotated.jsonl"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_where_it_is_no_longer_read_is_told_with_where_it_goes(
    old: str, language: str, tmp_path: Path
) -> None:
    path = write(tmp_path, old, "Be brief.", language)
    kind, ending = old.split(".")
    with pytest.raises(ExamplesError) as caught:
        Library(tmp_path).check()
    new = tmp_path / language / kind / f"standard.{ending}"
    assert str(caught.value) == f"{path}: is not read any more; move it to {new}"


def test_init_writes_every_set_and_all_of_it_is_known_to_be_ours(tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in write_templates(tmp_path)}
    for language in LANGUAGES:
        for name in SETS:
            assert f"prompts/{language}/principles/{name}.md" in written
            assert f"prompts/{language}/annotated/{name}.jsonl" in written
            assert not Library(tmp_path / "prompts", name).is_own(language)
    assert Library(tmp_path / "prompts").identity() == Library().identity()


def test_principles_or_examples_that_differ_from_ours_are_the_users_own(tmp_path: Path) -> None:
    write(tmp_path, "principles/standard.md", "Be brief.")
    assert Library(tmp_path).is_own("en")
    assert not Library(tmp_path).is_own("zh")
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(LINE))
    assert Library(examples_file=file).is_own("zh")
    copied = built_in("en", "principles", "standard.md").read_text(encoding="utf-8")
    (tmp_path / "principles").mkdir()
    (tmp_path / "principles" / "standard.md").write_text(copied, encoding="utf-8")
    assert not Library(None, str(tmp_path / "principles" / "standard.md")).is_own("en")


def test_the_set_and_the_language_of_answers_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    write(tmp_path, "principles/mine.md", "Be brief.")
    plain = Library(tmp_path).identity()
    assert Library(tmp_path, "mine").identity() != plain
    one = load_settings(overrides=SERVER).identity()
    other = load_settings(overrides={**SERVER, "answers.language": "zh"}).identity()
    assert {key for key in one if one[key] != other[key]} == {"answers.language"}


def test_the_source_is_asked_for_and_named_by_its_label_where_principles_hold_it(
    tmp_path: Path,
) -> None:
    write(tmp_path, "principles/mine.md", 'End with what stands under "{source}", in brackets.')
    write(tmp_path, "principles/mine.md", "结尾写明“{source}”。", "zh")
    for language, label in (("en", "Source"), ("zh", "来源")):
        for name in ("answer", "revise", "audit"):
            plain, _ = Library().with_principles(name, language)
            asking, principles = Library(tmp_path, "mine").with_principles(name, language)
            assert "source" not in [field.key for field in plain.inputs]
            keys = [field.key for field in asking.inputs]
            assert keys.index("source") == keys.index("context") + 1
            assert "{source}" not in principles
            assert label in principles
        told = Library(tmp_path, "mine").answering("answer", language).told
        assert Library(tmp_path, "mine").with_principles("answer", language)[1] in told


def test_a_prompt_of_the_users_without_a_source_serves_principles_without_one(
    tmp_path: Path,
) -> None:
    text = built_in("en", "answer.toml").read_text(encoding="utf-8")
    start = text.index('[[inputs]]\nkey = "source"')
    end = text.index("[[inputs]]", start + 1)
    path = write(tmp_path, "answer.toml", text[:start] + text[end:])
    Library(tmp_path).check()
    assert Library(tmp_path).answering("answer", "en") == Library().answering("answer", "en")
    write(tmp_path, "principles/mine.md", "Name the {source}.")
    with pytest.raises(ExamplesError, match=r"the principles hold \{source\}") as caught:
        Library(tmp_path, "mine").check()
    assert str(path) in str(caught.value)


def test_the_language_of_answers_is_told_in_the_instruction_and_in_the_form() -> None:
    for language, names in {
        "en": ("the language of the question", "English", "Chinese"),
        "zh": ("与问题相同的语言", "英语", "中文"),
    }.items():
        for wanted, name in zip(("context", "en", "zh"), names, strict=True):
            for file in ("answer", "revise"):
                prompt = Library(answers_in=wanted).answering(file, language)
                (output,) = prompt.outputs
                assert name in output.describe
                assert name in prompt.told
                assert "{" not in prompt.told + output.describe


def test_a_prompt_of_the_users_that_cannot_tell_the_language_is_refused_where_it_matters(
    tmp_path: Path,
) -> None:
    text = built_in("zh", "answer.toml").read_text(encoding="utf-8")
    write(tmp_path, "answer.toml", text.replace("请用{language}写回答。", ""), "zh")
    Library(tmp_path).check()
    with pytest.raises(ExamplesError, match=r"answers.language is 'en'.*no \{language\}"):
        Library(tmp_path, answers_in="en").check()


def test_only_examples_whose_answer_has_the_language_wanted_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    told = {"context": "磨坊磨黑麦。", "question": "磨坊磨什么？"}
    lines = [
        LINE,
        {**told, "answer": "磨坊磨黑麦。"},
        {**told, "answer": "The mill (磨坊) ground rye."},
    ]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    shown = {
        (wanted, language): [
            t.answer for t in Library(None, "standard", path, wanted).triplets(language)
        ]
        for wanted in ("context", "en", "zh")
        for language in LANGUAGES
    }
    assert len(shown["context", "zh"]) == 2
    assert shown["en", "zh"] == ["The mill (磨坊) ground rye."]
    assert shown["zh", "zh"] == ["磨坊磨黑麦。"]
    assert shown["en", "en"] == shown["context", "en"] == ["Rye."]
    assert shown["zh", "en"] == []
    assert Library(answers_in="zh").triplets("en") == ()


def test_the_source_of_an_example_is_part_of_its_id_only_where_it_has_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, (LINE, {**LINE, "source": " mill.md "}))))
    plain, named = read_triplets(path)
    assert plain.id == Triplet.of(*(LINE.values()), "en").id
    assert (plain.source, named.source) == ("", "mill.md")
    assert plain.id != named.id
    path.write_text(json.dumps({**LINE, "source": 3}))
    with pytest.raises(ExamplesError, match=r"line 1: the source .* must be a text"):
        read_triplets(path)


def test_long_principles_are_part_of_the_longest_request(tmp_path: Path) -> None:
    file = tmp_path / "long.md"
    file.write_text("Be brief and kind. " * 1000)
    plain = load_settings(overrides=SERVER)
    long = load_settings(overrides={**SERVER, "answers.principles": file})
    assert principle_tokens(long) == pytest.approx(4000 * 1.35, abs=1)
    assert longest_request(long) > longest_request(plain) + principle_tokens(long)


@pytest.mark.parametrize("said", ["souce", "langauge", "Source"])
def test_a_misspelt_placeholder_is_told_with_the_one_that_was_meant(
    tmp_path: Path, said: str
) -> None:
    mine = tmp_path / "mine.md"
    mine.write_text(f"- Name the {{{said}}}.", encoding="utf-8")
    with pytest.raises(ExamplesError, match=r"no placeholder .*did you mean \{(source|language)\}"):
        Library(chosen=str(mine)).check()
    mine.write_text("- Write code as {x} and {name}.", encoding="utf-8")
    Library(chosen=str(mine)).check()


def test_what_a_run_is_told_is_named_by_what_changed(tmp_path: Path) -> None:
    mine, examples = tmp_path / "mine.md", tmp_path / "mine.jsonl"
    mine.write_text("- Be brief.", encoding="utf-8")
    examples.write_text('{"context": "c", "question": "q", "answer": "a"}', encoding="utf-8")
    plain, terse = Library().identity(), Library(chosen="terse").identity()
    assert plain["prompt files"] == terse["prompt files"]
    assert plain["principles"].startswith("standard (")
    assert terse["principles"].startswith("terse (")
    assert terse["annotated examples"].startswith("of terse (")
    own = Library(chosen=str(mine), examples_file=examples).identity()
    assert own["principles"].startswith("a file (")
    assert own["annotated examples"].startswith("a file (")
    moved = tmp_path / "moved.md"
    mine.rename(moved)
    assert Library(chosen=str(moved), examples_file=examples).identity() == own
    moved.write_text("- Be long.", encoding="utf-8")
    after = Library(chosen=str(moved), examples_file=examples).identity()
    assert {key for key in own if own[key] != after[key]} == {"principles"}
