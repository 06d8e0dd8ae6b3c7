"""The numbers of a text by their values, however they are written: 3,500, "three thousand five
hundred", 三千五百, 35万, 百分之三十, 三成, the parts of a date in any order, the 1860s and
19世纪60年代, 9 p.m. and 21点.

A claim is read strictly (only what surely is a number), the text that has to hold it generously
(every way in which its words can be read), so that a doubt never makes a number foreign.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MONTHS", "Number", "numbers", "readings"]

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {"third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9}
ORDINALS |= {"tenth": 10, "eleventh": 11, "twelfth": 12, "first": 1, "second": 2, "dozen": 12}
ORDINALS |= {"once": 1, "twice": 2, "half": 2, "quarter": 4, "both": 2, "double": 2, "pair": 2}
ORDINALS |= {"eleventh": 11, "twelfth": 12, "noon": 12, "midday": 12, "midnight": 12}
ORDINALS |= {f"{word}th": value for value, word in enumerate(UNITS[13:], 13)}
ORDINALS |= {f"{word[:-1]}ieth": 10 * value for value, word in enumerate(TENS, 2)}
ORDINALS |= {f"{word[:-1]}ies": 10 * value for value, word in enumerate(TENS, 2)}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
SCALES |= {"trillion": 10**12}
SPELLED = {word: value for value, word in enumerate(UNITS)}
SPELLED |= {word: 10 * value for value, word in enumerate(TENS, 2)}
MONTHS = {
    word: value
    for value, names in enumerate(
        (
            "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|"
            "september sep sept|october oct|november nov|december dec"
        ).split("|"),
        1,
    )
    for word in names.split()
}
ZH_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
ZH_SCALES = {"十": 10, "百": 100, "千": 1_000}
ZH_MYRIADS = {"万": 10**4, "亿": 10**8, "萬": 10**4, "億": 10**8}

_DIGITS = re.compile(
    r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s*(hundred|thousand|million|billion|trillion|[百千万萬亿億]+))?",
    re.IGNORECASE,
)
_NUMBER_WORD = "|".join(sorted((*SPELLED, *SCALES), key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?:{_NUMBER_WORD})(?:(?:[\s-]+(?:and\s+)?)(?:{_NUMBER_WORD}))*\b", re.IGNORECASE
)
_ZH_SIGNS = "".join((*ZH_DIGITS, *ZH_SCALES, *ZH_MYRIADS))
_ZH = re.compile(f"(百分之|第)?([{_ZH_SIGNS}]+)([年月日号岁个名条项章次倍元天周])?")
_NUMERAL = rf"\d{{1,2}}|[{_ZH_SIGNS}]{{1,3}}"
_CENTURY = re.compile(rf"(?<!\d)({_NUMERAL})世纪")
_DECADE = re.compile(rf"(?<!\d)([1-9]0|[{_ZH_SIGNS}]?十)年代")
_DECADE_OF_CENTURY = re.compile(f"{_CENTURY.pattern}{_DECADE.pattern}")
_YEARS = re.compile(r"(?<!\d)(?:(\d{2}))?(\d)0(?:['’]?s\b|年代)")  # 1860s, '60s
_TENTHS = re.compile(
    rf"(?<![\d.合{_ZH_SIGNS}])(\d(?:\.\d)?|[{_ZH_SIGNS}])成([{_ZH_SIGNS}])?"
    "(?![年立为員员功本人果长長就分绩績熟套品都交语語不])"
)
_HOUR = rf"(?<!\d)({_NUMERAL})"
_ENGLISH_HOUR = re.compile(
    r"(?<!\d)(\d{1,2})(?:[:.]\d\d)?(?: o['’]?clock)?\s*"
    r"(a\.?\s?m\b|p\.?\s?m\b|in the (?:after|eve)|at night)",
    re.IGNORECASE,
)
_LATE_HOUR = re.compile(f"(?:下午|午后|傍晚|[晚夜][上间里]?|中午){_HOUR}[点點时時:]")
_CLOCK = re.compile(f"{_HOUR}(?:[点點时時]|:\\d\\d)")
_PAST = re.compile("[点點时時](半|一刻|三刻)")
MINUTES = {"半": 30, "一刻": 15, "三刻": 45}
_LIST_MARK = re.compile(r"^\s*[(（]?\d{1,2}[.)、）](?=\s|\D)", re.MULTILINE)
_ORDINAL_OF_TWO = re.compile(
    rf"\b({'|'.join(TENS)})[\s-](first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+")
FEWEST_ZH_DIGITS = 3  # 四五 is four or five; 二〇二三 is a year
APART = "|"  # between what is left of a text
NOON = 12
LARGEST_LOOSE = 10  # small numbers in words count what is told as often as they are told


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written, and its value."""

    text: str
    value: float


def numbers(text: str) -> list[Number]:
    """What surely is a number in this text: not the mark of a list item, no "one of", no 一些.

    Small numbers in words are left out: an answer that speaks of three reasons has counted them.
    """
    plain = _LIST_MARK.sub(" ", unicodedata.normalize("NFKC", text))
    found = [Number(m[0], _of_decade(m[1], m[2])) for m in _DECADE_OF_CENTURY.finditer(plain)]
    plain = _DECADE_OF_CENTURY.sub(APART, plain)
    found += [Number(m[0], _of_tenths(m)) for m in _TENTHS.finditer(plain)]
    plain = _TENTHS.sub(APART, plain)
    found += [Number(m[0], _of_digits(m)) for m in _DIGITS.finditer(plain)]
    found += [
        Number(m[0], _of_words(m[0]))
        for m in _SPELLED.finditer(plain)
        if any(word in SPELLED for word in _WORD.findall(m[0].lower()))  # no bare "million"
    ]
    found += [Number(m[0], value) for m in _ZH.finditer(plain) if (value := _of_zh(m)) is not None]
    return [
        n
        for n in found
        if n.value > LARGEST_LOOSE or n.text[0].isdigit() or n.text.startswith("百分之")
    ]


