"""The prompt files of a run: the built-in ones, each replaceable by a file of the user's.

    LANGUAGE/NAME.toml             prompts
    LANGUAGE/principles/SET.md     principles of the answers: one whole file for each ready set
    LANGUAGE/annotated/SET.jsonl   annotated examples, which follow the principles of that name

A folder of the user's is laid out as the package's own is, and may hold as few of the files as he
likes; whatever it lacks comes from the package.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from augcon.characters import whole
from augcon.errors import ExamplesError
from augcon.prompts.prompt import Prompt
from augcon.records import Triplet, content_id
from augcon.sections import STANDARD, names_a_file

__all__ = ["LANGUAGES", "Library"]

LANGUAGES = ("en", "zh")
SOURCE = "{source}"  # in principles that ask for the name of the document
LANGUAGE = "{language}"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SHOWN_ID = 12  # digits
A_FILE = "a file"  # of the user's; where it lies is no part of what a run is
# The languages of answers, as prompts of each language call them.
ANSWER_LANGUAGES = {
    "en": {"context": "the language of the question", "en": "English", "zh": "Chinese"},
    "zh": {"context": "与问题相同的语言", "en": "英语", "zh": "中文"},
}
LATIN_FOR_HAN = 4  # one Chinese letter says as much as so many Latin ones
MOVED = {"principles.md": "principles/standard.md", "annotated.jsonl": "annotated/standard.jsonl"}
INPUTS = {
    "tree": ("context",),
    "tree_boundary": ("sentences",),
    "tree_assign": ("sentences",),
    "decontextualise": ("context", "sentence"),
    "answer": ("context", "question"),
    "revise": ("context", "question", "draft", "finding"),
    "verify": ("context", "question", "answer", "claim"),
    "answerable": ("context", "question"),
    "unknown": ("context", "question"),
    "audit": ("principles", "context", "question", "answer"),
    "judge": ("question", "reference", "answer"),
    "granularity": ("context", "question"),
    "score": ("context", "question"),
    "small_question": ("context",),
    "tuned_question": ("context",),
    "tuned_answer": ("window",),
}
OPTIONAL = {"answer": "source", "revise": "source", "audit": "source"}  # inputs; for principles
OUTPUTS = {
    "tree": ("question", "first", "second"),
    "tree_boundary": ("question", "last"),
    "tree_assign": ("question", "second"),
    "decontextualise": ("standalone",),
    "answer": ("answer",),
    "revise": ("answer",),
    "verify": ("evidence", "verdict"),
    "answerable": ("evidence", "verdict"),
    "unknown": ("answer",),
    "audit": ("finding", "verdict"),
    "judge": ("reason", "grade"),
    "granularity": ("granularity",),
    "score": ("score",),
    "small_question": ("question",),
    "tuned_question": ("question",),
    "tuned_answer": ("answer",),
}
PROMPTS = (
    *("tree", "tree_boundary", "tree_assign", "decontextualise"),
    *("granularity", "score", "answer", "revise", "verify", "answerable"),
    *("unknown", "audit", "judge"),
)
# Of the embedded model, which reads English.
SMALL_PROMPTS = {"en": ("small_question", "tuned_question", "tuned_answer"), "zh": ()}


@dataclass(frozen=True, slots=True)
class Library:
    """Where prompts, principles and annotated examples come from.

    chosen      the set of principles: its name, or a file of the user's
    answers_in  the language of answers: "context" for that of their context, "en" or "zh"
    """

    folder: Path | None = None
    chosen: str = STANDARD
    examples_file: Path | None = None
    answers_in: str = "context"

    def prompt(self, name: str, language: str) -> Prompt:
        """The prompt of this name for texts in this language (English for all but Chinese)."""
        spoken = prompt_language(language)
        path = self.path_of(name, spoken)
        changed = path.stat().st_mtime_ns if path.is_file() else 0
        return _load(path, changed, name, spoken)

    def question_prompts(self, language: str) -> tuple[Prompt, ...]:
        """Every prompt for texts in this language whose reply holds a question."""
        names = prompt_names(prompt_language(language))
        return tuple(self.prompt(n, language) for n in names if "question" in OUTPUTS[n])

    def path_of(self, name: str, language: str) -> Path:
        """The file of this prompt."""
        return self._find(prompt_language(language), f"{name}.toml")

    def principles(self, language: str) -> str:
        """The response principles P (section 3.3 of the paper), as text."""
        path = self._principles_path(prompt_language(language))
        text = _read(path).strip()
        if not text:
            raise ExamplesError(f"{path}: holds no principle; write some or drop the setting")
        return text

    def with_principles(self, name: str, language: str) -> tuple[Prompt, str]:
        """A prompt and the principles that go with it: one that can be given the source is given
        it where they ask for it, and is not otherwise. The language of answers is filled in."""
        prompt = self.prompt(name, language)
        told = answer_language(prompt.language, self.answers_in)
        principles = self.principles(language).replace(LANGUAGE, told)
        if SOURCE not in principles:
            return prompt.without("source"), principles
        labelled = prompt if name in OPTIONAL else self.prompt("answer", language)
        labels = [field.label for field in labelled.inputs if field.key == "source"]
        if not labels:
            path = self.path_of(name, language)
            raise ExamplesError(f"{path}: the principles hold {SOURCE}, and it has no such input")
        return prompt, principles.replace(SOURCE, labels[0])

    def answering(self, name: str, language: str) -> Prompt:
        """`answer`, `revise` or `unknown`, with principles and language of answers filled in."""
        prompt, principles = self.with_principles(name, language)
        told = answer_language(prompt.language, self.answers_in)
        return prompt.filled(principles=principles, language=told)

    def triplets(self, language: str) -> tuple[Triplet, ...]:
        """The annotated examples E_R for a language.

        Those of the user's file that are in this language, which may be none, or those of the set
        without a file; where answers have a language of their own, those whose answer is in it.
        """
        spoken = prompt_language(language)
        found = read_triplets(
            self._annotated_path(spoken), None if self.examples_file is not None else spoken
        )
        return tuple(
            triplet
            for triplet in found
            if prompt_language(triplet.language) == spoken
            and self.answers_in in ("context", _written_in(triplet.answer))
        )

    def is_own(self, language: str) -> bool:
        """Whether principles or annotated examples are the user's: not, word for word, ours."""
        spoken = prompt_language(language)
        for path in (self._principles_path(spoken), self._annotated_path(spoken)):
            ready = built_in(spoken, path.parent.name, path.name)
            if not ready.is_file() or _read(ready) != _read(path):
                return True
        return False

    def identity(self) -> dict[str, str]:
        """What a run is told by these files, in words that change when what they hold does."""
        self.check()
        prompts = [
            repr(self.prompt(name, language))
            for language in LANGUAGES
            for name in prompt_names(language)
        ]
        principles = content_id("principles", *map(self.principles, LANGUAGES))
        triplets = [repr(self.triplets(language)) for language in LANGUAGES]
        examples = content_id("examples", *triplets)
        chosen = A_FILE if names_a_file(self.chosen) else self.chosen
        shown = A_FILE if self.examples_file else f"of {self.chosen}"
        return {
            "prompt files": content_id("prompts", *prompts),
            "principles": f"{chosen} ({principles[:SHOWN_ID]})",
            "annotated examples": f"{shown} ({examples[:SHOWN_ID]})",
        }

    def check(self) -> None:
        """Read every file once, so that a bad one is reported before any work is done."""
        if self.folder is not None and not self.folder.is_dir():
            raise ExamplesError(f"{self.folder}: no such folder of prompts")
        for language in LANGUAGES:
            for name in prompt_names(language):
                self.prompt(name, language)
            self._demand_placeholders(language)
            self.triplets(language)

    def sets(self) -> list[str]:
        """The names of the sets of principles that there are."""
        found = {
            path.stem
            for language in LANGUAGES
            for folder in self._folders(language)
            for path in (folder / "principles").glob("*.md")
        }
        return sorted(found, key=lambda name: (name != STANDARD, name))

    def _demand_placeholders(self, language: str) -> None:
        """A file that was left where it is no longer read is told, and so is a prompt of the user's
        that cannot say what is asked of it."""
        for old, new in MOVED.items():
            if self.folder is not None and (path := self.folder / language / old).exists():
                where = self.folder / language / new
                raise ExamplesError(f"{path}: is not read any more; move it to {where}")
        known = [placeholder.strip("{}") for placeholder in (SOURCE, LANGUAGE)]
        for said in PLACEHOLDER.findall(self.principles(language)):
            near = difflib.get_close_matches(said, known, n=1)
            if near and said not in known:
                raise ExamplesError(
                    f"{self._principles_path(language)}: there is no placeholder {{{said}}}; did "
                    f"you mean {{{near[0]}}}?"
                )
        for name in ("answer", "revise", "unknown"):
            self.answering(name, language)
            if self.answers_in != "context" and LANGUAGE not in self.prompt(name, language).told:
                path = self.path_of(name, language)
                raise ExamplesError(
                    f"{path}: answers.language is {self.answers_in!r}, and its instruction has no "
                    f"{LANGUAGE}, where that would be told"
                )
        self.with_principles("audit", language)

    def _principles_path(self, language: str) -> Path:
        """Of a set that is there in one language only, that one."""
        if names_a_file(self.chosen):
            return Path(self.chosen)
        for spoken in (language, *LANGUAGES):
            path = self._find(spoken, f"principles/{self.chosen}.md")
            if path.is_file():
                return path
        there = self.sets()
        near = difflib.get_close_matches(self.chosen, there, n=1)
        meant = f"; did you mean {near[0]!r}" if near else ""
        raise ExamplesError(
            f"answers.principles = {self.chosen!r}: no such set{meant}; there are "
            f"{', '.join(there)}; a file of yours is given with its path or its ending, .md or .txt"
        )

    def _annotated_path(self, language: str) -> Path:
        """The user's file, else that of the set, else the standard one."""
        if self.examples_file is not None:
            return self.examples_file
        name = STANDARD if names_a_file(self.chosen) else self.chosen
        path = self._find(language, f"annotated/{name}.jsonl")
        return path if path.is_file() else self._find(language, f"annotated/{STANDARD}.jsonl")

    def _find(self, language: str, name: str) -> Path:
        paths = [folder / name for folder in self._folders(language)]
        return next((path for path in paths if path.is_file()), paths[-1])

    def _folders(self, language: str) -> Iterator[Path]:
        if self.folder is not None:
            yield self.folder / language
        yield built_in(language)


