"""Tokens, and how much two texts have in common: ROUGE-L (Lin, 2004).

English gives exactly the tokens of the published ROUGE scorer without stemming (runs of
[a-z0-9]). That scorer finds no token at all in other scripts; here a run of letters of any script
is a token, and a run of Chinese is cut into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

__all__ = ["RougeL", "Token", "rouge_l", "rouge_l_tokens", "token_spans", "tokens"]

HAN = "㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff"
RUN = re.compile(rf"([{HAN}]+)|[A-Za-z0-9]+|[^\W_A-Za-z0-9{HAN}]+")


class Token(NamedTuple):
    """A lower-case token and its half-open character span in the text it came from."""

    text: str
    start: int
    end: int


class RougeL(NamedTuple):
    """Shares in [0, 1]: of the candidate's tokens, of the reference's, and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def token_spans(text: str) -> list[Token]:
    """The tokens of a text, in order, with their places."""
    return list(_tokens(text))


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order."""
    return [token.text for token in _tokens(text)]


def rouge_l(candidate: str, reference: str) -> RougeL:
    """ROUGE-L of a candidate against a reference, any language, as shares in [0, 1].

    With LCS the most tokens that both have in the same order, precision = LCS / tokens of the
    candidate, recall = LCS / tokens of the reference, f1 = their harmonic mean, 2 LCS / tokens of
    both. Where either has no token all three are 0. From Lin (2004), over whole texts; on English
    it agrees with the published scorer without stemming.
    """
    return rouge_l_tokens(tokens(candidate), tokens(reference))


def rouge_l_tokens(candidate: Sequence[str], reference: Sequence[str]) -> RougeL:
    """The same for texts that are tokens already."""
    if not candidate or not reference:
        return RougeL(0.0, 0.0, 0.0)
    common = LCSseq.similarity(candidate, reference)
    n_candidate, n_reference = len(candidate), len(reference)
    return RougeL(
        common / n_candidate, common / n_reference, 2 * common / (n_candidate + n_reference)
    )


def _tokens(text: str) -> Iterator[Token]:
    for run in RUN.finditer(text):
        if run[1] is None:
            yield Token(run[0].lower(), run.start(), run.end())
        else:
            yield from _words(run[1], run.start())


def _words(chinese: str, start: int) -> Iterator[Token]:
    import rjieba

    for word in rjieba.cut(chinese):
        yield Token(word, start, start + len(word))
        start += len(word)
