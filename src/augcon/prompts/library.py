"""The prompt files of a run: the built-in ones, each replaceable by a file of the user's.

A folder of the user's is laid out as the package's own is, LANGUAGE/NAME.toml, and may hold as
few of the files as he likes; whatever it lacks comes from the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from augcon.errors import ExamplesError
from augcon.prompts.prompt import Prompt
from augcon.records import Triplet, content_id

__all__ = ["LANGUAGES", "Library"]

LANGUAGES = ("en", "zh")
INPUTS = {
    "tree": ("context",),
    "tree_boundary": ("sentences",),
    "tree_assign": ("sentences",),
    "decontextualise": ("context", "sentence"),
    "answer": ("context", "question"),
    "revise": ("context", "question", "draft", "finding"),
    "verify": ("context", "question", "answer", "claim"),
    "answerable": ("context", "question"),
    "judge": ("question", "reference", "answer"),
    "granularity": ("context", "question"),
    "score": ("context", "question"),
    "small_question": ("context",),
    "tuned_question": ("context",),
    "tuned_answer": ("window",),
}
OUTPUTS = {
    "tree": ("question", "first", "second"),
    "tree_boundary": ("question", "last"),
    "tree_assign": ("question", "second"),
    "decontextualise": ("standalone",),
    "answer": ("answer",),
    "revise": ("answer",),
    "verify": ("evidence", "verdict"),
    "answerable": ("evidence", "verdict"),
    "judge": ("reason", "grade"),
    "granularity": ("granularity",),
    "score": ("score",),
    "small_question": ("question",),
    "tuned_question": ("question",),
    "tuned_answer": ("answer",),
}
PROMPTS = (
    *("tree", "tree_boundary", "tree_assign", "decontextualise"),
    *("granularity", "score", "answer", "revise", "verify", "answerable", "judge"),
)
# Of the embedded model, which reads English.
SMALL_PROMPTS = {"en": ("small_question", "tuned_question", "tuned_answer"), "zh": ()}


@dataclass(frozen=True, slots=True)
class Library:
    """Where prompts, principles and annotated examples come from."""

    folder: Path | None = None
    principles_file: Path | None = None
    examples_file: Path | None = None

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
        path = self.principles_file or self._find(prompt_language(language), "principles.md")
        text = _read(path).strip()
        if not text:
            raise ExamplesError(f"{path}: holds no principle; write some or drop the setting")
        return text

    def triplets(self, language: str) -> tuple[Triplet, ...]:
        """The annotated examples E_R for a language.

        Those of the user's file that are in this language, which may be none, or the built-in ones
        without a file.
        """
        spoken = prompt_language(language)
        if self.examples_file is None:
            return read_triplets(self._find(spoken, "annotated.jsonl"), spoken)
        own = read_triplets(self.examples_file)
        return tuple(t for t in own if prompt_language(t.language) == spoken)

    def fingerprint(self) -> str:
        """An id of everything that the files hold: it changes when any of them does."""
        self.check()
        texts = [
            repr((self.prompt(name, language), self.principles(language), self.triplets(language)))
            for language in LANGUAGES
            for name in prompt_names(language)
        ]
        return content_id("prompts", *texts)

    def check(self) -> None:
        """Read every file once, so that a bad one is reported before any work is done."""
        if self.folder is not None and not self.folder.is_dir():
            raise ExamplesError(f"{self.folder}: no such folder of prompts")
        for language in LANGUAGES:
            for name in prompt_names(language):
                self.prompt(name, language)
            self.principles(language)
            self.triplets(language)

    def _find(self, language: str, name: str) -> Path:
        if self.folder is not None and (own := self.folder / language / name).is_file():
            return own
        return built_in(language, name)


@lru_cache(maxsize=64)
def _load(path: Path, changed: int, name: str, language: str) -> Prompt:
    """A prompt file, read again only where it has `changed`: every request renders it."""
    prompt = Prompt.load(path, language)
    for what, fields, wanted in (
        ("inputs", prompt.inputs, INPUTS.get(name)),
        ("outputs", prompt.outputs, OUTPUTS.get(name)),
    ):
        if wanted is not None and (got := tuple(field.key for field in fields)) != wanted:
            told = f"must be {', '.join(wanted)}, not {', '.join(got) or 'none'}"
            raise ExamplesError(f"{path}: the {what} {told}")
    return prompt


def prompt_names(language: str) -> tuple[str, ...]:
    """The prompts that there are for a language."""
    return (*PROMPTS, *SMALL_PROMPTS[language])


def built_in(language: str, name: str) -> Path:
    """A file of the package's own. The package is always installed unpacked."""
    return Path(str(resources.files("augcon.prompts").joinpath(language, name)))


def prompt_language(language: str) -> str:
    """Which of the languages that have prompts to use for a text in `language`."""
    return language if language in LANGUAGES else "en"


def read_triplets(path: Path, language: str | None = None) -> tuple[Triplet, ...]:
    """Annotated examples from JSONL lines with `context`, `question` and `answer`.

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
    context, question, answer = (raw[key].strip() for key in ("context", "question", "answer"))
    spoken = str(raw.get("language") or language or _guess(question))
    return Triplet.of(context, question, answer, spoken)


def _guess(text: str) -> str:
    return "zh" if any("一" <= letter <= "鿿" for letter in text) else "en"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ExamplesError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ExamplesError(f"{path}: cannot be read as UTF-8 text: {error}") from error
