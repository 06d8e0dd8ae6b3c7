"""May this question stand? What every question must keep to, whichever model wrote it.

    (question, context, language) ──▶ kept, or rejected with the reason

It is one question, in its context's language, it can be understood without the text beside it, it
was not copied from the prompt's examples, and it leaves something to answer. Only what the words
show is judged, and in doubt a question stands: ranking has the last word on how good it is. How
often each check is wrong about questions that people wrote was measured (`docs/method.md`,
`benchmarks/checks.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from augcon.chinese import simplified
from augcon.corpus.language import guess_language
from augcon.corpus.units import HAN, KANA
from augcon.prompts import Library, Prompt
from augcon.prompts.library import LANGUAGES, prompt_language
from augcon.records import Context, Verdict, rejected
from augcon.rouge import rouge_l_tokens, tokens
from augcon.tree.about_text import words_for_text
from augcon.tree.question_form import asks_nothing, asks_several, wants_yes_or_no
from augcon.words import STOP_WORDS, stem

__all__ = ["QuestionCheck", "Shown", "check_question"]

COPIED = 0.9  # ROUGE-L F1 to an example's question
SURE_OF_LANGUAGE = 0.9
FEWEST_WORDS = 5  # by which a language can be told
MOST_KANA = 0.1  # of Han and kana together, in Chinese
FEWEST_FOR_KANA = 8  # characters; a shorter question may be Japanese without any
LEAST_UNTOLD = 0.25  # of the context's content words, by a question that wants a yes or no
FEWEST_CONTENT_WORDS = 3

_HAN, _KANA, _HANGUL = re.compile(f"[{HAN}]"), re.compile(f"[{KANA}]"), re.compile("[가-힣]")
_LATIN = re.compile("[A-Za-z]")
_WORD = re.compile(rf"[^\W\d_{HAN}{KANA}가-힣]+")
_ENGLISH_ONLY = re.compile(
    r"\b(?:the|of|what|which|who|whose|how|why|when|where|is|does|did|were)\b", re.IGNORECASE
)
_CHINESE_STOP_WORDS = frozenset(
    (
        "的 了 在 是 和 与 及 或 等 也 都 就 而 被 把 为 以 于 对 从 到 由 向 之 其 这 那 此 该 "
        "他 她 它 他们 她们 它们 一 个 种 不 没 没有 有 上 下 中 里 后 前 时 并 并且 且 但 但是 "
        "因为 因此 所以 如果 虽然 可以 会 能 要 将 已 已经 曾 还 又 再 很 更 最 只 才 着 过 地 得 "
        "所 者 我 你 我们 自己"
    ).split()
)
_QUOTATION = re.compile(r"[\"“「『]([^\"”」』]+)[\"”」』]")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？\n])")
_FORBIDS = re.compile(
    r"\b(?:never|not|no|without|avoid|don['’]t)\b|不|别|別|勿|避免|禁止|切忌", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What prompts show to a model that writes questions in one language.

    examples  (text, question) of every example
    allowed   words for the text (`words_for_text`) that the prompts want in a question
    """

    examples: tuple[tuple[str, str], ...] = ()
    allowed: frozenset[str] = frozenset()

    @classmethod
    def by(cls, prompts: Iterable[Prompt]) -> Shown:
        """The examples of these prompts, and what these or the instructions want in a question.

        An instruction wants what it quotes in a sentence that forbids nothing: 'Begin with
        "According to the passage"', but not 'Never write "the passage"'.
        """
        known = tuple(prompts)
        examples = tuple(
            (example[prompt.inputs[0].key], example["question"])
            for prompt in known
            for example in prompt.examples
        )
        wanted = [question for _, question in examples]
        for prompt in known:
            for sentence in _SENTENCE_END.split(prompt.told):
                if not _FORBIDS.search(sentence):
                    wanted += _QUOTATION.findall(sentence)
        return cls(examples, frozenset(word for text in wanted for word in words_for_text(text)))


@dataclass(frozen=True, slots=True)
class QuestionCheck:
    """`check_question` with what a run's prompts show, by language."""

    shown: Mapping[str, Shown] = field(default_factory=dict)

    @classmethod
    def of(cls, library: Library) -> QuestionCheck:
        return cls({name: Shown.by(library.question_prompts(name)) for name in LANGUAGES})

    def __call__(self, question: str, context: Context) -> Verdict:
        shown = self.shown.get(prompt_language(context.language), Shown())
        return check_question(question, context.text, context.language, shown)


