"""A grammar that lets the tiny model ask only in the context's own words.

    context, openings → GBNF: an opening, then words of the context and common words, then "?"

Left free, many of its questions use a word that the context does not hold, or speak to "you" about
"this passage". The grammar makes that impossible while it samples. What it writes freely reads
better, so this is for nodes where no free question would do. English only.
"""

from __future__ import annotations

import re

__all__ = ["free_grammar", "vocabulary_grammar"]

WORD = re.compile(r"[^\W_]+(?:['’\-–.,][^\W_]+)*")

JOINING_WORDS = frozenset(
    """
    the a an of in on at by to from with without for as and or but is are was were be been do does
    did have has had can could should must that which who when where while after before during
    between among than more most less both into over about against not only their it its because if
    all
    """.split()
)
ASKING_WORDS = frozenset(
    """
    purpose role reason main effect cause difference way kind type use used make makes made happen
    happens happened called name number long many much help work take come important need different
    result
    """.split()
)
BANNED_WORDS = frozenset(
    """
    this these such here you your i we our us my they he she him them today
    """.split()
)
ENDINGS = (
    *(("s", ""), ("es", ""), ("ies", "y")),
    *(("ed", ""), ("d", ""), ("ied", "y")),
    *(("ing", ""), ("ing", "e")),
)
DOUBLED = re.compile(r"(.*([bdgmnprt])\2)(?:ed|ing)$")
NO_PLURAL = re.compile(r"(?:s|ed|ing|ly|ous|ful|ive|al|ic|er)$")
SENTENCE_OPENERS = ".!?:"


def free_grammar(openings: tuple[str, ...]) -> str:
    """GBNF for one question, on one line, that begins as one of the openings does."""
    return f'root ::= opening " " [^\\n?]+ "?"\nopening ::= {_alternatives(openings)}'


def vocabulary_grammar(context: str, openings: tuple[str, ...]) -> str:
    """GBNF for one question with such an opening, in the words of the context."""
    words = JOINING_WORDS | ASKING_WORDS | _words_of(context)
    allowed = sorted(word for word in words if word.casefold() not in BANNED_WORDS)
    return "\n".join(
        (
            'root ::= opening (" " word)+ "?"',
            f"opening ::= {_alternatives(openings)}",
            'word ::= plain ("\'s")?',
            f"plain ::= {_alternatives(allowed)}",
        )
    )


def _words_of(context: str) -> set[str]:
    """The context's words with their likely base forms; some of these are no words at all, which
    does no harm: the model does not choose what it never saw."""
    words: set[str] = set()
    for found in WORD.finditer(context):
        word = found.group()
        before = context[: found.start()].rstrip(' "“(\n')
        if (not before or before[-1] in SENTENCE_OPENERS) and word[1:] == word[1:].lower():
            words |= {word} | _forms(word.lower())
        else:
            words |= _forms(word)
    return words


def _forms(word: str) -> set[str]:
    forms = {word}
    if not word.isalpha() or not word.islower() or len(word) < 4:
        return forms
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            forms.add(word.removesuffix(ending) + instead)
    if doubled := DOUBLED.match(word):
        forms.add(doubled[1][:-1])
    if not NO_PLURAL.search(word) and word not in JOINING_WORDS:
        forms.add(f"{word}s")
    return forms


def _alternatives(words: list[str] | tuple[str, ...]) -> str:
    escaped = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return " | ".join(f'"{word}"' for word in escaped)
