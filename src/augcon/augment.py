"""The whole story of one root context: questions, ranking, quota, answers.

It sees a context and the stages, and returns records. It does not know where it runs, nor that a
store exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from augcon.answer import Checking, Responder
from augcon.config import SelectionSettings
from augcon.errors import ItemError
from augcon.records import Answer, Augmented, Context, Judged, Node, Question, failed
from augcon.scorer import Scorer
from augcon.select import choose
from augcon.tree import Tree

__all__ = ["Stages", "augment", "granularity"]

IDLE_PASSES = 2  # so many passes that bring nothing new, and the root is given up
MACRO_SHARE = 0.5
CONCEPT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Stages:
    """The three stages, as a run has set them up.

    Scorer and responder may still be in the making while the first trees grow.
    """

    tree: Tree
    scorer: asyncio.Future[Scorer]
    responder: asyncio.Future[Responder]
    checking: Checking
    selection: SelectionSettings
    max_passes: int


async def augment(context: Context, quota: int, stages: Stages) -> Augmented:
    """Question-answer pairs from one root context, with everything that was dropped on the way."""
    nodes: list[Node] = []
    questions: list[Question] = []
    judged: tuple[Judged, ...] = ()
    passes = idle = 0
    while passes < stages.max_passes and idle < IDLE_PASSES:
        before = n_kept(judged)
        new = await stages.tree.grow(context, passes)
        passes += 1
        nodes += new
        scorer = await asyncio.shield(stages.scorer)
        questions += await scorer.score([n.question for n in new if n.question])
        judged = _chosen(questions, quota, stages.selection)
        idle = idle + 1 if n_kept(judged) == before else 0
        if n_kept(judged) >= quota and len(questions) >= stages.selection.overgenerate * quota:
            break
    answers = await _answered([j.question for j in judged if j.verdict.kept], context, stages)
    return Augmented(context, quota, passes, tuple(nodes), judged, answers)


def n_kept(judged: Sequence[Judged]) -> int:
    return sum(j.verdict.kept for j in judged)


def granularity(context: Context, root: Context) -> str:
    """What a question about all of `context` is, by its share of the root: macro to detail."""
    share = context.units / root.units
    if share >= MACRO_SHARE:
        return "macro"
    return "concept" if share >= CONCEPT_SHARE else "detail"


def _chosen(
    questions: Sequence[Question], quota: int, selection: SelectionSettings
) -> tuple[Judged, ...]:
    return choose(questions, quota, selection.similarity, selection.min_question_units)


async def _answered(
    questions: Sequence[Question], root: Context, stages: Stages
) -> tuple[Answer, ...]:
    responder = await asyncio.shield(stages.responder)

    async def answer(question: Question) -> Answer:
        kind = granularity(question.context, root)
        try:
            settled = await stages.checking.settle(question, responder)
        except ItemError as error:
            return Answer(question, "", kind, failed(error.reason, error.detail))
        return Answer(question, settled.text, kind, settled.verdict, settled.verification)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer(question)) for question in questions]
    return tuple(task.result() for task in tasks)
