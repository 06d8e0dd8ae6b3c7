"""What a sentence refers to that only the text before it tells, read by words and not by meaning.

    (sentence, text before it) → the dangling references in it (`dangling`)
    (sentence, its mended form) → the reason not to take that, or "" (`objection`)

English and Chinese. Finding is cheap and errs on both sides: a reference that is not noticed stays
as it is, and one that is none costs a call that gives the sentence back unchanged. Checking errs
on one side: a mended sentence is taken only where its words show that nothing was added or lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from augcon.corpus import Span, count_units, sentence_spans
from augcon.corpus.sentences import sentence_ends_whole
from augcon.rouge import token_spans, tokens
from augcon.words import (
    NUMBER_WORDS,
    WORD,
    content_words,
    foreign_name,
    is_negative,
    stem,
    stems,
    words,
)

__all__ = ["dangling", "objection"]

NAME_UNITS, NAME_UNITS_ZH = 8, 16  # that may come in for each reference

# Words that tie a sentence to the one before it, and may go with it.
_LINKS = frozenset(
    (
        "however therefore thus moreover furthermore meanwhile consequently nevertheless "
        "additionally besides hence likewise similarly also instead and but so yet"
    ).split()
)
_NO_NOUNS = _LINKS | frozenset(
    (
        "january february march april may june july august september october november december "
        "later afterwards then finally still though although because while subsequently "
        "eventually soon again too well addition result fact example"
    ).split()
)
_BRACKETED = re.compile(r"\[[^\]]*\]")
_PERSON = frozenset("he she him her his hers".split())
_THING = frozenset("it its they them their theirs".split())
_DEMONSTRATIVE = frozenset("this these such".split())
_MAY_GO = _LINKS | _PERSON | _THING | _DEMONSTRATIVE | frozenset("that those the a an".split())
_VERB = re.compile(
    r"(?:ed|came|gave|made|meant|took|went|began|allows|causes|gives|leads|makes|means|shows)$"
)
_POINTING = re.compile(
    r"\bthat (?:time|year|day|period|moment|era)\b|^that\b|^those\b|\bthe (?:former|latter)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?:In|By|Since|After|Until) [12]\d{3}|However|Later|Then|Meanwhile|Instead|Today),? "
)
# Nouns by which a text calls what it has named.
_GENERIC = frozenset(
    (
        "album band book building church city club company country film game group island "
        "organization organisation party river school show song species story team town "
        "university village"
    ).split()
)
# What comes with a phrase behind it, or with a name, is told by that.
_DEFINITE = re.compile(
    r"[Tt]he ([a-z\-]+)\b(?! (?:[A-Z]|(?:of|that|which|who|where|whose|at|in|on|to|for|from|near"
    r"|with|between)\b))"
)

_CLAUSE_MARK = re.compile("[，,；;：:。.!！?？]|$")
_NEAR = 6  # characters of a clause within which a Chinese pronoun can hardly mean what stands there
_MEASURE = "座个個种種项項条條位家次件所艘本届屆支名些款样樣段场場一"
_NUMERALS_ZH = "两兩二三四五六七八九十百千几幾"
_VERB_ZH = "使令是让讓也就被"
_PRONOUN_ZH = re.compile(
    "(?<!其)[他她它牠祂](?:们|們)?|(?<![尤极極与與莫任])其(?![他它牠中实實余餘次间間])"
)
_DEMONSTRATIVE_ZH = re.compile(
    "(?<![应應活理])[该該]|(?<![因从從彼如至由就])此(?![外后後])|[这這](?![里裡])"
    "|上述|前者|[后後]者|那(?:时|時|年|个|個|些)"
)
_MAY_COME_ZH = frozenset("的 和 与 與 及 等 之".split())
_MAY_GO_ZH = frozenset(
    (
        "其 他 她 它 牠 他们 她们 它们 他們 她們 它們 牠們 这 這 该 該 此 那 的 也 则 則 就 还 還 "
        "而 不过 不過 但 但是 然而 因此 所以 于是 於是 此外 同时 同時 后来 後來 随后 隨後 接着 接著"
    ).split()
)
# Words that turn what a sentence says: there must be as many as there were.
_TURNING_ZH = frozenset(
    "不 没 沒 没有 沒有 未 无 無 非 从未 從未 不是 不能 不会 不會 不再 被 把 让 讓 使 由".split()
)


def dangling(sentence: str, before: str, language: str) -> list[Span]:
    """The places in a sentence that refer to what stands `before` it, in order; mostly none."""
    found = _chinese(sentence) if language.startswith("zh") else _english(sentence, before)
    return sorted(set(found), key=lambda span: span.start)


def objection(
    mended: str, sentence: str, references: Sequence[Span], source: str, language: str
) -> str:
    """Why the mended sentence may not take the sentence's place, in a few words, or "".

    source  the text that both were read in: all of the words must be its own
    """
    if len(sentence_spans(mended, language)) != 1 or "\n" in mended:
        return "not one sentence"
    if sentence_ends_whole(sentence) != sentence_ends_whole(mended):
        return "it does not end as it did"
    is_chinese = language.startswith("zh")
    room = (NAME_UNITS_ZH if is_chinese else NAME_UNITS) * max(1, len(references))
    if count_units(mended) > count_units(sentence) + room:
        return "it has grown too much"
    kept = _without(sentence, references)
    if set(content_words(mended)) <= set(content_words(kept)):
        return "nothing stands for what was referred to"
    if is_chinese:
        return _strange_zh(mended, source) or _lost_zh(mended, sentence, kept)
    return _strange(mended, source) or _lost(mended, sentence, kept)


def _english(sentence: str, before: str) -> Iterator[Span]:
    """A pronoun has its noun in the sentence where a word of its kind stands before it. What stands
    in brackets is no part of the sentence."""
    sentence = _BRACKETED.sub(lambda found: " " * len(found[0]), sentence)
    thing = person = False
    for found in WORD.finditer(sentence):
        word = re.sub(r"['’].*", "", found[0].casefold())
        if (word in _PERSON and not person) or (word in _THING and not thing):
            yield Span(found.start(), found.end())
        elif word in _DEMONSTRATIVE and not sentence.startswith(" as ", found.end()):
            yield _with_noun(sentence, found)
        elif content_words(word) and word not in _NO_NOUNS and not word.isdecimal():
            thing, person = True, person or found[0][0].isupper()
    yield from (Span(found.start(), found.end()) for found in _POINTING.finditer(sentence))
    opening = _OPENING.match(sentence)
    definite = _DEFINITE.match(sentence, opening.end() if opening else 0)
    if definite and (definite[1] in _GENERIC or stem(definite[1]) in stems(words(before))):
        yield Span(definite.start(), definite.end())


def _with_noun(sentence: str, found: re.Match[str]) -> Span:
    """ "this" with the noun behind it, if one is."""
    noun = WORD.match(sentence, found.end() + 1)
    is_noun = (
        noun is not None
        and noun[0].islower()
        and bool(content_words(noun[0]))
        and not _VERB.search(noun[0])
        and noun[0] not in NUMBER_WORDS
    )
    return Span(found.start(), noun.end() if noun is not None and is_noun else found.end())


def _chinese(sentence: str) -> Iterator[Span]:
    """Pronouns near the beginning of the first clause, demonstratives anywhere in it; of the one
    behind, too, where the first is as short as 后来."""
    for start, end in _clauses(sentence):
        for found in _PRONOUN_ZH.finditer(sentence, start, end):
            if found.start() - start <= _NEAR:
                yield Span(found.start(), found.end())
        for found in _DEMONSTRATIVE_ZH.finditer(sentence, start, end):
            yield Span(found.start(), _past_noun(sentence, found.start(), found.end()))


def _clauses(sentence: str) -> Iterator[tuple[int, int]]:
    first = _end_of_clause(sentence, 0)
    yield 0, first
    if first <= _NEAR:
        yield first, _end_of_clause(sentence, first + 1)


def _end_of_clause(sentence: str, start: int) -> int:
    found = _CLAUSE_MARK.search(sentence, min(start, len(sentence)))
    return found.start() if found else len(sentence)


def _past_noun(sentence: str, start: int, at: int) -> int:
    """Past the measure word and the word that a Chinese demonstrative goes with, or is part of."""
    end = _end_of_clause(sentence, start)
    own = sentence[at : max(at, start + len(_first_word(sentence[start:end])))]
    if own and own.strip(_MEASURE):  # 此举 is a word; 這使 is taken for one
        return at if own[0] in _VERB_ZH + _NUMERALS_ZH else at + len(own)
    while at < end and sentence[at] in _MEASURE:
        at += 1
    word = _first_word(sentence[at:end])
    return at + len(word) if len(word) > 1 and word[0] not in _NUMERALS_ZH else at


def _first_word(text: str) -> str:
    found = next(iter(token_spans(text)), None)
    return found.text if found is not None and found.start == 0 else ""


def _without(sentence: str, references: Sequence[Span]) -> str:
    kept, at = "", 0
    for span in references:
        kept += sentence[at : max(at, span.start)] + " "
        at = max(at, span.end)
    return kept + sentence[at:]


def _strange(mended: str, source: str) -> str:
    """A word that the source does not hold."""
    if named := foreign_name(mended, source):
        return f"{named!r} is not in the text"
    held = stems(words(source))
    foreign = [word for word in content_words(mended) if stem(word) not in held]
    return f"{foreign[0]!r} is not in the text" if foreign else ""


def _lost(mended: str, sentence: str, kept: str) -> str:
    """A word of the sentence that is gone, or not where it was: small words turn a meaning too."""
    if is_negative(mended) != is_negative(sentence):
        return "its negation is not the sentence's"
    there = iter([stem(word.casefold()) for word in words(mended)])
    for word in words(kept.casefold()):
        if re.sub(r"['’].*", "", word) not in _MAY_GO and stem(word) not in there:
            return f"{word!r} is lost or moved"
    return ""


def _strange_zh(mended: str, source: str) -> str:
    held = set(tokens(source))
    lowered = source.lower()
    for word in tokens(mended):
        is_held = word in held if word.isascii() else word in lowered
        if not is_held and word not in _MAY_COME_ZH:
            return f"{word!r} is not in the text"
    return ""


def _lost_zh(mended: str, sentence: str, kept: str) -> str:
    if _turns(mended) != _turns(sentence):
        return "its negation or voice is not the sentence's"
    at, lowered = 0, mended.lower()
    for word in tokens(kept):
        if word in _MAY_GO_ZH:
            continue
        if (place := lowered.find(word, at)) < 0:
            return f"{word!r} is lost or moved"
        at = place + len(word)
    return ""


def _turns(text: str) -> int:
    return sum(word in _TURNING_ZH for word in tokens(text))
