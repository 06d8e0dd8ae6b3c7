"""English words for checks that read words and not meaning: content, inflection, names.

A tiny model's questions and answers give most of their faults away by their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "NUMBER_WORDS",
    "STOP_WORDS",
    "content_words",
    "foreign_name",
    "is_negative",
    "sentences",
    "stem",
    "stems",
    "words",
]

STEM_LETTERS = 5

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")

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


NUMBER_WORDS = frozenset(
    (
        "two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty "
        "fifty sixty seventy eighty ninety hundred thousand million billion half thirds quarter "
        "quarters"
    ).split()
)
NEGATIONS = frozenset("no not never neither nor none nobody nothing without cannot".split())


def sentences(text: str) -> list[str]:
    """Cut after every mark that may end a sentence; abbreviations are not known."""
    return _SENTENCE_END.split(text)


def is_negative(text: str) -> bool:
    return any(w in NEGATIONS or w.endswith(("n't", "n’t")) for w in words(text.casefold()))


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def content_words(text: str) -> list[str]:
    """The words that carry meaning, in order, in lower case."""
    return [word for word in words(text.casefold()) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """Enough of a word to find it again in another inflection."""
    bare = _bare(word)
    if len(bare) > STEM_LETTERS:
        return bare[:STEM_LETTERS]
    return bare.removesuffix("s") if len(bare) > 3 else bare


def stems(words: Iterable[str]) -> set[str]:
    return {stem(word.casefold()) for word in words}


def foreign_name(text: str, context: str) -> str:
    """The first name or number of the text that the context does not hold, or "".

    The first word of a sentence may be capitalised for that alone: it counts as a name where no
    inflection of it is in the context.
    """
    held = {_bare(word) for word in words(context.casefold())}
    known = stems(held) | STOP_WORDS
    for sentence in sentences(text):
        for place, word in enumerate(words(sentence)):
            lowered = word.casefold()
            ordinary = place == 0 and (lowered in STOP_WORDS or stem(lowered) in known)
            named = (word[0].isupper() and not ordinary) or any(c.isdigit() for c in word)
            if (named or lowered in NUMBER_WORDS) and not _holds(held, lowered):
                return word
    return ""


def _holds(held: set[str], word: str) -> bool:
    bare = _bare(word)
    return bare in held or all(part in held for part in bare.split("-"))


def _bare(word: str) -> str:
    """Without the ending of a possessive."""
    return re.sub(r"['’]s?$", "", word)
