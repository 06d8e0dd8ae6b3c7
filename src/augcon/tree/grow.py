"""Stage 1: grow the Context-Split-Tree of one root context (Algorithm 1 of the paper).

A root goes in with the number of the pass; every node that was visited comes out, those that
were not asked or failed among them, in the order of a walk from the root, first part before
second. The parts of a node are grown at the same time. A question that may not stand is rejected
here, before anything is built on it, and costs no split; it is not asked for again on the spot,
since the next pass over the root asks about the same context with another seed.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace

from augcon.corpus import count_units
from augcon.errors import ItemError, TooLongError
from augcon.records import (
    Context,
    Granularity,
    Node,
    Question,
    State,
    Verdict,
    failed,
    rejected,
)
from augcon.rouge import rouge_l
from augcon.tree.checks import check_parts, check_places
from augcon.tree.granularity import granularity_of
from augcon.tree.halves import halves, sentence_borders
from augcon.tree.soundness import QuestionCheck
from augcon.tree.spans import Place, locate
from augcon.tree.split import Divider, Division, Excerpt, excerpts_of

__all__ = ["Tree"]

NOTHING_SHOWN = QuestionCheck()
NOT_SPLIT = Verdict(State.NONE)


@dataclass(frozen=True, slots=True)
class Tree:
    """How to grow.

    min_units        λ: a shorter context is not asked about
    child_precision  least ROUGE-L precision of a part against its parent
    check            which questions may stand
    """

    divider: Divider
    min_units: int
    child_precision: float
    check: QuestionCheck = NOTHING_SHOWN

    async def grow(
        self, root: Context, pass_number: int, finest: Granularity = Granularity.DETAIL
    ) -> tuple[Node, ...]:
        """Every node of one pass over a root. Only a fault of the whole run is raised.

        finest  of the questions that are wanted: nothing finer is asked about, for a part of a
                context is never coarser than it
        """
        return await self._grow(root, root, pass_number, finest)

    async def _grow(
        self, context: Context, root: Context, number: int, finest: Granularity
    ) -> tuple[Node, ...]:
        if context.units < self.min_units:
            return (Node(context, number, rejected("below_min_units"), NOT_SPLIT),)
        kind = granularity_of(context, root)
        if kind.fineness > finest.fineness:
            return (Node(context, number, rejected("share_full", kind), NOT_SPLIT),)
        try:
            division = await self._divided(context, number)
        except ItemError as error:
            return (Node(context, number, failed(error.reason, error.detail), NOT_SPLIT),)
        split = (
            check_parts(context, division.parts, self.child_precision)
            if context.depth < self._deepest(root)
            else rejected("too_deep")
        )
        split = replace(split, detail=division.note) if split.kept else split
        children = _children(context, root, division) if split.kept else []
        if not (placed := check_places(children)).kept:
            split, children = placed, []
        node = self._node(context, number, division, split, kind)
        async with asyncio.TaskGroup() as group:
            branches = [
                group.create_task(self._grow(child, root, number, finest)) for child in children
            ]
        return (node, *(n for branch in branches for n in branch.result()))

    async def _divided(self, context: Context, number: int) -> Division:
        try:
            return await self.divider.divide(context, number)
        except TooLongError as error:
            return _halved(context, error)

    def _node(
        self, context: Context, number: int, division: Division, split: Verdict, kind: Granularity
    ) -> Node:
        if not division.question:
            why = division.why_no_question or "no_question"
            return Node(context, number, rejected(why), split)
        sound = self.check(division.question, context)
        if not sound.kept:
            found = f"{sound.detail!r} in: " if sound.detail else ""
            told = rejected(sound.reason, f"{found}{division.question}")
            return Node(context, number, told, split)
        question = Question.of(context, division.question, number, kind)
        return Node(context, number, Verdict(), split, question)

    def _deepest(self, root: Context) -> int:
        """Twice the depth of a balanced tree: room for uneven splits, none for a runaway."""
        return 2 * math.ceil(math.log2(max(2.0, root.units / self.min_units))) + 2


def _halved(context: Context, error: TooLongError) -> Division:
    """What does not fit the model's window is asked about in smaller parts."""
    parts = halves(context.text, sentence_borders(context))
    if not parts:
        raise error
    return Division.verbatim("", excerpts_of(context.text, parts), error.reason)


def _children(context: Context, root: Context, division: Division) -> list[Context]:
    """The parts as contexts, each with the span of the document that it came from."""
    source = root.text[context.start - root.start : context.end - root.start]
    children: list[Context] = []
    for number, part in enumerate(division.parts):
        done = children[-1].end - context.start if children else 0
        place = (
            _place_of(part, division.excerpts[number], context.text, source, done)
            if division.excerpts
            else locate(part, source, done)
        )
        start, end = context.start + place.start, context.start + place.end
        children.append(context.child(part, count_units(part), start, end, place.explained))
    return children


def _place_of(part: str, excerpt: Excerpt, text: str, source: str, done: int) -> Place:
    """Where the source of a node's text has a part whose place in the text is known.

    A node that was mended itself, or put together, is not its source, so its parts are looked for
    there; but where a part begins or ends as the node does, so does its place.
    """
    if text == source:
        start, end = excerpt.start, excerpt.end
    else:
        start, end, _ = locate(excerpt.text, source, done)
        start = start if text[: excerpt.start].strip() else 0
        end = end if text[excerpt.end :].strip() else len(source)
    if text == source and part == excerpt.text:
        return Place(start, end, 1.0)
    return Place(start, end, rouge_l(part, source[start:end]).precision)