def readings(text: str) -> set[float]:
    """Every value that some word of the text can be read as."""
    plain = unicodedata.normalize("NFKC", text)
    return set(_readings(plain))


def _readings(plain: str) -> Iterator[float]:
    for match in _DIGITS.finditer(plain):
        yield _of_digits(match)
        yield _plain(match[1])
        yield from (float(part) for part in match[1].replace(",", ".").split("."))
    for match in _SPELLED.finditer(plain):
        yield _of_words(match[0])
        yield from (float(SPELLED[w]) for w in _WORD.findall(match[0].lower()) if w in SPELLED)
    for match in _ZH.finditer(plain):
        yield _value_of_zh(match[2])
    for word in _WORD.findall(plain.lower()):
        if (value := MONTHS.get(word) or ORDINALS.get(word)) is not None:
            yield float(value)
    for match in _ORDINAL_OF_TWO.finditer(plain):
        yield float(SPELLED[match[1].lower()] + ORDINALS[match[2].lower()])
    yield from map(_of_tenths, _TENTHS.finditer(plain))
    yield from _readings_of_years(plain)
    yield from _readings_of_hours(plain)


def _readings_of_years(plain: str) -> Iterator[float]:
    """Decades, in any century that is named: "19世纪60年代和70年代", "the 1860s and '70s"."""
    years = [*_YEARS.finditer(plain)]
    centuries = {_of_numeral(m[1]) for m in _CENTURY.finditer(plain)}
    centuries |= {float(m[1]) + 1 for m in years if m[1]}
    decades = {_of_numeral(m[1]) for m in _DECADE.finditer(plain)}
    decades |= {10 * float(m[2]) for m in years}
    yield from centuries | decades
    yield from (100 * (century - 1) + decade for century in centuries for decade in decades)


def _readings_of_hours(plain: str) -> Iterator[float]:
    """Hours of the day by the clock of twelve and by that of twenty-four."""
    for match in _ENGLISH_HOUR.finditer(plain):
        late = match[2][0] not in "aA" or match[2].lower() == "at night"
        yield float(match[1]) % NOON + NOON * late
    for match in _LATE_HOUR.finditer(plain):
        yield _of_numeral(match[1]) % NOON + NOON
    for match in _CLOCK.finditer(plain):
        yield _of_numeral(match[1]) % NOON or NOON
    yield from (float(MINUTES[m[1]]) for m in _PAST.finditer(plain))


def _of_decade(century: str, decade: str) -> float:
    return 100 * (_of_numeral(century) - 1) + _of_numeral(decade)


def _of_tenths(match: re.Match[str]) -> float:
    """三成 is 30 in a hundred, 三成五 is 35."""
    return round(10 * _of_numeral(match[1]) + (_of_numeral(match[2]) if match[2] else 0.0), 3)


def _of_numeral(text: str) -> float:
    return float(text) if text[0].isdigit() else _value_of_zh(text)


def _plain(digits: str) -> float:
    return float(digits.replace(",", ""))


def _of_digits(match: re.Match[str]) -> float:
    value = _plain(match[1])
    for scale in re.findall(r"[a-z]+|[^a-z]", (match[2] or "").lower()):
        value *= SCALES.get(scale) or ZH_SCALES.get(scale) or ZH_MYRIADS.get(scale) or 1
    return value


def _of_words(text: str) -> float:
    """The value of number words in a row; "nineteen ninety-five" is a year."""
    total, group = 0, 0
    for word in _WORD.findall(text.lower()):
        if word in SCALES and SCALES[word] > SCALES["hundred"]:
            total, group = total + max(1, group) * SCALES[word], 0
        elif word in SCALES:
            group = max(1, group) * SCALES[word]
        elif word in SPELLED:
            value = SPELLED[word]
            is_year = 10 <= group <= 99 and value >= 10
            group = group * 100 + value if is_year else group + value
    return float(total + group)


def _of_zh(match: re.Match[str]) -> float | None:
    """The value of numerals that are a number by their shape or by what stands around them."""
    before, signs, after = match.groups()
    scaled = any(sign not in ZH_DIGITS for sign in signs)
    written = signs[0] in ZH_DIGITS or signs[0] == "十"
    if before:
        is_number = True
    elif len(signs) == 1:
        is_number = written and after is not None
    else:
        is_number = written if scaled else len(signs) >= FEWEST_ZH_DIGITS
    return _value_of_zh(signs) if is_number else None


def _value_of_zh(signs: str) -> float:
    if all(sign in ZH_DIGITS for sign in signs):
        return float("".join(str(ZH_DIGITS[sign]) for sign in signs))
    total = section = 0
    digit = -1
    for sign in signs:
        if sign in ZH_DIGITS:
            digit = ZH_DIGITS[sign]
        elif sign in ZH_SCALES:
            section, digit = section + (1 if digit < 0 else digit) * ZH_SCALES[sign], -1
        else:
            section += max(digit, 0)
            total, section, digit = (total + max(1, section)) * ZH_MYRIADS[sign], 0, -1
    return float(total + section + max(digit, 0))
