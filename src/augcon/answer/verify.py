"""Verification: does the context support every claim of an answer?

    answer ──▶ claims ──words (no call)──▶ a claim fails ──▶ the answer fails
                                └─▶ none does ──model, claim by claim (`answers.verify = "model"`)

A claim is a sentence of the answer. What stands in the context word for word is supported without
being asked about, so that answers which are the context's own sentences cost nothing. The words
tell what is missing, never what is contradicted: only the model does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from augcon.answer.abstain import told_beside
from augcon.answer.lexical import Passage, is_verbatim, lexical_support
from augcon.answer.terms import Terms, without_source
from augcon.corpus import Span, sentence_spans
from augcon.llm.base import Sampling
from augcon.llm.call import Unusable
from augcon.prompts import Asker, Library
from augcon.prompts.library import prompt_language
from augcon.records import (
    Claim,
    ClaimVerdict,
    Context,
    Question,
    Verdict,
    Verification,
    rejected,
)
from augcon.rouge import rouge_l_tokens, tokens
from augcon.together import together

__all__ = [
    "GRADES",
    "LexicalVerifier",
    "ModelVerifier",
    "Verifier",
    "read_grade",
    "rejection",
]

JUDGING = Sampling(temperature=0.0, max_tokens=512)
LEAST_QUOTED = 0.6  # share of the quoted evidence's words that the context holds in its order
MOST_SENTENCES = 3  # that are quoted as one evidence
GRADES = {
    "supported": 1.0, "partly": 0.5, "absent": 0.0, "contradicted": 0.0,
    "支持": 1.0, "部分": 0.5, "没有": 0.0, "矛盾": 0.0,
    # What models write although they were given the words above.
    "fully supported": 1.0, "partially supported": 0.5, "partly supported": 0.5,
    "not supported": 0.0, "unsupported": 0.0,
    "完全支持": 1.0, "部分支持": 0.5, "不支持": 0.0, "没有提到": 0.0, "未提及": 0.0, "相矛盾": 0.0,
}  # fmt: skip
CONTRADICTS = {"contradicted", "矛盾", "相矛盾"}
NO_EVIDENCE = {"none", "无"}
_CLAUSE = re.compile(r"[^;；\s][^;；]*[;；]*")
_OPEN_END, _GAP = re.compile(r"\s+(?=[.!?。！？;；])"), re.compile(r"\s{2,}")
_AROUND = re.compile(r"\A[\s\"'“”‘’「」『』*]+|[\s\"'“”‘’「」『』*.。！!]+\Z")


class Verifier(Protocol):
    """One way to check an answer against its question's context.

    `verify` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    async def verify(self, question: Question, answer: str) -> Verification: ...


@dataclass(frozen=True, slots=True)
class LexicalVerifier:
    """By words alone: `augcon.answer.lexical`."""

    terms: Terms = field(default_factory=Terms)

    async def verify(self, question: Question, answer: str) -> Verification:
        _, claims = _by_words(question, answer, self.terms)
        return Verification("lexical", tuple(claims))


@dataclass(frozen=True, slots=True)
class ModelVerifier:
    """By words first; an answer that they do not fail is judged by the model, claim by claim."""

    asker: Asker
    library: Library
    terms: Terms = field(default_factory=Terms)

    async def verify(self, question: Question, answer: str) -> Verification:
        passage, claims = _by_words(question, answer, self.terms)
        if any(claim.verdict is not ClaimVerdict.SUPPORTED for claim in claims):
            return Verification("lexical", tuple(claims))
        judged = await together(self._judged(question, answer, claim, passage) for claim in claims)
        return Verification("model", tuple(judged))

    async def _judged(
        self, question: Question, answer: str, claim: Claim, passage: Passage
    ) -> Claim:
        if is_verbatim(_subject(question, answer, self.terms)[claim.start : claim.end], passage):
            return claim
        seed = self.asker.caller.seed_for("verify", question.id, answer, claim.start)
        return await self.judge(question, answer, Span(claim.start, claim.end), seed)

    async def judge(self, question: Question, answer: str, span: Span, seed: int) -> Claim:
        """The model's verdict on one claim, whatever the words say."""
        context = question.context
        prompt = self.library.prompt("verify", prompt_language(context.language))
        values = {
            "context": context.text,
            "question": question.text,
            "answer": answer,
            "claim": _closed(_subject(question, answer, self.terms)[span.start : span.end]),
        }
        translated = self.terms.is_translated(question)

        def usable(outputs: dict[str, str]) -> None:
            told = GRADES[read_grade(outputs["verdict"])] > 0
            if told and told_beside(values["claim"]):  # what is not there has no sentence
                asked = f"{question.text}\n{values['claim']}"
                _demand_evidence(outputs["evidence"], asked, context, translated)

        outputs = await self.asker.ask(prompt, values, JUDGING, seed, usable)
        word = read_grade(outputs["verdict"])
        evidence = located(outputs["evidence"], context.text, context.language) or Span(0, 0)
        verdict = ClaimVerdict.CONTRADICTED if word in CONTRADICTS else ClaimVerdict.ABSENT
        if GRADES[word] == 1:
            verdict = ClaimVerdict.SUPPORTED
        where = (evidence.start, evidence.end)
        return Claim(span.start, span.end, verdict, GRADES[word], *where)


