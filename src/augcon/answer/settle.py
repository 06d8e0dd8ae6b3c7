"""From a question to an answer that may stand: written, checked, asked for once more, or rejected.

respond, n times ──▶ checks, verification ──some pass──▶ the most consistent of these
                             └─none passes─▶ revise the best, with what was found
                                             ──▶ checks, verification ──▶ verdict

Whatever was written on the way and is not the answer stays as a draft, with why it is not. Where
the question is at fault and not the answer (`augcon.answer.unanswered`), nothing is revised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from augcon.answer.checks import check_answer
from augcon.answer.consistency import most_consistent
from augcon.answer.respond import Responder
from augcon.answer.terms import Terms
from augcon.answer.unanswered import Unanswered
from augcon.answer.verify import Verifier, rejection
from augcon.errors import ItemError
from augcon.prompts.library import answer_language, prompt_language
from augcon.records import (
    UNANSWERABLE,
    ClaimVerdict,
    Draft,
    Question,
    State,
    Verdict,
    Verification,
    failed,
    rejected,
)
from augcon.together import together

__all__ = ["Checking", "Settled"]

FINDINGS = {
    "en": {
        "empty_answer": "It says nothing.",
        "repeats_question": "It only repeats the question.",
        "refusal": "It refuses to answer. Tell whatever the passage tells of what is asked, and "
        "say plainly which part is not known. Only if the passage tells nothing of it, say that.",
        "wrong_language": "It is not in {language}.",
        "mentions_source": "It speaks of a passage that the reader never sees: {detail}",
        "cut_off": "It stops in the middle of a sentence: {detail}",
        "no_source": "It does not name its source, which is: {detail}",
        "not_supported": "The passage does not say this, or not all of it: {detail}",
        "contradicted": "The passage says otherwise than this: {detail}",
    },
    "zh": {
        "empty_answer": "它什么也没说。",
        "repeats_question": "它只是把问题重复了一遍。",
        "refusal": "它拒绝回答。文段里与所问有关的内容，有多少就答多少，并说明哪一部分不清楚；"
        "只有文段里完全没有时，才说不知道。",
        "wrong_language": "它用的不是{language}。",
        "mentions_source": "它提到了读者看不见的文段：{detail}",
        "cut_off": "它在句子中间断了：{detail}",
        "no_source": "它没有写明来源，来源是：{detail}",
        "not_supported": "文段里没有这样说，或者没有全这样说：{detail}",
        "contradicted": "文段的说法与此相反：{detail}",
    },
}

INSTEAD = {"en": "\nIt says: {}", "zh": "\n文段的原话：{}"}


@dataclass(frozen=True, slots=True)
class Settled:
    """The last answer with its verdict; `verification` is None where it was not verified.

    own     what was found of the answer itself, where the verdict is on its question
    number  which of the answers that were asked for it is
    drafts  the others, each with why it is not the answer
    asked   how many were asked for, this one included
    """

    text: str
    verdict: Verdict
    verification: Verification | None = None
    number: int = 0
    drafts: tuple[Draft, ...] = ()
    asked: int = 1
    own: Verdict | None = None

    def followed_by(
        self, text: str, verdict: Verdict, verification: Verification | None = None
    ) -> Settled:
        """One more answer, in the place of this one, which stays as a draft."""
        this = Draft(self.text, self.own or self.verdict, self.verification, self.number)
        drafts = (*self.drafts, this)
        return Settled(text, verdict, verification, self.asked, drafts, self.asked + 1)


@dataclass(frozen=True, slots=True)
class Checking:
    """What an answer has to pass: the checks of all answers, and a verifier (None: there is none).

    may_mention_source  the principles ask for answers that speak of their source
    samples             how many answers are written to each question
    unanswered          tells where the question is at fault
    terms               what else they and the settings ask of every answer
    """

    verifier: Verifier | None
    may_mention_source: bool = False
    samples: int = 1
    unanswered: Unanswered = field(default_factory=Unanswered)
    terms: Terms = field(default_factory=Terms)

    async def settle(self, question: Question, responder: Responder) -> Settled:
        """An answer that may stand, or the last that was found wanting.

        A draft that the model gives nothing usable for is failed, and costs only itself; so is the
        answer, where all of them are.
        """
        first = chosen(await self.drafts(question, responder), self.samples)
        first = await self.doubted(question, first)
        if first.verdict.state is not State.REJECTED or first.verdict.reason == UNANSWERABLE:
            return first
        revised = await self.mended(question, responder, first)
        if revised is first:
            return first
        return await self.doubted(question, revised, before=first.verdict)

    async def doubted(
        self, question: Question, settled: Settled, before: Verdict | None = None
    ) -> Settled:
        """An answer that was rejected: with the verdict on the question, if that is at fault.

        before  what was found of the answer that this one is the revision of
        """
        if settled.verdict.state is not State.REJECTED:
            return settled
        try:
            verdict = await self.unanswered.verdict(question, settled.verdict, before)
        except ItemError as error:
            return replace(settled, verdict=failed(error.reason, error.detail))
        return replace(settled, verdict=verdict, own=settled.verdict) if verdict else settled

    async def drafts(self, question: Question, responder: Responder) -> list[Draft]:
        """Every sample in order, judged; the same words are judged once."""
        numbers = range(self.samples)
        written = await together(_written(question, responder, number) for number in numbers)
        texts = list(dict.fromkeys(draft.text for draft in written if draft.verdict.kept))
        judged = await together(self.judge(question, text) for text in texts)
        by_text = dict(zip(texts, judged, strict=True))
        return [
            replace(by_text[draft.text], number=draft.number) if draft.verdict.kept else draft
            for draft in written
        ]

    async def mended(self, question: Question, responder: Responder, settled: Settled) -> Settled:
        """The answer that is written once more, told what was found; where there is none, this."""
        told = finding(settled.verdict, question.context.language, self.terms.language)
        told = f"{told}{said_instead(settled, question)}"
        try:
            revised = await responder.revise(question, settled.text, told)
        except ItemError as error:
            return settled.followed_by("", failed(error.reason, error.detail))
        if not revised:
            return settled
        draft = await self.judge(question, revised)
        return settled.followed_by(draft.text, draft.verdict, draft.verification)

    async def judge(self, question: Question, answer: str) -> Draft:
        """An answer with the verdict on it: failed, where the model that verifies says nothing
        usable."""
        source = self.terms.source(question)
        verdict = check_answer(
            question, answer, self.may_mention_source, self.terms.language, source
        )
        if not verdict.kept or self.verifier is None:
            return Draft(answer, verdict)
        try:
            verification = await self.verifier.verify(question, answer)
        except ItemError as error:
            return Draft(answer, failed(error.reason, error.detail))
        return Draft(answer, rejection(verification, answer), verification)


async def _written(question: Question, responder: Responder, number: int) -> Draft:
    """A sample, not yet judged; failed where the model gives nothing usable."""
    try:
        return Draft(await responder.respond(question, number), Verdict(), number=number)
    except ItemError as error:
        return Draft("", failed(error.reason, error.detail), number=number)


def chosen(drafts: Sequence[Draft], asked: int) -> Settled:
    """The most consistent of the drafts that pass; the best of the others where none does."""
    passed = [draft for draft in drafts if draft.verdict.kept]
    best = most_consistent(passed) if passed else min(drafts, key=_faults)
    others = tuple(_beside(best, draft) for draft in drafts if draft is not best)
    return Settled(best.text, best.verdict, best.verification, best.number, others, asked)


def _faults(draft: Draft) -> tuple[object, ...]:
    """By which the best of the drafts that do not pass comes first.

    One that was verified is whole and only says too much, so it is nearest to a good answer: the
    fewer claims fail and the better the worst of them, the nearer. One that no answer may be comes
    after it, and one that failed last, for there is nothing to mend.
    """
    claims = draft.verification.claims if draft.verification else ()
    wrong = sum(claim.verdict is not ClaimVerdict.SUPPORTED for claim in claims)
    score = draft.verification.score if draft.verification else 0.0
    return (
        draft.verdict.state is State.FAILED,
        draft.verification is None,
        *(wrong, -score, draft.number),
    )


def _beside(best: Draft, draft: Draft) -> Draft:
    """A draft that is not the answer, with why: one that passes is no worse for itself."""
    if not draft.verdict.kept:
        return draft
    same = draft.text == best.text
    return replace(draft, verdict=rejected("repeats_answer" if same else "less_consistent"))


def finding(verdict: Verdict, language: str, answers_in: str = "context") -> str:
    """What is wrong with an answer, told to the model that wrote it.

    answers_in  the language of answers: "context" for that of the question, "en" or "zh"
    """
    told = FINDINGS[prompt_language(language)][verdict.reason]
    return told.format(detail=verdict.detail, language=answer_language(language, answers_in))


def said_instead(settled: Settled, question: Question) -> str:
    """What the context says where it contradicts the answer; "" where it does not."""
    worst = settled.verification.worst if settled.verification else None
    if worst is None or worst.verdict is not ClaimVerdict.CONTRADICTED:
        return ""
    evidence = question.context.text[worst.evidence_start : worst.evidence_end]
    return INSTEAD[prompt_language(question.context.language)].format(evidence) if evidence else ""
