"""Stage 1: grow the Context-Split-Tree of one root context (Algorithm 1 of the paper).

A root goes in with the number of the pass; every node that was visited comes out, those that
were not asked or failed among them, in the order of a walk from the root, first part before
second. The parts of a node are grown at the same time.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace

from augcon.corpus import count_units, sentence_spans
from augcon.errors import ItemError, TooLongError
from augcon.records import Context, Node, Question, State, Verdict, failed, rejected
from augcon.tree.checks import check_parts
from augcon.tree.spans import locate
from augcon.tree.split import Divider, Division

__all__ = ["Tree"]

NOT_SPLIT = Verdict(State.NONE)


@dataclass(frozen=True, slots=True)
class Tree:
    """How to grow.

    min_units        λ: a shorter context is not asked about
    child_precision  least ROUGE-L precision of a part against its parent
    """

    divider: Divider
    min_units: int
    child_precision: float

    async def grow(self, root: Context, pass_number: int) -> tuple[Node, ...]:
        """Every node of one pass over a root. Only a fault of the whole run is raised."""
        return await self._grow(root, root, pass_number)

    async def _grow(self, context: Context, root: Context, number: int) -> tuple[Node, ...]:
        if context.units < self.min_units:
            return (Node(context, number, rejected("below_min_units"), NOT_SPLIT),)
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
        if len({child.id for child in children}) < len(children):
            split, children = rejected("parts_overlap", "the same part twice"), []
        node = _node(context, number, division, split)
        async with asyncio.TaskGroup() as group:
            branches = [group.create_task(self._grow(child, root, number)) for child in children]
        return (node, *(n for branch in branches for n in branch.result()))

    async def _divided(self, context: Context, number: int) -> Division:
        try:
            return await self.divider.divide(context, number)
        except TooLongError as error:
            return _halved(context, error)

    def _deepest(self, root: Context) -> int:
        """Twice the depth of a balanced tree: room for uneven splits, none for a runaway."""
        return 2 * math.ceil(math.log2(max(2.0, root.units / self.min_units))) + 2


def _halved(context: Context, error: TooLongError) -> Division:
    """What does not fit the model's window is asked about in smaller parts: cut at the sentence
    that begins closest to the middle."""
    text = context.text
    begins = [span.start for span in sentence_spans(text, context.language)][1:]
    if not begins:
        raise error
    cut = min(begins, key=lambda start: abs(2 * start - len(text)))
    return Division("", (text[:cut].strip(), text[cut:].strip()), error.reason)


def _node(context: Context, number: int, division: Division, split: Verdict) -> Node:
    if not division.question:
        return Node(context, number, rejected(division.why_no_question or "no_question"), split)
    question = Question.of(context, division.question, number)
    return Node(context, number, Verdict(), split, question)


def _children(context: Context, root: Context, division: Division) -> list[Context]:
    """The parts as contexts, each with the span of the document that it came from."""
    source = root.text[context.start - root.start : context.end - root.start]
    children = []
    done = 0
    for part in division.parts:
        place = locate(part, source, done)
        done = place.end
        start, end = context.start + place.start, context.start + place.end
        children.append(context.child(part, count_units(part), start, end))
    return children
