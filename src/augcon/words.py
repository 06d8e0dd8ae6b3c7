"""Words for checks that read words and not meaning: content, inflection, names.

A tiny model's questions and answers give most of their faults away by their words. Content words
are those of English and Chinese; inflection and names are English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set

from augcon.rouge import HAN, tokens

__all__ = [
    "DENIALS",
    "NUMBER_WORDS",
    "STOP_WORDS",
    "STOP_WORDS_ZH",
    "WORD",
    "content_words",
    "foreign_name",
    "is_negative",
    "sentences",
    "simplified",
    "stem",
    "stems",
    "words",
]

STEM_LETTERS = 5

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_HAN = re.compile(f"[{HAN}]")

STOP_WORDS = frozenset(
    (
        "a an the and or but nor so yet if than then that this these those there here of in on at "
        "by to from with without for as into onto about over under after before during between "
        "among through against is are was were be been being am do does did done doing have has "
        "had having will would can could shall should may might must not no only also very more "
        "most much many some any each both all other others another own same it its he his him "
        "she her they their them we our us you your i my me what which who whom whose when where "
        "why how one s t"
    ).split()
)
STOP_WORDS_ZH = frozenset(
    (
        "的 了 在 是 和 与 及 或 等 也 都 就 而 被 把 为 以 于 对 从 到 由 向 之 其 这 那 此 该 "
        "他 她 它 他们 她们 它们 一 个 种 不 没 没有 有 上 下 中 里 后 前 时 并 并且 且 但 但是 "
        "因为 因此 所以 如果 虽然 可以 会 能 要 将 已 已经 曾 还 又 再 很 更 最 只 才 着 过 地 得 "
        "所 者 我 你 我们 自己"
    ).split()
)
NUMBER_WORDS = frozenset(
    (
        "two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty "
        "fifty sixty seventy eighty ninety hundred thousand million billion half thirds quarter "
        "quarters"
    ).split()
)
NEGATIONS = frozenset("no not never neither nor none nobody nothing without cannot".split())
DENIALS = NEGATIONS | {"不", "没", "没有"}

# Of the traditional characters: those of the turns that speak of a text, and of words that most
# sentences have.
_TRADITIONAL = (
    "這該據筆資話說內課選節錄檔敘訊給結參閱讀從個則並為認覺寫"
    "麼誰幾嗎對會沒還裡後時們種過與於將當間無麽裏兒處樣"
)
_SIMPLIFIED = (
    "这该据笔资话说内课选节录档叙讯给结参阅读从个则并为认觉写"
    "么谁几吗对会没还里后时们种过与于将当间无么里儿处样"
)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


def sentences(text: str) -> list[str]:
    """Cut after every mark that may end a sentence; abbreviations are not known."""
    return _SENTENCE_END.split(text)


def is_negative(text: str) -> bool:
    return any(w in NEGATIONS or w.endswith(("n't", "n’t")) for w in words(text.casefold()))


def words(text: str) -> list[str]:
    return WORD.findall(text)


def content_words(text: str, also: Set[str] = frozenset()) -> list[str]:
    """The words that carry meaning, in order, in lower case and simplified characters.

    also  words without a content of their own that count here
    """
    left_out = (STOP_WORDS | STOP_WORDS_ZH) - also
    return [word for word in _cut(simplified(text.casefold())) if word not in left_out]


def _cut(text: str) -> Iterator[str]:
    """The words of a text; a run of Chinese, which sets none apart, is cut into its own."""
    for word in words(text):
        yield from tokens(word) if _HAN.search(word) else (word,)


def simplified(text: str) -> str:
    """In lower case, with the traditional characters simplified that most sentences have."""
    return text.translate(_TO_SIMPLIFIED).lower()


def stem(word: str) -> str:
    """Enough of a word to find it again in another inflection; a Chinese word, which has none, is
    rarely longer."""
    bare = _bare(word)
    if len(bare) > STEM_LETTERS:
        return bare[:STEM_LETTERS]
    return bare.removesuffix("s") if len(bare) > 3 else bare


def stems(words: Iterable[str]) -> set[str]:
    return {stem(word.casefold()) for word in words}


def foreign_name(text: str, context: str) -> str:
    """The first name or number of the text that the context does not hold, or "".

    The first word of a sentence may be capitalised for that alone: it counts as a name where no
    inflection of it is in the context.
    """
    held = {_bare(word) for word in words(context.casefold())}
    known = stems(held) | STOP_WORDS
    for sentence in sentences(text):
        for place, word in enumerate(words(sentence)):
            lowered = word.casefold()
            ordinary = place == 0 and (lowered in STOP_WORDS or stem(lowered) in known)
            named = (word[0].isupper() and not ordinary) or any(c.isdigit() for c in word)
            if (named or lowered in NUMBER_WORDS) and not _holds(held, lowered):
                return word
    return ""


def _holds(held: set[str], word: str) -> bool:
    bare = _bare(word)
    return bare in held or all(part in held for part in bare.split("-"))


def _bare(word: str) -> str:
    """Without the ending of a possessive."""
    return re.sub(r"['’]s?$", "", word)