NOTHING_SHOWN = Shown()


def check_question(
    question: str, context: str, language: str, shown: Shown = NOTHING_SHOWN
) -> Verdict:
    """Whether the question may stand for this context; the detail says what was found.

    several_questions     there is more than one, or a list
    not_a_question        nothing is asked
    wrong_language        it is in another language than its context
    not_self_contained    it speaks of the text, and neither the context nor `shown` has that word
    copied_from_examples  the example of another text asks just that
    answers_itself        it tells all that the context says
    """
    if asks_several(question):
        return rejected("several_questions")
    if asks_nothing(question, language):
        return rejected("not_a_question")
    if found := _other_language(question, context, language):
        return rejected("wrong_language", found)
    if found := _word_for_text(question, context, shown):
        return rejected("not_self_contained", found)
    if _is_copied(question, context, shown):
        return rejected("copied_from_examples")
    if _tells_all(question, context, language):
        return rejected("answers_itself")
    return Verdict()


def _other_language(question: str, context: str, language: str) -> str:
    """What the question is in, by its letters or else a model's sure guess; "" if as it should be.

    Chinese is Chinese in both its scripts, and may hold code and names in other letters.
    """
    han, kana = len(_HAN.findall(question)), len(_KANA.findall(question))
    words = _WORD.findall(question)
    if language in ("zh", "ja"):
        return _not_cjk(language, han, kana, question)
    if language == "ko":
        return "" if _HANGUL.search(question) else "no Hangul"
    if han + kana > len(words):
        return "zh" if kana <= MOST_KANA * han else "ja"
    if language == "en" and words and not _LATIN.search(question):
        return "another script"
    if len(words) < FEWEST_WORDS or (language == "en" and _ENGLISH_ONLY.search(question)):
        return ""
    guess = guess_language(question)
    return (
        guess.language
        if guess.confidence >= SURE_OF_LANGUAGE and guess.language != language
        else ""
    )


def _not_cjk(language: str, han: int, kana: int, question: str) -> str:
    if han + kana == 0:
        return f"no {language}"
    if language == "zh" and kana > MOST_KANA * (han + kana):
        return "ja"
    if language == "ja" and kana == 0 and han >= FEWEST_FOR_KANA:
        return "zh"
    english = len(_ENGLISH_ONLY.findall(question))
    return "en" if english > 1 and han + kana < len(_WORD.findall(question)) else ""


def _word_for_text(question: str, context: str, shown: Shown) -> str:
    words = [word for word in words_for_text(question) if word not in shown.allowed]
    if not words:
        return ""
    held = simplified(context)
    return next((word for word in words if not _holds(held, word)), "")


def _holds(text: str, word: str) -> bool:
    """As a word, or in Chinese, which sets none apart, anywhere."""
    if not word.isascii():
        return word in text
    return re.search(rf"\b{re.escape(word)}s?\b", text) is not None


def _is_copied(question: str, context: str, shown: Shown) -> bool:
    """Word for word or nearly, from an example whose text is another."""
    asked = tokens(question)
    return any(
        rouge_l_tokens(asked, tokens(example)).f1 >= COPIED and not _is_within(context, text)
        for text, example in shown.examples
    )


def _is_within(context: str, text: str) -> bool:
    """One of them holds the other, numbers of sentences aside."""
    shared = rouge_l_tokens(tokens(context), tokens(text))
    return max(shared.precision, shared.recall) >= COPIED


def _tells_all(question: str, context: str, language: str) -> bool:
    """Nothing that the context says is left to be told.

    Where a yes or a no is wanted, what the question tells is the answer: a little that it leaves
    out does not make it worth asking.
    """
    said = _content_words(context)
    if len(said) < FEWEST_CONTENT_WORDS:
        return False
    asked, plain = _content_words(question), simplified(question)
    untold = [word for word in said - asked if not (_HAN.match(word) and word in plain)]
    return not untold or (
        len(untold) < LEAST_UNTOLD * len(said) and wants_yes_or_no(question, language)
    )


def _content_words(text: str) -> set[str]:
    """The words that carry meaning, of Chinese as they are, of others their beginnings."""
    found = set()
    for word in tokens(simplified(text)):
        if word not in STOP_WORDS and word not in _CHINESE_STOP_WORDS:
            found.add(word if _HAN.match(word) else stem(word))
    return found