@lru_cache(maxsize=64)
def _load(path: Path, changed: int, name: str, language: str) -> Prompt:
    """A prompt file, read again only where it has `changed`: every request renders it."""
    prompt = Prompt.load(path, language)
    for what, fields, wanted in (
        ("inputs", prompt.inputs, INPUTS.get(name)),
        ("outputs", prompt.outputs, OUTPUTS.get(name)),
    ):
        got = tuple(field.key for field in fields if field.key != OPTIONAL.get(name))
        if wanted is not None and got != wanted:
            told = f"must be {', '.join(wanted)}, not {', '.join(got) or 'none'}"
            raise ExamplesError(f"{path}: the {what} {told}")
    return prompt


def prompt_names(language: str) -> tuple[str, ...]:
    """The prompts that there are for a language."""
    return (*PROMPTS, *SMALL_PROMPTS[language])


def built_in(language: str, *names: str) -> Path:
    """A file of the package's own. The package is always installed unpacked."""
    return Path(str(resources.files("augcon.prompts").joinpath(language, *names)))


def answer_language(language: str, wanted: str) -> str:
    """The language that answers are to have ("context", "en" or "zh"), told in `language`."""
    return ANSWER_LANGUAGES[prompt_language(language)][wanted]


def prompt_language(language: str) -> str:
    """Which of the languages that have prompts to use for a text in `language`."""
    return language if language in LANGUAGES else "en"


