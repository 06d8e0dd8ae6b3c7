"""Text in, its length in units out: one CJK character is one unit, one word of another script one.

Units mean about the same in every language, where characters and tokens do not. The trade-off: a
script without spaces between words (Thai, Khmer) counts one unit for each run of letters, because
a segmenter for every script would cost more than the lengths are worth.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HAN", "KANA", "count_units", "units_of"]

# Ranges for a character class. Han holds the radicals too: PDF extractors write them for
# ideographs that look the same.
HAN = (
    "\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
KANA = (
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d"
    "\U0001aff0-\U0001b16f"
)
_VOICING = "\u3099\u309a\uff9e\uff9f"  # kana's voicing marks, where they are characters apart


def _marks() -> str:
    """Combining marks (which `\\w` leaves out) and the invisible joiners inside words."""
    scripts = chain(
        range(0x300, 0x2100), range(0xA600, 0xAC00), range(0xFB1E, 0xFE30), range(0x10000, 0x12000)
    )
    marks = (chr(code) for code in scripts if unicodedata.category(chr(code))[0] == "M")
    return "".join(marks) + "\u00ad\u200c\u200d"


def _unit_pattern() -> str:
    marks, voicing = re.escape(_marks()), _VOICING
    word = rf"[^\W_{HAN}{KANA}{voicing}]"
    inner = rf"(?:['’‐‑-](?={word})|(?<=\d)[.,](?=\d))"
    return rf"[{HAN}{KANA}][{voicing}]*+|{word}++(?:(?:[{marks}]++|{inner}){word}*+)*+"


_UNIT = re.compile(_unit_pattern())


def units_of(text: str) -> Iterator[re.Match[str]]:
    """Every unit of the text as a match, in order; what lies between them counts nothing."""
    return _UNIT.finditer(text)


def count_units(text: str) -> int:
    """The length of the text in units.

    A word is a run of letters, digits and combining marks; inner apostrophes, hyphens and decimal
    points keep it one ("don't", "state-of-the-art", "3.5"). Cutting a text never makes the sum of
    its parts smaller than the whole.
    """
    return sum(1 for _ in units_of(text))