def read_grade(said: str, grades: Mapping[str, float] = GRADES) -> str:
    """The verdict of a reply, as a key of `grades`. Raises Unusable for anything but a whole word.

    Never a part of it: "not supported" is not "supported", and 「不支持」 is not 「支持」.
    """
    word = " ".join(_AROUND.sub("", said).casefold().split())
    if word not in grades:
        raise Unusable(f"{said[:40]!r} is not one of the verdicts")
    return word


def located(quoted: str, context: str, language: str) -> Span | None:
    """Where the context has what the model quotes of it: the sentences that hold most of it.

    None where it quotes nothing, or something else.
    """
    if _AROUND.sub("", quoted).casefold() in NO_EVIDENCE:
        return None
    wanted, sentences = tokens(quoted), sentence_spans(context, language)
    if (at := context.find(quoted.strip())) >= 0:
        end = at + len(quoted.strip())
        held = [s for s in sentences if s.start < end and s.end > at]
        return Span(held[0].start, held[-1].end) if held else None
    best, most = None, LEAST_QUOTED
    for length in range(1, MOST_SENTENCES + 1):
        for first in range(len(sentences) - length + 1):
            run = Span(sentences[first].start, sentences[first + length - 1].end)
            share = rouge_l_tokens(wanted, tokens(context[run.start : run.end])).precision
            if share > most or (best is None and share == most):
                best, most = run, share
    return best


def _demand_evidence(quoted: str, asked: str, context: Context, translated: bool) -> None:
    """Raise Unusable for support by what is not in the context, or has no word of what is asked: a
    text that orders a verdict is no evidence for anything else that it could be asked about.
    Between languages words cannot be compared.

    asked  question and claim
    """
    if (found := located(quoted, context.text, context.language)) is None:
        raise Unusable("the sentence that should support the claim is not in the context")
    evidence = Passage(context.text[found.start : found.end], "", context.language)
    if not translated and not evidence.shares_a_word(asked):
        raise Unusable("the sentence that should support the claim has no word of it")


def claim_spans(answer: str, language: str) -> list[Span]:
    """The sentences of an answer that say something; what semicolons divide is several.

    An answer of one long sentence, as Chinese ones often are, would be one claim: a fault in it
    would be lost in what is right, and fail all of it.
    """
    spans = [
        Span(sentence.start + part.start(), sentence.start + part.end())
        for sentence in sentence_spans(answer, language)
        for part in _CLAUSE.finditer(answer[sentence.start : sentence.end])
    ]
    return [span for span in spans if tokens(answer[span.start : span.end])]


def rejection(verification: Verification, answer: str) -> Verdict:
    """What a verification makes of an answer: kept, or rejected for its worst claim."""
    worst = verification.worst
    if worst is None:
        return Verdict()
    contradicted = worst.verdict is ClaimVerdict.CONTRADICTED
    claim = answer[worst.start : worst.end]
    detail = f"{claim} ({worst.finding})" if worst.finding else claim
    return rejected("contradicted" if contradicted else "not_supported", detail)


def _by_words(question: Question, answer: str, terms: Terms) -> tuple[Passage, list[Claim]]:
    """The claims of an answer with what the words say of them, and the context as it was read."""
    passage = terms.passage(question)
    told = _subject(question, answer, terms)
    spans = claim_spans(told, terms.spoken(question))
    return passage, [_judged_by_words(told, span, passage) for span in spans]


def _closed(claim: str) -> str:
    """Without the gaps that the source has left."""
    return _GAP.sub(" ", _OPEN_END.sub("", claim)).strip()


def _subject(question: Question, answer: str, terms: Terms) -> str:
    """The answer with blanks where it only names its source."""
    return without_source(answer, terms.source(question))


def _judged_by_words(answer: str, span: Span, passage: Passage) -> Claim:
    support = lexical_support(answer[span.start : span.end], passage)
    found = support.evidence or Span(0, 0)
    verdict = ClaimVerdict.SUPPORTED if support.passes else ClaimVerdict.ABSENT
    missing = ", ".join(support.missing)
    return Claim(
        *(span.start, span.end, verdict, support.score, found.start, found.end), finding=missing
    )
