"""Which question candidates of a tiny model may stand: a filter that reads words, not meaning.

    (question, context) → the reason to drop it, or "" (`objection`)

A model of 135 million parameters writes fluent questions about things the context never says.
Most of these give themselves away by their words, so words are what is checked: names and numbers
must come from the context, and so must most other words; nothing may point at something that a
reader without the context cannot see; the context must hold something that the question does not
already tell, and a sign of the kind of answer that is asked for: "why" needs a because. What only
a reader of meaning could notice passes. English only.
"""

from __future__ import annotations

import re

from augcon.words import content_words, foreign_name, stem, stems, words

__all__ = ["coverage", "objection", "stems_in_order", "unnamed"]

MIN_WORDS = 3
MAX_WORDS = 32
MIN_COVERAGE = 0.75
MIN_UNTOLD = 0.25  # share of the context's content words that the question leaves to the answer

_ABOUT_TEXT = re.compile(
    r"\b(passage|text|paragraph|article|excerpt|author|writer|sentence|context|above|following)\b"
)
_DEICTIC = re.compile(r"\b(this|these|such|here|today|currently|you|your|i|we|our|us|my|me)\b")
_PRONOUN = re.compile(r"\b(it|its|he|his|him|she|her|they|their|them|those|one)\b")
_DEFINITES = frozenset("the this that these those its their his her".split())
_DEFINITE = re.compile(r"\bthe ([a-z\-]+)\b(?! (?:of|that|which|who|where)\b)")
_VAGUE_END = re.compile(
    r"\b(?:that|the two|both|it|them|and|or|of|the|a|an|to|with|for|from|by|about)\?$"
    r"|^what (?:does|do|did|is|are|was|were) (?:that|those|both)\b"
    r"|^(?:how|what|where|when|why) to\b|^what (?:about|can)\b"
)
_HOW_MANY = re.compile(r"^how many (?:of )?(?:the )?(\w+)")
_DEFINES = re.compile(r"^what (?:is|are|was|were) (?:an? |the )?([\w\s'’\-]+)\?$")

# What the context must show for a question of this kind to be answerable from it.
_NUMBER = (
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|twenty|thirty|forty"
    r"|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|thirds|quarters?)\b"
)
_NUMBER_WORD = re.compile(_NUMBER)
_SPAN_OF_TIME = r"\b(?:second|minute|hour|day|week|month|year|decade|centur|night|season)"
_SIGNS = (
    (
        re.compile(r"^why\b|\breason\b|\bcauses?\b"),
        re.compile(
            r"\b(?:because|since|so that|so|why|due to|therefore|thus|as a result|caus\w+|reason"
            r"|in order to|led to|leads to|for fear|owing to|allow\w*|to \w+)\b"
        ),
    ),
    (re.compile(r"^how (?:many|much)\b|\bnumber\b"), _NUMBER_WORD),
    (
        re.compile(r"\bpurpose\b"),
        re.compile(r"\b(?:to|for|so that|help\w*|us(?:es?|ed)|allow\w*|produc\w*|serv\w*)\b"),
    ),
    (
        re.compile(r"^how often\b"),
        re.compile(r"\b(?:every|each(?! other)|once|twice|times|daily|always|never)\b"),
    ),
    (re.compile(r"^how long\b"), re.compile(rf"(?s)(?=.*(?:{_NUMBER}))(?=.*{_SPAN_OF_TIME})")),
    (
        re.compile(r"^when\b"),
        re.compile(
            rf"\b1\d{{3}}\b|\b20\d\d\b|\b(?:when|after|before|until|during)\b|{_SPAN_OF_TIME}"
        ),
    ),
    (
        re.compile(r"\bdifferen(?:ce|t)\b"),
        re.compile(r"\b(?:but|than|unlike|instead|while|whereas|differ\w*|rather|other|not)\b"),
    ),
    (re.compile(r"\bname\b"), re.compile(r"\b(?:called|named?|known as)\b")),
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
        "last new different considered history told said events points rules facts"
    ).split()
)


