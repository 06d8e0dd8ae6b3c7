"""The whole story of one root context: questions, ranking, quota, answers.

It sees a context and the stages, and returns records. It does not know where it runs, nor that a
store exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augcon.answer import Checking, Responder, UnknownReplies
from augcon.errors import ItemError
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
    failed,
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
    """Question-answer pairs from one root context, with everything that was dropped on the way."""
    selection = stages.selection
    places = apportion(quota, selection.mix.shares, context.id)
    nodes: list[Node] = []
    questions: list[Question] = []
    judged: tuple[Judged, ...] = ()
    passes = idle = 0
    finest: Granularity | None = Granularity.DETAIL
    while finest and passes < stages.max_passes and idle < IDLE_PASSES:
        before = _progress(judged, places)
        new = await stages.tree.grow(context, passes, finest)
        passes += 1
        nodes += new
        scorer = await asyncio.shield(stages.scorer)
        scored = await with_scores([n.question for n in new if n.question], scorer)
        questions += await _classified(scored, context, stages)
        judged = choose(
            questions, quota, selection.similarity, selection.min_question_units, places
        )
        idle = idle + 1 if _progress(judged, places) == before else 0
        possible = _possible(nodes, context, stages)
        finest = finest_short(judged, quota, places, selection.overgenerate, possible)
    answers = await _answered([j.question for j in judged if j.verdict.kept], context, stages)
    return Augmented(context, quota, passes, tuple(nodes), judged, answers)


def _progress(judged: Sequence[Judged], places: Mapping[Granularity, int]) -> tuple[int, int]:
    """How many questions are kept, and how many of them in a place of their kind."""
    return sum(j.verdict.kept for j in judged), n_placed(judged, places)


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
        try:
            settled = await stages.checking.settle(question, responder)
            if stages.unknown is not None and settled.verdict.reason == UNANSWERABLE:
                settled = await stages.unknown.settle(question, root, settled)
        except ItemError as error:
            return Answer(question, "", failed(error.reason, error.detail))
        return Answer(question, settled.text, settled.verdict, settled.verification)

    return tuple(await together(answer(question) for question in questions))
