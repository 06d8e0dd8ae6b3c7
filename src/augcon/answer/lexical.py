"""The cheap check of an answer: do its words, numbers, names and quotations stand in its context?

    answer ──▶ claims (its sentences) ──▶ measures against the context ──▶ score in [0, 1], findings

No model is asked. The score is the probability that a person would call the claim supported, by a
logistic regression on people's judgements (docs/verification.md): words tell a claim about
something else from one about the text, and tell little of a claim that turns the text's own words
around. English and Chinese; other languages are read as English is, without its stop words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from augcon.answer.abstain import told_beside
from augcon.answer.numbers import MONTHS, numbers, readings
from augcon.corpus import Span, count_units, sentence_spans
from augcon.rouge import HAN, tokens
from augcon.words import STOP_WORDS, stem

__all__ = [
    "CONSTANT",
    "MEASURES",
    "WEIGHTS",
    "Passage",
    "Support",
    "content_stems",
    "is_verbatim",
    "lexical_support",
    "measures",
]

MEASURES = ("held", "nothing_missing")
WEIGHTS = (2.86, 1.3)
CONSTANT = -2.61
LEAST_SCORE = 0.3  # of a claim that passes; with it hardly a claim of people's own answers fails
WINDOW = 3  # sentences of the context that may support a claim together
FEWEST_QUOTED, FEWEST_QUOTED_ZH = 2, 4  # words and characters that make a quotation
STOP = STOP_WORDS | {"yes", "however", "therefore", "thus", "because", "instead", "such", "while"}

ZH_STOP_WORDS = frozenset(
    (
        "的 了 是 在 和 与 及 或 也 都 就 而 但 这 那 其 之 以 于 为 因 所 把 被 由 从 到 对 "
        "向 等 个 一个 一种 一些 这个 那个 这些 那些 这种 可以 能够 能 会 要 应 应该 需要 通过 "
        "进行 以及 因此 因为 所以 如果 但是 并 并且 而且 不 没有 有 还 又 再 更 最 很 非常 他 "
        "她 它 他们 它们 我们 主要 包括 分别 即 则 中 上 下 里 时 后 前 来 去 着 过 地 得 使 "
        "让 给 其中 同时 此外 例如 如 由于 属于 作为 已经 将 该 各 每 某 自己 什么 怎么 如何 "
        "哪些"
    ).split()
)
_HAN = re.compile(f"[{HAN}]")
_NAME = re.compile(r"[^\W\d_]{2,}(?:['’&-][^\W_]+)*")
_QUOTED = re.compile(r"[“\"]([^“”\"]{3,300})[”\"]|「([^」]{3,300})」|《([^》]{2,100})》")
_CAPITAL = re.compile(r"\b[A-Z][^\W\d_]+")
_POSSESSIVE = re.compile(r"['’]s?$")
ZH_NAMES = {"nr", "ns", "nt", "nz"}  # of people, places, organisations, and other ones
ZH_PERSON = "nr"
# Of the 100 most common ones; a person's name that begins otherwise is often an ordinary word, and
# so is one with 段, as in 这段时间.
ZH_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏"
    "魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫雷侯龙史陶黎贺顾毛郝龚邵"
)


@dataclass(frozen=True, slots=True)
class Support:
    """What a context's words say of one claim.

    score     probability that it is supported, in [0, 1]
    missing   numbers, names and quotations that neither the context nor the question holds
    evidence  the span of the context that holds most of it; None in a context without sentences
    """

    score: float
    missing: tuple[str, ...]
    evidence: Span | None

    @property
    def passes(self) -> bool:
        return not self.missing and self.score >= LEAST_SCORE


class Passage:
    """A context, read once for all claims about it.

    question    what it holds too is no finding: an answer repeats the words it is asked with
    principles  what they name is none either, such as the character in whose name answers speak
    translated  answers have another language than the context: words of it cannot be compared
    """

    def __init__(
        self,
        context: str,
        question: str,
        language: str,
        principles: str = "",
        *,
        translated: bool = False,
    ) -> None:
        self.spans = sentence_spans(context, language)
        self.sentences = [set(content_stems(context[s.start : s.end])) for s in self.spans]
        self.stems: set[str] = set().union(*self.sentences)
        self.whole = _plain(context)
        self.as_said = {_plain(context[span.start : span.end]) for span in self.spans}
        self.known = f"{self.whole} {_plain(question)}"
        self.known_stems = self.stems | set(content_stems(question))
        self.values = readings(f"{context}\n{question}")
        self.translated = translated
        self.latin = not _HAN.search(context)
        self.principles = principles
        self.characters = _characters(principles)
        opening = {stem(word.casefold()) for word in _CAPITAL.findall(principles)}
        self.named = self.characters | opening
        self.initials = "".join(word[0] for word in _NAME.findall(f"{context} {question}")).lower()

    def holds(self, word: str) -> bool:
        """A content word of the context, in any inflection, or letters of a longer Chinese one."""
        return word in self.stems or (bool(_HAN.match(word)) and word in self.whole)

    def shares_a_word(self, claim: str) -> bool:
        """Whether it has a content word or a number of the claim, if the claim has any."""
        said, values = content_stems(claim), readings(claim)
        return not (said or values) or any(map(self.holds, said)) or bool(values & self.values)

    def knows(self, name: str) -> bool:
        """A name of the context or the question: in parts, as its initials, or as a month."""
        bare = _POSSESSIVE.sub("", name).casefold()
        if _HAN.match(bare):
            return bare in self.known or bare in self.principles
        parts = [part for part in re.split(r"[-'’&]", bare) if part]
        return (
            all(self._knows_part(part) for part in parts)
            or f" {_plain(bare)} " in f" {self.known} "
            or (MONTHS.get(bare) in self.values)
            or (name.isupper() and len(bare) > 1 and bare in self.initials)
        )

    def _knows_part(self, part: str) -> bool:
        return part in STOP_WORDS or stem(part) in self.known_stems or stem(part) in self.named


def lexical_support(claim: str, passage: Passage) -> Support:
    """What the words of the passage say of one claim."""
    evidence = None if passage.translated else _best_window(content_stems(claim), passage)
    if is_verbatim(claim, passage):
        return Support(1.0, (), evidence)
    missing = _missing(claim, passage)
    found = measures(claim, passage, missing)
    odds = CONSTANT + sum(w * x for w, x in zip(WEIGHTS, found, strict=True))
    return Support(1 / (1 + math.exp(-odds)), missing, evidence)


def is_verbatim(claim: str, passage: Passage) -> bool:
    """Whether it is a whole sentence of the context, whatever the punctuation.

    A part of one may say something else: "It was safe" of "It was safe only in summer".
    """
    said = _plain(claim)
    return bool(said) and said in passage.as_said


def measures(claim: str, passage: Passage, missing: Sequence[str]) -> tuple[float, float]:
    """What can be told of a claim, in [0, 1].

    held             the share of its content words that the passage holds; 1 where it has none.
                     That something is not known, no passage need say, nor who speaks
    nothing_missing  1 where nothing is missing, else 0
    """
    said = [w for w in content_stems(told_beside(claim)) if w not in passage.characters]
    held = sum(passage.holds(word) for word in said) / len(said) if said else 1.0
    held = 1.0 if passage.translated else held
    return held, float(not missing)


def _missing(claim: str, passage: Passage) -> tuple[str, ...]:
    found = [n.text for n in numbers(claim) if n.value not in passage.values]
    names = _names(claim)
    if passage.translated:
        names = [name for name in names if passage.latin and not _HAN.match(name)]
    found += [name for name in names if not passage.knows(name)]
    if passage.translated:
        return tuple(dict.fromkeys(found))
    found += [quoted for quoted in _quotations(claim) if _plain(quoted) not in passage.known]
    return tuple(dict.fromkeys(found))


def _best_window(said: Sequence[str], passage: Passage) -> Span | None:
    """The shortest run of neighbouring sentences that holds most of these words."""
    best, most, wanted = None, -1, set(said)
    for length in range(1, WINDOW + 1):
        for first in range(len(passage.spans) - length + 1):
            run = passage.sentences[first : first + length]
            held = sum(any(word in sentence for sentence in run) for word in wanted)
            if held > most:
                most = held
                best = Span(passage.spans[first].start, passage.spans[first + length - 1].end)
    return best


def content_stems(text: str) -> list[str]:
    """The content words of a text in order, without inflection; numbers are no words."""
    return [
        stem(word)
        for word in tokens(text)
        if word not in STOP and word not in ZH_STOP_WORDS and not word.isdigit()
    ]


def _names(text: str) -> list[str]:
    """What is written as a name: capitals inside a sentence, and what is one in Chinese."""
    found = []
    for match in _NAME.finditer(text):
        before = text[: match.start()].rstrip(" \"'“‘(*_")
        opens = not before or before[-1] in ".!?:;\n。！？：；-•"
        if match[0][0].isupper() and not opens and match[0].lower() not in STOP_WORDS:
            found.append(match[0])
    if _HAN.search(text):
        import rjieba

        found += [word for word, kind in rjieba.tag(text) if _is_zh_name(word, kind)]
    return found


@lru_cache(maxsize=8)
def _characters(principles: str) -> frozenset[str]:
    """What principles name, as content words: they are the same for every answer of a run."""
    return frozenset(stem(name.casefold()) for name in _names(principles))


def _is_zh_name(word: str, kind: str) -> bool:
    if kind not in ZH_NAMES or len(word) < 2 or not all(map(_HAN.match, word)):
        return False
    return kind != ZH_PERSON or len(word) > 3 or word[0] in ZH_SURNAMES


def _quotations(text: str) -> list[str]:
    """What stands between quotation marks, less single words: those are often meant otherwise."""
    return [
        quoted
        for match in _QUOTED.finditer(text)
        if _is_quoted(quoted := match[match.lastindex or 0])
    ]


def _is_quoted(text: str) -> bool:
    return count_units(text) >= (FEWEST_QUOTED_ZH if _HAN.search(text) else FEWEST_QUOTED)


def _plain(text: str) -> str:
    """Letters, digits and single spaces, so that line breaks and quotation marks do not matter."""
    return " ".join(re.findall(r"\w+", text.casefold()))