def objection(question: str, context: str) -> str:
    """Why this question may not stand, in a few words, or "" where it may."""
    text = question.strip()
    length = len(words(text))
    lowered = text.casefold()
    if not text.endswith("?") or not MIN_WORDS <= length <= MAX_WORDS:
        return "not a question of ordinary length"
    checks = (
        _points_outside(lowered, context.casefold()),
        _names_a_stranger(text, context),
        _says_too_little(text, context),
        _unanswered_kind(lowered, context),
    )
    return next((reason for reason in checks if reason), "")


def stems_in_order(text: str) -> list[str]:
    """The beginnings of a text's content words, by which they are found in any inflection."""
    return [stem(word) for word in content_words(text) if word not in QUESTION_WORDS]


def coverage(question: str, context: str) -> float:
    """The share of the question's content words that the context holds, in any inflection."""
    asked = [word for word in content_words(question) if word not in QUESTION_WORDS]
    if not asked:
        return 0.0
    held = stems(words(context))
    return sum(stem(word) in held for word in asked) / len(asked)


def unnamed(question: str, context: str) -> int:
    """How many things the question calls "the THING" that the context, too, takes as known.

    Where a text first speaks of "the university", which one was said before it began.
    """
    known = 0
    for thing in set(_DEFINITE.findall(question)) - QUESTION_WORDS:
        first = re.search(rf"(\w+)\W+{re.escape(stem(thing))}", context, re.IGNORECASE)
        known += first is not None and first[1].casefold() in _DEFINITES
    return known


def _points_outside(lowered: str, context: str) -> str:
    """The question needs the text at hand, or something said before it, to be understood."""
    if (found := _ABOUT_TEXT.search(lowered)) and found[1] not in context:
        return "speaks of the text"
    if _DEICTIC.search(lowered):
        return "points at something that only the text shows"
    if (pronoun := _PRONOUN.search(lowered)) and not content_words(lowered[: pronoun.start()]):
        return "a pronoun without its noun"
    if _VAGUE_END.search(lowered):
        return "what it asks about is not named"
    return ""


def _names_a_stranger(question: str, context: str) -> str:
    """A name or number that the context does not hold is invented or comes from an example."""
    named = foreign_name(question, context)
    return f"{named!r} is not in the context" if named else ""


def _says_too_little(question: str, context: str) -> str:
    """Content words: enough of them, most from the context, and not all that the context has."""
    if coverage(question, context) < MIN_COVERAGE:
        return "its words are not the context's"
    asked = stems(content_words(question))
    if len(asked) < len(content_words(question)) - 1:
        return "it repeats itself"
    told = stems(content_words(context))
    if len(told - asked) < max(2, MIN_UNTOLD * len(told)):
        return "it leaves nothing to answer"
    return ""


def _unanswered_kind(lowered: str, context: str) -> str:
    """The question asks for a reason, a number, a time or a meaning and the context shows none."""
    text = context.casefold()
    for told in _NUMBER_WORD.findall(lowered):
        text = text.replace(told, " ", 1)  # a number that the question tells is not its answer
    for kind, sign in _SIGNS:
        if kind.search(lowered) and not sign.search(text):
            return "the context shows no answer of this kind"
    if (found := _HOW_MANY.match(lowered)) and not _is_counted(found[1], text):
        return "the context does not count them"
    if found := _DEFINES.match(lowered):
        asked = found[1].split()
        if not set(asked) & QUESTION_WORDS and not _is_defined(asked[-1], text):
            return "the context does not say what it is"
    return ""


def _is_counted(word: str, text: str) -> bool:
    """Whether the text has a number that is no year, and at most two words later this word."""
    counted = rf"(?<!\d)(?!1\d{{3}}\b|20\d\d\b)(?:{_NUMBER})[\d,.]*(?:\s[\w'’\-]+){{0,2}}?\s"
    return re.search(counted + re.escape(stem(word)), text) is not None


def _is_defined(word: str, text: str) -> bool:
    """Whether the text has "WORD is", "WORD, which", "called WORD" or the like."""
    begin = re.escape(stem(word))
    defines = (
        rf"\b{begin}\w*[”\"’']?(?:,? (?:which |that )?(?:is|are|was|were|means?|refers?)\b| [–—(])"
    )
    return re.search(rf"{defines}|\bcalled (?:an? |the )?[“\"‘]?{begin}", text) is not None
