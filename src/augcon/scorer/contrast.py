"""Contrast pairs for the scorer: for one context, a question and a worse one.

A pilot's questions go in, as the tree gave them; for each of them, three weaker questions about
the same context are asked for, one of each kind (section 3.2 of the paper), and others are made
that are worse beyond doubt and cost no call: the question is spoilt, or is one about another text.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from augcon.errors import ItemError, RequestFailed
from augcon.llm.call import seed_of
from augcon.prompts import Weakening
from augcon.records import Context, Question
from augcon.rouge import Token, token_spans
from augcon.scorer.heuristic import FUNCTION_WORDS
from augcon.together import together
from augcon.words import simplified

__all__ = ["Contrast", "Contrasts", "Spoiling", "contrast", "draw_pilot", "spoil"]

WeakQuestion = Callable[[Context, Weakening], Awaitable[str]]
FEWEST_ROOTS = 4
LEAST_CUT, MOST_CUT = 0.3, 0.7  # share of a question's words that a cut leaves


class Spoiling(StrEnum):
    """Ways to a worse question that need no model."""

    ELSEWHERE = "elsewhere"  # a question about another root: of the same document, where one is
    SIBLING = "sibling"  # a question about another part of the same root
    CUT = "cut"  # it breaks off
    SWAPPED = "swapped"  # a word of it, a name where there is one, becomes one of another question
    SHUFFLED = "shuffled"  # its words are in another order


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two questions about one context, the better one first."""

    context: Context
    better: str
    worse: str
    kind: Weakening | Spoiling


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
    questions: Sequence[Question],
    weak_question: WeakQuestion | None,
    pairs: int,
    spoilt: bool = True,
) -> Contrasts:
    """Each of `pairs` questions, drawn by their ids, against a worse one of each kind.

    weak_question  asks with a weakened prompt; without it no model is asked
    spoilt         whether questions are spoilt too
    """
    gathered = Contrasts()
    drawn = sorted(questions, key=lambda q: q.id)[:pairs]
    if weak_question is not None:
        await _ask_weakly(gathered, drawn, weak_question)
    if spoilt:
        made = spoil(drawn)
        gathered.entered += len(made)
        gathered.pairs += made
    return gathered


async def _ask_weakly(
    gathered: Contrasts, drawn: Sequence[Question], weak_question: WeakQuestion
) -> None:
    # One kind after the other: what begins alike is asked in a row, for the server's prefix cache.
    wanted = [(q, kind) for kind in Weakening for q in drawn]

    async def ask(question: Question, kind: Weakening) -> str | None:
        try:
            return await weak_question(question.context, kind)
        except ItemError as error:
            gathered.faults += isinstance(error, RequestFailed)
            return None

    asked = await together(ask(question, kind) for question, kind in wanted)
    for (question, kind), worse in zip(wanted, asked, strict=True):
        gathered.entered += 1
        if worse is None:
            gathered.failed += 1
        elif worse == question.text:
            gathered.same += 1
        else:
            gathered.pairs.append(Contrast(question.context, question.text, worse, kind))


def spoil(questions: Sequence[Question]) -> list[Contrast]:
    """Each question against every spoiling that it allows; the same ones in any order."""
    drawn = sorted(questions, key=lambda q: q.id)
    makers: dict[Spoiling, Callable[[Question, random.Random], str]] = {
        Spoiling.ELSEWHERE: lambda q, draw: _text_of(_elsewhere(q, drawn), draw),
        Spoiling.SIBLING: lambda q, draw: _text_of(_siblings(q, drawn), draw),
        Spoiling.CUT: _cut,
        Spoiling.SWAPPED: lambda q, draw: _swapped(q, _elsewhere(q, drawn), draw),
        Spoiling.SHUFFLED: _shuffled,
    }
    made = []
    for kind, make in makers.items():
        for question in drawn:
            draw = random.Random(seed_of(question.id, "spoilt", kind))  # noqa: S311 - a seeded draw
            worse = make(question, draw)
            if worse and worse != question.text:
                made.append(Contrast(question.context, question.text, worse, kind))
    return made


def _elsewhere(question: Question, others: Sequence[Question]) -> list[Question]:
    """Questions about other roots; of the same document where there are any."""
    context = question.context
    foreign = [
        other
        for other in others
        if other.context.root_id != context.root_id and other.context.language == context.language
    ]
    near = [other for other in foreign if other.context.document == context.document]
    return near or foreign


def _siblings(question: Question, others: Sequence[Question]) -> list[Question]:
    """Questions about parts of the same root that share nothing with this one's context."""
    mine = question.context
    return [
        other
        for other in others
        if other.context.root_id == mine.root_id
        and (other.context.end <= mine.start or mine.end <= other.context.start)
    ]


def _text_of(questions: Sequence[Question], draw: random.Random) -> str:
    return draw.choice(questions).text if questions else ""


def _cut(question: Question, draw: random.Random) -> str:
    """The first words alone, with the mark at the end."""
    words = token_spans(question.text)
    left = round(len(words) * draw.uniform(LEAST_CUT, MOST_CUT))
    if not 0 < left < len(words):
        return ""
    return question.text[: words[left - 1].end] + question.text[words[-1].end :]


def _shuffled(question: Question, draw: random.Random) -> str:
    """The same words in another order, what stands between them in its place."""
    text, words = question.text, token_spans(question.text)
    order = draw.sample(words, len(words))
    if not words:
        return ""
    between = [text[one.end : two.start] for one, two in pairwise(words)]
    shuffled = [text[word.start : word.end] for word in order]
    body = "".join(word + gap for word, gap in zip(shuffled, [*between, ""], strict=True))
    return text[: words[0].start] + body + text[words[-1].end :]


def _swapped(question: Question, others: Sequence[Question], draw: random.Random) -> str:
    """A name or else a long word of the question replaced with one of another question."""
    mine = _telling(question.text)
    told = question.context.text.casefold()
    text = question.text
    for other in draw.sample(list(others), len(others)):
        foreign = [
            other.text[word.start : word.end]
            for word in _telling(other.text)
            if word.text not in told
        ]
        if mine and foreign:
            place = draw.choice(mine)
            return text[: place.start] + draw.choice(foreign) + text[place.end :]
    return ""


def _telling(text: str) -> list[Token]:
    """The names and numbers of a question; where it has none, its longest content words."""
    words = [w for w in token_spans(text) if simplified(w.text) not in FUNCTION_WORDS]
    named = [w for w in words[1:] if text[w.start].isupper() or text[w.start].isdigit()]
    longest = max((len(word.text) for word in words), default=0)
    return named or [word for word in words if len(word.text) == longest]
