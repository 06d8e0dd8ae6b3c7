"""What no answer may be, however it was made and whatever its context says.

    empty, the question over again, a refusal, cut off, in another language, about "the passage",
    without its source, where the principles ask for that

Only what an answer says openly is judged: a phrase that its context or its question holds too is
no fault. The false alarms on answers that people wrote are in docs/verification.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from augcon.answer.abstain import abstains, told_beside
from augcon.answer.lexical import content_stems
from augcon.answer.terms import without_source
from augcon.corpus import count_units, sentence_spans
from augcon.corpus.language import LanguageGuess, guess_language
from augcon.corpus.sentences import sentence_ends_whole
from augcon.records import Question, Verdict, rejected
from augcon.rouge import HAN, tokens

__all__ = ["AnswerChecks", "check_answer"]

FEWEST_UNITS_TO_GUESS = 12  # of a text whose language the small model can tell
SURE = 0.8
LEAST_HAN, MOST_HAN = 0.1, 0.6  # shares of an answer's letters, where its question has none or most
FEWEST_LETTERS = 12  # of an answer in another script; a shorter one may be a name

_HAN = re.compile(f"[{HAN}]")
_LETTER = re.compile(r"[^\W\d_]")
_SOURCE = r"(?:context|passage|text|document|article|excerpt|material|source|author)s?"
_MENTIONS = re.compile(
    r"\b(?:according to|based (?:only |solely )?on|as (?:stated|mentioned|described|noted) in|"
    r"(?:mentioned|stated|described|provided|given) (?:in|by)) "
    rf"(?:the|this) (?:given |provided |above |following )?{_SOURCE}\b(?! of\b)"
    rf"|\b(?:from|in|by) (?:the|this) (?:given|provided|above) {_SOURCE}\b"
    rf"|\b(?:from|in) (?:the|this) (?:passage|excerpt)\b"
    rf"|\b(?:the|this) (?:given |provided |above )?{_SOURCE} (?:\w+ly )?(?:says|states|mentions|"
    rf"describes|explains|notes|tells|provides|does not|doesn['’]t|do not|gives|indicates)\b"
    rf"|\bas (?:mentioned|stated|described) (?:above|earlier)\b",
    re.IGNORECASE,
)
_MENTIONS_ZH = re.compile(
    "(?:根据|依据|按照|从|据)(?:上述|以上|所给|给定|提供|本|该|这)?的?"
    "(?:上文|文中|原文|文段|文章|文本|材料|段落|上下文|内容|资料|片段)"
    "|(?:上文|文中|原文|文段|文章中?|本文|这段文字|上下文|材料中)"
    "(?:所)?(?:提到|提及|指出|说|写道|介绍|描述|所述|没有|未|并未|显示|表明)"
    "|如(?:上文|上|前文|前)所述"
)
_REFUSES = re.compile(
    r"\A\W*(?:i['’]?m (?:sorry|afraid|unable)|i am (?:sorry|afraid|unable|not able)|sorry\b|"
    r"i (?:can ?not|can['’]t|could not|do not|don['’]t) (?:answer|help|provide|assist|know|"
    r"determine|fulfil|have)|unfortunately, i\b|as an ai\b|as a language model|"
    r"(?:the|this) (?:question|answer) (?:can ?not|can['’]t) be (?:answered|determined))",
    re.IGNORECASE,
)
_REFUSES_ZH = re.compile(
    r"\A\W*(?:很?抱歉|对不起|不好意思|我(?:无法|不能|没有办法|不知道|不清楚)|作为(?:一个|一名)?(?:AI|人工智能|语言模型)|"
    r"(?:该|这个|此)?问题?无法(?:回答|确定)|无法(?:回答|确定|提供|判断))",
    re.IGNORECASE,
)
# Of answering itself: a context that holds this tells the model to refuse.
_WILL_NOT_ANSWER = re.compile(
    r"\A\W*(?:(?:i['’]?m|i am) sorry,? (?:but )?)?i (?:can ?not|can['’]t|will not|won['’]t) "
    r"(?:answer|help|assist|provide)|\A\W*(?:很?抱歉[，,]?)?我?(?:无法|不能|不会|拒绝)(?:回答|提供|协助|帮)",
    re.IGNORECASE,
)
_OPENS = " \"“'‘《「『〈(（[【:：,，"  # what may stand between "the document" and its name
_STOPS = re.compile(r"[.!?。！？](?=\s|[”’\"']|\Z)|[。！？]")
_NO_SENTENCE = re.compile(r"^(?:\s*(?:[-*•|>]|\d+[.)、]|```)|.*(?:://|`)\S*$)")


def check_answer(
    question: Question,
    answer: str,
    may_mention_source: bool = False,
    language: str = "context",
    source: str = "",
    *,
    may_refuse: bool = False,
) -> Verdict:
    """Whether an answer can be one at all, with the reason where it cannot.

    language    that it is to have: "context" for that of the question, "en" or "zh"
    source      the name of its document, where it has to hold that
    may_refuse  it is a reply to a question that nothing answers
    """
    said = tokens(without_source(answer, source))
    if not said:
        return rejected("empty_answer")
    if said == tokens(question.text):
        return rejected("repeats_question")
    checks = AnswerChecks(question.text, question.context.text, answer.strip(), language, source)
    faults: list[tuple[str, Callable[[], str]]] = [
        ("refusal", checks.refusal),
        ("refusal", lambda: _withheld(question, without_source(answer, source))),
        ("wrong_language", checks.other_language),
        ("mentions_source", (lambda: "") if may_mention_source else checks.mention),
        ("cut_off", checks.loose_end),
    ]
    if answer.strip() in question.context.text:
        faults = [("refusal", checks.refusal_to_answer)]
        faults += [("wrong_language", checks.other_language)] if language != "context" else []
    if may_refuse:
        faults = [fault for fault in faults if fault[0] != "refusal"]
    faults.append(("no_source", checks.missing_source))
    for reason, look in faults:
        if detail := look():
            return rejected(reason, detail)
    return Verdict()


@dataclass(frozen=True, slots=True)
class AnswerChecks:
    """Each check tells what it stumbled over, or ""."""

    question: str
    context: str
    answer: str
    language: str = "context"
    source: str = ""

    def refusal(self) -> str:
        found = _REFUSES.search(self.answer) or _REFUSES_ZH.search(self.answer)
        return self._new(found)

    def refusal_to_answer(self) -> str:
        """One that no story tells of, and a context that says it gives an order."""
        found = _WILL_NOT_ANSWER.search(self.answer)
        return found[0] if found and found[0] not in self.question else ""

    def mention(self) -> str:
        """A passage is spoken of that the reader never sees. "The document mill.md" is one that has
        a name, where the answer is to give it."""
        said = without_source(self.answer, self.source)
        for pattern in (_MENTIONS, _MENTIONS_ZH):
            for found in pattern.finditer(said):
                if not self._is_named(found.end()) and (phrase := self._new(found)):
                    return phrase
        return ""

    def other_language(self) -> str:
        """By script where one of the two is Chinese, else where the small model is sure of both."""
        set_to = {"en": 0.0, "zh": 1.0}.get(self.language)
        asked = _han_share(self.question) if set_to is None else set_to
        said = _han_share(self.answer)
        letters = len(_LETTER.findall(self.answer))
        if letters >= FEWEST_LETTERS and asked >= MOST_HAN and said < LEAST_HAN:
            return "not in Chinese"
        if letters >= FEWEST_LETTERS and asked < LEAST_HAN and said >= MOST_HAN:
            return "in Chinese"
        if asked >= LEAST_HAN or said >= LEAST_HAN:
            return ""
        measured = (self.answer,) if set_to is not None else (self.context, self.answer)
        if min(map(count_units, measured)) < FEWEST_UNITS_TO_GUESS:
            return ""
        wanted, found = guess_language(self.context), guess_language(self.answer)
        if set_to is not None:
            wanted = LanguageGuess(self.language, 1.0)
        other = found.language != wanted.language
        return (
            f"in {found.language}"
            if other and min(found.confidence, wanted.confidence) > SURE
            else ""
        )

    def loose_end(self) -> str:
        """Sentences were written, and the last of them has no end. A list's items need none."""
        said = without_source(self.answer, self.source).strip()
        *_, last = said.split("\n")
        if sentence_ends_whole(said) or _NO_SENTENCE.search(last):
            return ""
        return last[-40:] if _STOPS.search(said) else ""

    def missing_source(self) -> str:
        return "" if self.source in self.answer else self.source

    def _is_named(self, end: int) -> bool:
        """Whether the name of the source follows at once."""
        follows = self.answer[end:].lstrip(_OPENS).casefold()
        return bool(self.source) and follows.startswith(self.source.casefold())

    def _new(self, found: re.Match[str] | None) -> str:
        """What was found, unless the context or the question says it too."""
        if found is None:
            return ""
        phrase = found[0].strip()
        known = f"{self.context}\n{self.question}".casefold()
        return "" if phrase.casefold() in known else phrase


def _withheld(question: Question, answer: str) -> str:
    """The answer, if it says no more than that what is asked is not known, and the context does not
    say so either; else "". One that tells what is known and says where that ends is an answer."""
    context, language = question.context.text, question.context.language
    if not all(map(abstains, _sentences(answer, language))):
        return ""
    told = set(content_stems(" ".join(map(told_beside, _sentences(answer, language)))))
    new = set(content_stems(context)) - set(content_stems(question.text))
    if told & new or any(map(abstains, _sentences(context, language))):
        return ""
    return answer.strip()


def _sentences(text: str, language: str) -> list[str]:
    spans = (text[span.start : span.end] for span in sentence_spans(text, language))
    return [sentence for sentence in spans if tokens(sentence)]


def _han_share(text: str) -> float:
    letters = _LETTER.findall(text)
    return sum(bool(_HAN.match(letter)) for letter in letters) / max(1, len(letters))
