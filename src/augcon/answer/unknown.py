"""An honest "I don't know" to a question that its context cannot answer, where some are wanted.

    unanswerable ──▶ does the whole root answer it? ──yes, or some of it─▶ no reply
                                  └─no──▶ the model writes one ──▶ checks ──▶ may be kept

"I don't know" must not be taught for what the corpus tells a few lines further on: hence the root.
A reply is held to saying, in every sentence, that something is not known, and to naming what was
asked: it then holds nothing that could be wrong. How many of them are kept is decided when the
dataset is written (`augcon.select.unknown`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from augcon.answer.abstain import abstains
from augcon.answer.answerable import AnswerableCheck
from augcon.answer.checks import check_answer
from augcon.answer.lexical import Passage, content_stems, lexical_support
from augcon.answer.settle import Settled
from augcon.answer.terms import Terms
from augcon.answer.verify import claim_spans
from augcon.errors import ItemError, ReplyError, RequestRefused
from augcon.llm.base import Sampling
from augcon.llm.call import Unusable
from augcon.prompts import Asker, Library
from augcon.prompts.library import SOURCE, answer_language, prompt_language
from augcon.prompts.prompt import Prompt
from augcon.records import (
    BY_ROOT,
    UNANSWERABLE,
    Claim,
    ClaimVerdict,
    Context,
    Question,
    Verification,
    failed,
    rejected,
)

__all__ = ["UnknownReplies", "unfit"]

# Of a reply, what says of nothing in particular that it is not known.
KNOWING = set(
    content_stems(
        "know known unknown knows sure unclear clear certain nobody information idea sorry afraid "
        "i'm don't can't say tell answer question unfortunately still yet now "
        "知道 清楚 不知 不知道 不清楚 并不知道 未知 得知 无从 不得而知 无法 确定 我 这 尚 还 并 谁 "
        "目前 现在 具体 抱歉 对不起 遗憾 答案 问题 回答 一点 情况"
    )
)
_SOURCED = re.compile(
    r"[\[(（【〔]\s*(?:sources?\b|来源|出处|引自)|\bsources?\s*[:：]|(?:来源|出处)\s*[:：]",
    re.IGNORECASE,
)
_HINTS = re.compile(
    r"\b(?:provided|given|available) (?:information|details?|material)\b"
    r"|\b(?:information|details?|material) (?:\w+ )?(?:provided|given|available)\b"
    r"|(?:现有|已有|所给|所提供|提供|手头|已知)的?(?:信息|资料|材料|内容)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UnknownReplies:
    """Writes the replies. may_mention_source and terms as in `Checking`."""

    check: AnswerableCheck
    asker: Asker
    library: Library
    sampling: Sampling
    may_mention_source: bool = False
    terms: Terms = field(default_factory=Terms)

    async def settle(self, question: Question, root: Context, settled: Settled) -> Settled:
        """An unanswerable question with its reply, or as it was where it is to have none; failed,
        where that may go well another time."""
        try:
            told = await self.check.look(root.text, question.text, root.language)
            if told.share > 0:
                why = f"its root tells: {told.evidence}"
                return replace(settled, verdict=rejected(UNANSWERABLE, why))
            reply = await self.write(question)
        except (ReplyError, RequestRefused) as error:
            why = f"no reply: {error.detail}"
            return replace(settled, verdict=rejected(UNANSWERABLE, why))
        except ItemError as error:
            return replace(settled, verdict=failed(error.reason, error.detail))
        whole = Claim(0, len(reply), ClaimVerdict.SUPPORTED, 1.0, 0, 0)
        return settled.followed_by(reply, settled.verdict, Verification(BY_ROOT, (whole,)))

    async def write(self, question: Question) -> str:
        """A reply that is fit. Raises `augcon.errors.ItemError` where there is none."""
        spoken = prompt_language(question.context.language)
        prompt = honest_prompt(self.library, spoken)
        if self.terms.is_translated(question):
            prompt = prompt.with_examples(())  # which show another language

        def usable(outputs: dict[str, str]) -> None:
            if why := unfit(question, outputs["answer"], self.may_mention_source, self.terms):
                raise Unusable(why)

        values = {"context": question.context.text, "question": question.text}
        seed = self.asker.caller.seed_for("unknown", question.id)
        outputs = await self.asker.ask(prompt, values, self.sampling, seed, usable)
        return outputs["answer"]


def honest_prompt(library: Library, language: str) -> Prompt:
    """With the principles less the lines that ask for the source: what is not known has none."""
    prompt = library.prompt("unknown", language)
    lines = library.principles(language).split("\n")
    principles = "\n".join(line for line in lines if SOURCE not in line)
    told = answer_language(prompt.language, library.answers_in)
    return prompt.filled(principles=principles, language=told)


def unfit(
    question: Question, reply: str, may_mention_source: bool = False, terms: Terms | None = None
) -> str:
    """Why a reply is no honest "I don't know" to this question, in a few words, or ""."""
    terms = terms or Terms()
    verdict = check_answer(question, reply, may_mention_source, terms.language, may_refuse=True)
    if not verdict.kept:
        return f"{verdict.reason}: {verdict.detail}"
    if sourced := _SOURCED.search(reply):
        return f"it names a source: {sourced[0]}"
    passage = terms.passage(question)
    for span in claim_spans(reply, terms.spoken(question)):
        sentence = reply[span.start : span.end]
        if not abstains(sentence):
            return f"it does not say of anything that it is not known: {sentence}"
        if missing := lexical_support(sentence, passage).missing:
            return f"nobody spoke of {', '.join(missing)}"
    if not may_mention_source and (hint := _HINTS.search(reply)):
        return f"it hints at a passage: {hint[0]}"
    return (
        "" if _names_what_was_asked(question, reply, terms) else "it does not name what was asked"
    )


def _names_what_was_asked(question: Question, reply: str, terms: Terms) -> bool:
    """By a content word of the question; of its own, where the reply is in another language."""
    if terms.is_translated(question):
        return bool(set(content_stems(reply)) - KNOWING)
    asked = set(content_stems(question.text)) - KNOWING
    said = Passage(reply, "", question.context.language)
    return not asked or any(map(said.holds, asked))
