"""Which of many questions are kept so that none repeats a better one: exact, without all pairs.

The rule is the plain one: from the best downwards, a question is dropped if its ROUGE-L against
one that is kept reaches the threshold. What is saved are the comparisons that cannot reach it.
Texts with c tokens in sequence in common have c tokens in common, a word counted as often as both
have it. Put the tokens of every text in one order, the rarest word first: the first word that two
texts share stands, in both, where c tokens or more are left. So a question of n tokens is looked
up by its n - c + 1 rarest ones alone, among texts with c tokens left from there. This is the
prefix filter of set joins (Bayardo et al. 2007) with its positions (Xiao et al. 2008). What it
lets through is compared as sets of 64 bits, for a bit that is missing is a token that is, and the
rest exactly, as strings with one character for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
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
    texts: Sequence[Sequence[str]],
    threshold: float,
    measure: Measure = "precision",
    admit: Callable[[int], bool] | None = None,
    given: int = 0,
) -> list[int | None]:
    """For each text, best first: the first kept one that it repeats, or None, and it is kept.

    texts  as tokens
    given  so many of the first are kept whatever they repeat
    admit  whether the text at this place, which repeats none, is kept; asked for each in order
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    # F1 reaches t only where the tokens in common are t / (2 - t) of either text, or more.
    share = SLACK * (threshold if measure == "precision" else threshold / (2 - threshold))
    least = np.maximum(1, np.ceil(share * lengths)).astype(np.int64)
    numbers: dict[str, int] = {}
    words = [numbers.setdefault(word, len(numbers)) for text in texts for word in text]
    flat = np.array(words, dtype=np.int64)
    lists = _Lists.of(flat, lengths, least)
    pairs = _Pairs.of(flat, lengths, threshold, measure)
    kept = np.zeros(len(texts), dtype=bool)
    found: list[int | None] = []
    for place in range(len(texts)):
        others = lists.candidates(place)
        repeated = pairs.repeated(place, others[kept[others]])
        kept[place] = place < given or (not repeated.size and (admit is None or admit(place)))
        found.append(int(repeated.min()) if repeated.size else None)
    return found


@dataclass(frozen=True, slots=True)
class _Lists:
    """Which texts hold a word with how many tokens left from there, in the order of rarity.

    holders  (n_tokens,) texts; those of one word together, those with most left first
    starts   (n_lookups,) and
    ends     (n_lookups,) which of these a lookup of a word gives
    lookups  of text i are those from lookups[i] to lookups[i + 1]
    """

    holders: Ints
    starts: list[int]
    ends: list[int]
    lookups: list[int]

    @classmethod
    def of(cls, flat: Ints, lengths: Ints, least: Ints) -> _Lists:
        """The lists of texts that stand one after the other as numbers of words.

        lengths  (n_texts,) in tokens
        least    (n_texts,) the tokens that another must have in common with it
        """
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


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The comparison of a text with others, on all that is known of them.

    lengths     (n_texts,) in tokens
    signatures  (n_texts,) sets of words, each as one of 64 bits
    strings     (n_texts,) a character for each word; its number where there are more words
    """

    lengths: Ints
    signatures: NDArray[np.uint64]
    strings: Sequence[Sequence[object]]
    threshold: float
    measure: Measure

    @classmethod
    def of(cls, flat: Ints, lengths: Ints, threshold: float, measure: Measure) -> _Pairs:
        """For texts that stand one after the other as numbers of words."""
        signatures = np.zeros(len(lengths), dtype=np.uint64)
        bits = np.uint64(1) << (flat % 64).astype(np.uint64)
        np.bitwise_or.at(signatures, np.repeat(np.arange(len(lengths)), lengths), bits)
        whole: str | list[int] = flat.tolist()
        if flat.max(initial=0) < CHARACTERS:
            whole = flat.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        ends = np.cumsum(lengths)
        spans = zip((ends - lengths).tolist(), ends.tolist(), strict=True)
        strings = [whole[start:end] for start, end in spans]
        return cls(lengths, signatures, strings, threshold, measure)

    def repeated(self, place: int, others: Ints) -> Ints:
        """Those of the others that the text at this place repeats."""
        length = self.lengths[place]
        if self.measure == "precision":
            whole = np.full(len(others), float(length))
        else:
            whole = (length + self.lengths[others]) / 2
        missing = np.bitwise_count(self.signatures[place] & ~self.signatures[others])
        near = length - missing >= SLACK * self.threshold * whole
        others, whole = others[near], whole[near]
        if not others.size:
            return others
        (common,) = process.cdist(
            [self.strings[place]],
            [self.strings[other] for other in others.tolist()],
            scorer=LCSseq.similarity,
            score_cutoff=ceil(SLACK * self.threshold * whole.min()),
            dtype=np.int64,
        )
        repeated: Ints = others[common / whole >= self.threshold]
        return repeated
