"""From a question to an answer that may stand: written, checked, asked for once more, or rejected.

respond ──▶ checks, verification ──passes──▶ the answer
                    └─fails─▶ revise, with what was found ──▶ checks, verification ──▶ verdict
"""

from __future__ import annotations

from dataclasses import dataclass, field

from augcon.answer.checks import check_answer
from augcon.answer.respond import Responder
from augcon.answer.terms import Terms
from augcon.answer.verify import Verifier, rejection
from augcon.prompts.library import answer_language, prompt_language
from augcon.records import Question, Verdict, Verification

__all__ = ["Checking", "Settled"]

FINDINGS = {
    "en": {
        "empty_answer": "It says nothing.",
        "repeats_question": "It only repeats the question.",
        "refusal": "It refuses to answer, although the passage answers the question.",
        "wrong_language": "It is not in {language}.",
        "mentions_source": "It speaks of a passage that the reader never sees: {detail}",
        "cut_off": "It stops in the middle of a sentence: {detail}",
        "no_source": "It does not name its source, which is: {detail}",
        "not_supported": "The passage does not say this: {detail}",
        "contradicted": "The passage says otherwise than this: {detail}",
    },
    "zh": {
        "empty_answer": "它什么也没说。",
        "repeats_question": "它只是把问题重复了一遍。",
        "refusal": "文段里有答案，它却拒绝回答。",
        "wrong_language": "它用的不是{language}。",
        "mentions_source": "它提到了读者看不见的文段：{detail}",
        "cut_off": "它在句子中间断了：{detail}",
        "no_source": "它没有写明来源，来源是：{detail}",
        "not_supported": "文段里没有这样说：{detail}",
        "contradicted": "文段的说法与此相反：{detail}",
    },
}


@dataclass(frozen=True, slots=True)
class Settled:
    """The last answer with its verdict; `verification` is None where it was not verified."""

    text: str
    verdict: Verdict
    verification: Verification | None = None


@dataclass(frozen=True, slots=True)
class Checking:
    """What an answer has to pass: the checks of all answers, and a verifier (None: there is none).

    may_mention_source  the principles ask for answers that speak of their source
    terms               what else they and the settings ask of every answer
    """

    verifier: Verifier | None
    may_mention_source: bool = False
    terms: Terms = field(default_factory=Terms)

    async def settle(self, question: Question, responder: Responder) -> Settled:
        """Raises `augcon.errors.ItemError` where the model gives nothing usable."""
        first = await self.judge(question, await responder.respond(question))
        if first.verdict.kept:
            return first
        told = finding(first.verdict, question.context.language, self.terms.language)
        revised = await responder.revise(question, first.text, told)
        return await self.judge(question, revised) if revised else first

    async def judge(self, question: Question, answer: str) -> Settled:
        """An answer with the verdict on it. Raises as `settle` does."""
        source = self.terms.source(question)
        may_mention = self.may_mention_source or bool(source)
        verdict = check_answer(question, answer, may_mention, self.terms.language, source)
        if not verdict.kept or self.verifier is None:
            return Settled(answer, verdict)
        verification = await self.verifier.verify(question, answer)
        return Settled(answer, rejection(verification, answer), verification)


def finding(verdict: Verdict, language: str, answers_in: str = "context") -> str:
    """What is wrong with an answer, told to the model that wrote it.

    answers_in  the language of answers: "context" for that of the question, "en" or "zh"
    """
    told = FINDINGS[prompt_language(language)][verdict.reason]
    return told.format(detail=verdict.detail, language=answer_language(language, answers_in))
