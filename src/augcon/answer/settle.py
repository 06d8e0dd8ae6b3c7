"""From a question to an answer that may stand: written, checked, asked for once more, or rejected.

respond ──▶ checks, verification ──passes──▶ the answer
                    └─fails─▶ revise, with what was found ──▶ checks, verification ──▶ verdict

Where the question is at fault and not the answer (`augcon.answer.unanswered`), nothing is revised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from augcon.answer.checks import check_answer
from augcon.answer.respond import Responder
from augcon.answer.unanswered import Unanswered
from augcon.answer.verify import Verifier, rejection
from augcon.prompts.library import prompt_language
from augcon.records import UNANSWERABLE, Question, Verdict, Verification

__all__ = ["Checking", "Settled"]

FINDINGS = {
    "en": {
        "empty_answer": "It says nothing.",
        "repeats_question": "It only repeats the question.",
        "refusal": "It refuses to answer. Tell whatever the passage tells of what is asked, and "
        "say plainly which part is not known. Only if the passage tells nothing of it, say that.",
        "wrong_language": "It is not in the language of the question.",
        "mentions_source": "It speaks of a passage that the reader never sees: {detail}",
        "cut_off": "It stops in the middle of a sentence: {detail}",
        "not_supported": "The passage does not say this: {detail}",
        "contradicted": "The passage says otherwise than this: {detail}",
    },
    "zh": {
        "empty_answer": "它什么也没说。",
        "repeats_question": "它只是把问题重复了一遍。",
        "refusal": "它拒绝回答。文段里与所问有关的内容，有多少就答多少，并说明哪一部分不清楚；"
        "只有文段里完全没有时，才说不知道。",
        "wrong_language": "它用的不是问题的语言。",
        "mentions_source": "它提到了读者看不见的文段：{detail}",
        "cut_off": "它在句子中间断了：{detail}",
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
    unanswered          tells where the question is at fault
    """

    verifier: Verifier | None
    may_mention_source: bool = False
    unanswered: Unanswered = field(default_factory=Unanswered)

    async def settle(self, question: Question, responder: Responder) -> Settled:
        """Raises `augcon.errors.ItemError` where the model gives nothing usable."""
        first = await self._doubted(
            question, await self.judge(question, await responder.respond(question))
        )
        if first.verdict.kept or first.verdict.reason == UNANSWERABLE:
            return first
        told = finding(first.verdict, question.context.language)
        if not (revised := await responder.revise(question, first.text, told)):
            return first
        return await self._doubted(question, await self.judge(question, revised), first.verdict)

    async def _doubted(self, question: Question, settled: Settled, *before: Verdict) -> Settled:
        """An answer that failed, after others that did: with the verdict on the question, if that
        is at fault."""
        if settled.verdict.kept:
            return settled
        failed, revised = (*before, settled.verdict), bool(before)
        verdict = await self.unanswered.verdict(question, failed, revised=revised)
        return replace(settled, verdict=verdict) if verdict else settled

    async def judge(self, question: Question, answer: str) -> Settled:
        """An answer with the verdict on it. Raises as `settle` does."""
        verdict = check_answer(question, answer, self.may_mention_source)
        if not verdict.kept or self.verifier is None:
            return Settled(answer, verdict)
        verification = await self.verifier.verify(question, answer)
        return Settled(answer, rejection(verification, answer), verification)


def finding(verdict: Verdict, language: str) -> str:
    """What is wrong with an answer, told to the model that wrote it."""
    return FINDINGS[prompt_language(language)][verdict.reason].format(detail=verdict.detail)
