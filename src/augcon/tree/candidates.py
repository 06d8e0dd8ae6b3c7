"""Which question candidates of a tiny model may stand: a filter that reads words, not meaning.

    (question, context) → the reason to drop it, or ""

A model of 135 million parameters writes fluent questions about things the context never says.
Most of these give themselves away by their words, so words are what is checked: names and numbers
must come from the context, and so must most other words; nothing may point at something that a
reader without the context cannot see; and the context must hold something that the question does
not already tell. What only a reader of meaning could notice passes. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["coverage", "objection"]

MIN_WORDS = 4
MAX_WORDS = 32
MIN_COVERAGE = 0.75
MIN_UNTOLD = 0.25  # share of the context's content words that the question leaves to the answer
STEM_LETTERS = 5

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_ABOUT_TEXT = re.compile(
    r"\b(passage|text|paragraph|article|excerpt|author|writer|sentence|context|above|following)\b"
)
_DEICTIC = re.compile(r"\b(this|these|such|here|today|currently|you|your|i|we|our|us|my|me)\b")
_PRONOUN = re.compile(r"\b(it|its|he|his|him|she|her|they|their|them|those|one)\b")
_VAGUE_SUBJECT = re.compile(
    r"^(?:what|how|why|which|who|when|where)\b[\w\s]{0,25}?\b(?:the|a|an) "
    r"(?:thing|man|woman|person|people|process|event|situation|problem|story|idea|project)\??$"
)

STOP_WORDS = frozenset(
    (
        "a an the and or but nor so yet if than then that this these those there here of in on at "
        "by to from with without for as into onto about over under after before during between "
        "among through against is are was were be been being am do does did done doing have has "
        "had having will would can could shall should may might must not no only also very more "
        "most much many some any each both all other others another own same it its he his him "
        "she her they their them we our us you your i my me what which who whom whose when where "
        "why how one s t"
    ).split()
)
# Words that a question brings along and that need not be in the text it asks about.
QUESTION_WORDS = frozenset(
    (
        "happen happens happened purpose role reason reasons main effect effects cause causes "
        "caused difference differences differ way ways kind kinds type types use uses used using "
        "make makes made mean means called name names number long far often old big large year "
        "years time times people person place thing things become became work works help helps "
        "take takes get gets come came go goes give gives important importance explain describe "
        "affect affects lead leads led result results allow allows need needs know known first "
        "last new different considered"
    ).split()
)


def objection(question: str, context: str, shown: Iterable[str] = ()) -> str:
    """Why this question may not stand, in a few words, or "" where it may.

    `shown` holds the questions of the few-shot examples, which a tiny model likes to repeat.
    """
    text = question.strip()
    words = _words(text)
    lowered = text.casefold()
    if not text.endswith("?") or not MIN_WORDS <= len(words) <= MAX_WORDS:
        return "not a question of ordinary length"
    if any(lowered == example.strip().casefold() for example in shown):
        return "copied from an example"
    checks = (
        _points_outside(lowered, context.casefold()),
        _foreign_names(text, context),
        _says_too_little(text, context),
    )
    return next((reason for reason in checks if reason), "")


def coverage(question: str, context: str) -> float:
    """The share of the question's content words that the context holds, in any inflection."""
    asked = [word for word in _content(question) if word not in QUESTION_WORDS]
    if not asked:
        return 0.0
    held = _stems(_words(context))
    return sum(_stem(word) in held for word in asked) / len(asked)


def _points_outside(lowered: str, context: str) -> str:
    """The question needs the text at hand, or something said before it, to be understood."""
    if (found := _ABOUT_TEXT.search(lowered)) and found[1] not in context:
        return "speaks of the text"
    if _DEICTIC.search(lowered):
        return "points at something that only the text shows"
    if (pronoun := _PRONOUN.search(lowered)) and not _content(lowered[: pronoun.start()]):
        return "a pronoun without its noun"
    if _VAGUE_SUBJECT.search(lowered):
        return "its subject is not named"
    return ""


def _foreign_names(question: str, context: str) -> str:
    """A name or number that the context does not hold is invented or comes from an example."""
    held = set(_words(context.casefold()))
    for word in _words(question)[1:]:
        named = word[0].isupper() or any(letter.isdigit() for letter in word)
        if named and not _holds(held, word.casefold()):
            return f"{word!r} is not in the context"
    return ""


def _says_too_little(question: str, context: str) -> str:
    """Content words: enough of them, most from the context, and not all that the context has."""
    if coverage(question, context) < MIN_COVERAGE:
        return "its words are not the context's"
    asked = _stems(_content(question))
    if len(asked) < len(_content(question)) - 1:
        return "it repeats itself"
    told = _stems(_content(context))
    if len(told - asked) < max(2, MIN_UNTOLD * len(told)):
        return "it leaves nothing to answer"
    return ""


def _holds(held: set[str], word: str) -> bool:
    bare = re.sub(r"['’]s?$", "", word)
    return word in held or bare in held or all(part in held for part in bare.split("-"))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _content(text: str) -> list[str]:
    return [word for word in _words(text.casefold()) if word not in STOP_WORDS]


def _stems(words: Iterable[str]) -> set[str]:
    return {_stem(word.casefold()) for word in words}


def _stem(word: str) -> str:
    """Enough of a word to find it again in another inflection."""
    bare = re.sub(r"['’]s?$", "", word)
    if len(bare) > STEM_LETTERS:
        return bare[:STEM_LETTERS]
    return bare.removesuffix("s") if len(bare) > 3 else bare