def read_triplets(path: Path, language: str | None = None) -> tuple[Triplet, ...]:
    """Annotated examples from JSONL lines with `context`, `question`, `answer`, and `source` for
    principles that ask for it.

    The language of a line is its `language` field, else `language`, else found from its letters.
    Raises ExamplesError with file, line and the missing field.
    """
    lines = [(n, line) for n, line in enumerate(_read(path).split("\n"), 1) if line.strip()]
    triplets = [_triplet(line, f"{path}, line {n}", language) for n, line in lines]
    return tuple({triplet.id: triplet for triplet in triplets}.values())  # a second copy is none


def _triplet(line: str, where: str, language: str | None) -> Triplet:
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise ExamplesError(f"{where}: not a line of JSON ({error})") from error
    if not isinstance(raw, dict):
        raise ExamplesError(f"{where}: not a JSON object")
    for key in ("context", "question", "answer"):
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            raise ExamplesError(f"{where}: an annotated example needs a text {key!r}")
    context, question, answer = (whole(raw[k]).strip() for k in ("context", "question", "answer"))
    spoken = whole(str(raw.get("language") or language or _guess(question)))
    source = raw.get("source", "")
    if not isinstance(source, str):
        raise ExamplesError(f"{where}: the source of an annotated example must be a text")
    return Triplet.of(context, question, answer, spoken, whole(source).strip())


def _guess(text: str) -> str:
    return "zh" if any("一" <= letter <= "鿿" for letter in text) else "en"


def _written_in(text: str) -> str:
    """By script. A name in Chinese letters makes no English text Chinese."""
    han = sum("一" <= letter <= "鿿" for letter in text)
    latin = sum(letter.isascii() and letter.isalpha() for letter in text)
    return "zh" if han * LATIN_FOR_HAN > latin else "en"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ExamplesError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ExamplesError(f"{path}: cannot be read as UTF-8 text: {error}") from error
