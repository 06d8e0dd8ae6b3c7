"""The whole story of one root context: questions, ranking, quota, answers.

It sees a context and the stages, and returns records. It does not know where it runs, nor that a
store exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from augcon.answer import Checking, Responder, UnknownReplies
from augcon.errors import RequestFailed
from augcon.records import (
    NOT_ASKED,
    UNANSWERABLE,
    Answer,
    Augmented,
    Context,
    Granularity,
    Judged,
    Node,
    Question,
)
from augcon.scorer import Scorer, with_scores
from augcon.sections import SelectionSettings
from augcon.select import Classifier, apportion, choose, finest_short, n_placed, soundness
from augcon.together import together
from augcon.tree import Tree, granularity_of

__all__ = ["Stages", "augment"]

IDLE_PASSES = 2  # so many passes that bring nothing new, and the root is given up


@dataclass(frozen=True, slots=True)
class Stages:
    """The three stages, as a run has set them up.

    Scorer and responder may still be in the making while the first trees grow. Without a
    classifier the granularity of a question is that of its node, and without `unknown` nobody
    replies to a question that its context cannot answer.
    """

    tree: Tree
    scorer: asyncio.Future[Scorer]
    responder: asyncio.Future[Responder]
    checking: Checking
    selection: SelectionSettings
    max_passes: int
    classifier: Classifier | None = None
    unknown: UnknownReplies | None = None


async def augment(context: Context, quota: int, stages: Stages) -> Augmented:
    """Question-answer pairs from one root context, with everything that was dropped on the way.

    A question whose answer is rejected takes no place of the quota: the next best one has it, and
    where there is none left, the tree is grown again. Once as many are lost as there are places,
    the fault is not the questions', and no more are tried.
    """
    work = _Work(context, quota, stages)
    while await work.grow() or await work.answer():
        pass
    answers = [work.answers[j.question.id] for j in work.judged if j.verdict.kept]
    return Augmented(
        context, quota, work.passes, tuple(work.nodes), tuple(work.judged), tuple(answers)
    )


@dataclass(slots=True)
class _Work:
    """What has come of one root so far.

    answers  by question id
    idle     passes in a row that brought nothing new
    """

    context: Context
    quota: int
    stages: Stages
    passes: int = 0
    idle: int = 0
    nodes: list[Node] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    judged: Sequence[Judged] = ()
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def places(self) -> Mapping[Granularity, int]:
        return apportion(self.quota, self.stages.selection.mix.shares, self.context.id)

    @property
    def lost(self) -> set[str]:
        """The questions whose answer may not stand; not those that the server stumbled over, which
        are asked again when the run is started again."""
        gone = {name: a.verdict for name, a in self.answers.items() if not a.verdict.kept}
        return {name for name, v in gone.items() if v.reason != RequestFailed.reason}

    def _choose(self) -> None:
        selection, lost = self.stages.selection, self.lost
        self.judged = choose(
            *(self.questions, self.quota, selection.similarity, selection.min_question_units),
            *(self.places, {name: name not in lost for name in self.answers}),
        )

    def _progress(self) -> tuple[int, int]:
        """How many questions are kept, and how many of them in a place of their kind."""
        lost = self.lost
        standing = [j for j in self.judged if j.question.id not in lost]
        return sum(j.verdict.kept for j in standing), n_placed(standing, self.places)

    async def grow(self) -> bool:
        """One more pass over the root, unless there are questions enough or none are to be had."""
        finest = self._wanted()
        if finest is None or self.passes >= self.stages.max_passes or self.idle >= IDLE_PASSES:
            return False
        new = await self.stages.tree.grow(self.context, self.passes, finest)
        self.passes += 1
        self.nodes += new
        scorer = await asyncio.shield(self.stages.scorer)
        scored = await with_scores([n.question for n in new if n.question], scorer)
        self.questions += await _classified(scored, self.context, self.stages)
        before = self._progress()
        self._choose()
        self.idle = self.idle + 1 if self._progress() == before else 0
        return True

    def _wanted(self) -> Granularity | None:
        """The finest kind of which more questions are wanted; all of them before the first pass."""
        if not self.passes:
            return Granularity.DETAIL
        possible = _possible(self.nodes, self.context, self.stages)
        more = self.stages.selection.overgenerate
        return finest_short(self.judged, self.quota, self.places, more, possible, self.lost)

    async def answer(self) -> bool:
        """Answer what is chosen; whether a place has become free by it."""
        kept = (j.question for j in self.judged if j.verdict.kept)
        before = len(self.lost)
        fresh = [question for question in kept if question.id not in self.answers]
        new = await _answered(fresh, self.context, self.stages)
        self.answers |= {answer.question.id: answer for answer in new}
        if not before < len(self.lost) <= self.quota:
            return False
        self._choose()
        return True


def _possible(nodes: Sequence[Node], root: Context, stages: Stages) -> set[Granularity]:
    """The kinds that a root can give, as far as its trees tell: a short root has no macro node,
    and with a large λ no node is small enough for a detail. What the model will say nobody knows.
    """
    if stages.classifier is not None:
        return set(Granularity)
    asked = (node.context for node in nodes if node.verdict.reason not in NOT_ASKED)
    return {granularity_of(context, root) for context in asked}


async def _classified(
    questions: Sequence[Question], root: Context, stages: Stages
) -> Sequence[Question]:
    """The questions with the model's word for their granularity, where one is asked for it and
    they are sound."""
    if stages.classifier is None:
        return questions
    least = stages.selection.min_question_units
    sound = [question for question in questions if soundness(question, least).kept]
    known = {q.id: q for q in await stages.classifier.classify(sound, root)}
    return [known.get(question.id, question) for question in questions]


async def _answered(
    questions: Sequence[Question], root: Context, stages: Stages
) -> tuple[Answer, ...]:
    responder = await asyncio.shield(stages.responder)

    async def answer(question: Question) -> Answer:
        found = await stages.checking.settle(question, responder)
        if stages.unknown is not None and found.verdict.reason == UNANSWERABLE:
            found = await stages.unknown.settle(question, root, found)
        return Answer(
            *(question, found.text, found.verdict, found.verification, found.drafts, found.asked)
        )

    return tuple(await together(answer(question) for question in questions))
