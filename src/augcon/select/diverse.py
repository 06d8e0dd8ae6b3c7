"""Which of many questions are kept so that none repeats a better one: exact, without all pairs.

The rule is the plain one: from the best downwards, a question is dropped if its ROUGE-L against
one that is kept reaches the threshold. What is saved are the comparisons that cannot reach it.
Whoever has c tokens in sequence in common has c tokens in common. So number the occurrences of a
word in a text (its second "the" is another token than its first) and put the tokens of every text
in one order, the rarest first: the first token in that order that two texts share stands, in
both, where c tokens or more are left. A question of n tokens is therefore looked up by its
n - c + 1 rarest ones alone, among texts with c tokens left from there. This is the prefix filter
of set joins (Bayardo et al. 2007) with their positions (Xiao et al. 2008), here over multisets.
What it lets through is compared exactly, as strings with one character for each word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from augcon.errors import SettingsError
from augcon.rouge import tokens

__all__ = ["Measure", "first_repeated", "select_diverse"]

Measure = Literal["precision", "f1"]
Ints = NDArray[np.int64]

CHARACTERS = 0x110000  # that there are, surrogates included
SLACK = 1 - 1e-12  # so that no rounding of a bound hides a tie


def select_diverse(
    questions: Iterable[str], threshold: float = 0.7, measure: Measure = "precision"
) -> list[int]:
    """The places of the questions that are kept, in ascending order.

    questions  in order of preference, the best first; any language
    threshold  a question is dropped if its ROUGE-L to a kept one reaches this share, in (0, 1]
    measure    "precision": of the question's own tokens, the share that the kept one has in the
               same order (section 3.2 of the paper); or "f1", which is the same both ways

    A question is kept if and only if `getattr(rouge_l(question, k), measure) < threshold` for
    every kept k before it. One without a token has nothing in common with any, and is kept.
    Raises SettingsError where the threshold or the measure is none of these.
    """
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold: {threshold!r} is not above 0 and at most 1")
    if measure not in ("precision", "f1"):
        raise SettingsError(f"measure: {measure!r} is neither 'precision' nor 'f1'")
    repeated = first_repeated([tokens(question) for question in questions], threshold, measure)
    return [place for place, other in enumerate(repeated) if other is None]


def first_repeated(
    texts: Sequence[Sequence[str]], threshold: float, measure: Measure = "precision"
) -> list[int | None]:
    """For each text, best first: the first kept one that it repeats, or None, and it is kept.

    texts  as tokens
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    # F1 reaches t only where the tokens in common are t / (2 - t) of either text, or more.
    share = SLACK * (threshold if measure == "precision" else threshold / (2 - threshold))
    least = np.maximum(1, np.ceil(share * lengths)).astype(np.int64)
    numbered = _Numbered.of(texts)
    lists = _Lists.of(numbered.flat, lengths, least)
    strings = numbered.strings(lengths)
    kept = np.zeros(len(texts), dtype=bool)
    found: list[int | None] = []
    for place, text in enumerate(strings):
        others = lists.candidates(place)
        others = others[kept[others]]
        of = lengths[place]
        if measure == "f1":
            others = others[share * lengths[others] <= of]
            of = (of + lengths[others]) / 2
        common = _common(text, [strings[other] for other in others.tolist()], int(least[place]))
        repeated = others[common / of >= threshold]
        kept[place] = not repeated.size
        found.append(int(repeated.min()) if repeated.size else None)
    return found


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Texts one after the other, with a number for each first, second, … occurrence of a word.

    flat   (n_tokens,) numbers
    words  (n_numbers,) the number of the same word's first occurrence
    """

    flat: Ints
    words: Ints

    @classmethod
    def of(cls, texts: Iterable[Iterable[str]]) -> _Numbered:
        numbers: dict[tuple[str, int], int] = {}
        flat = [
            numbers.setdefault(occurrence, len(numbers))
            for text in texts
            for occurrence in _occurrences(text)
        ]
        words = [numbers[word, 0] for word, _ in numbers]
        return cls(np.array(flat, dtype=np.int64), np.array(words, dtype=np.int64))

    def strings(self, lengths: Ints) -> list[str] | list[list[int]]:
        """Each text with a character for each word, or a number where there are not enough."""
        codes = self.words[self.flat]
        ends = np.cumsum(lengths)
        spans = list(zip((ends - lengths).tolist(), ends.tolist(), strict=True))
        if len(self.words) > CHARACTERS:
            return [codes[start:end].tolist() for start, end in spans]
        whole = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        return [whole[start:end] for start, end in spans]


def _occurrences(text: Iterable[str]) -> Iterator[tuple[str, int]]:
    seen: dict[str, int] = {}
    for word in text:
        before = seen.get(word, 0)
        seen[word] = before + 1
        yield word, before


@dataclass(frozen=True, slots=True)
class _Lists:
    """Which texts hold a token with how many left from there, in the order of rarity.

    holders  (n_tokens,) texts; those of one token together, those with most left first
    starts   (n_lookups,) and
    ends     (n_lookups,) which of these a lookup of a token gives
    lookups  of text i are those from lookups[i] to lookups[i + 1]
    """

    holders: Ints
    starts: list[int]
    ends: list[int]
    lookups: list[int]

    @classmethod
    def of(cls, flat: Ints, lengths: Ints, least: Ints) -> _Lists:
        """least: for each text the tokens that another must have in common with it."""
        holding = np.bincount(flat)
        rarity = np.empty(len(holding), dtype=np.int64)
        rarity[np.argsort(holding, kind="stable")] = np.arange(len(holding))
        text = np.repeat(np.arange(len(lengths)), lengths)
        token = rarity[flat]
        token = token[np.lexsort((token, text))]
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(token))

        most = int(lengths.max(initial=0)) + 1  # (token, most left first) as one number
        key = token * most + most - left
        order = np.argsort(key, kind="stable")
        wanted = np.repeat(least, lengths)
        shared = np.sort(holding)[token] > 1
        looked_up = np.flatnonzero((left >= wanted) & shared)
        first = token[looked_up] * most
        ordered = key[order]
        return cls(
            holders=text[order],
            starts=np.searchsorted(ordered, first).tolist(),
            ends=np.searchsorted(ordered, first + most - wanted[looked_up], "right").tolist(),
            lookups=np.searchsorted(text[looked_up], np.arange(len(lengths) + 1)).tolist(),
        )

    def candidates(self, text: int) -> Ints:
        """Texts, itself included, that may have enough in common; some of them repeatedly."""
        lookups = range(self.lookups[text], self.lookups[text + 1])
        lists = [self.holders[self.starts[lookup] : self.ends[lookup]] for lookup in lookups]
        return np.concatenate(lists) if lists else self.holders[:0]


def _common(text: Sequence[object], others: Sequence[Sequence[object]], least: int) -> Ints:
    """(n_others,) lengths of the longest common subsequences; 0 for one that is below `least`."""
    (common,) = process.cdist(
        [text], others, scorer=LCSseq.similarity, score_cutoff=least, dtype=np.int64
    )
    return np.asarray(common)
