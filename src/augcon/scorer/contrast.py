"""Contrast pairs for the scorer: for one context, a question and one from a weakened prompt.

A pilot's questions go in, as the tree gave them; for each of them, three weaker questions about
the same context are asked for, one of each kind (section 3.2 of the paper).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from augcon.errors import ItemError, RequestFailed
from augcon.prompts import Weakening
from augcon.records import Context, Question

__all__ = ["Contrast", "Contrasts", "contrast", "draw_pilot"]

WeakQuestion = Callable[[Context, Weakening], Awaitable[str]]
FEWEST_ROOTS = 4


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two questions about one context, the better one first."""

    context: Context
    better: str
    worse: str
    kind: Weakening


@dataclass(slots=True)
class Contrasts:
    """What was gathered: entered = len(pairs) + same + failed.

    faults  how many of the failed are the server's, and may go well another time
    """

    entered: int = 0
    same: int = 0
    failed: int = 0
    faults: int = 0
    pairs: list[Contrast] = field(default_factory=list)


def draw_pilot(
    roots: Iterable[Context], pairs: int, share: float, units_per_node: float
) -> list[Context]:
    """The first roots, in an order that their ids decide, that should give `pairs` questions.

    At most `share` of all roots, but never fewer than four where there are so many. The order by
    id is a random one (ids are hashes), and it does not change when the corpus grows elsewhere.

    The roots may come in any order, and are gone through once. Each is expected to give at least
    one question, so that no more than `pairs` of them are ever kept.
    """
    n_roots = 0

    def counted() -> Iterable[Context]:
        nonlocal n_roots
        for root in roots:
            n_roots += 1
            yield root

    first = heapq.nsmallest(max(FEWEST_ROOTS, pairs), counted(), key=lambda r: r.id)
    most = max(FEWEST_ROOTS, round(n_roots * share))
    pilot: list[Context] = []
    expected = 0.0
    for root in first:
        if len(pilot) >= most or (expected >= pairs and len(pilot) >= FEWEST_ROOTS):
            break
        pilot.append(root)
        expected += max(1.0, root.units / units_per_node)
    return pilot


async def contrast(
    questions: Sequence[Question], weak_question: WeakQuestion, pairs: int
) -> Contrasts:
    """A weaker question of each kind for each of `pairs` questions, drawn by their ids."""
    gathered = Contrasts()
    drawn = sorted(questions, key=lambda q: q.id)[:pairs]
    # One kind after the other: what begins alike is asked in a row, for the server's prefix cache.
    wanted = [(q, kind) for kind in Weakening for q in drawn]

    async def ask(question: Question, kind: Weakening) -> str | None:
        try:
            return await weak_question(question.context, kind)
        except ItemError as error:
            gathered.faults += isinstance(error, RequestFailed)
            return None

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(question, kind)) for question, kind in wanted]
    for (question, kind), task in zip(wanted, asked, strict=True):
        gathered.entered += 1
        worse = task.result()
        if worse is None:
            gathered.failed += 1
        elif worse == question.text:
            gathered.same += 1
        else:
            gathered.pairs.append(Contrast(question.context, question.text, worse, kind))
    return gathered
