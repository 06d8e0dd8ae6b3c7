"""What a run would ask, cost and take, worked out from the corpus without asking anything.

The tree is taken as balanced: a root of n units with λ = m has about n / (0.75 m) leaves, since a
leaf ends up anywhere between m/2 and m, and a node for every leaf and one less. Tokens are taken
at a stated rate per unit. The numbers are for deciding whether to start, not for a bill.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from augcon.assemble import is_embedded, library_of, readable_languages
from augcon.config import Settings
from augcon.corpus import Corpus, count_units, cut_contexts
from augcon.llm.models import CALLS_AT_ONCE
from augcon.prompts import Library
from augcon.records import Context
from augcon.scorer import draw_pilot
from augcon.select import quota_of

__all__ = ["Plan", "make_plan"]

TOKENS_PER_UNIT = {"zh": 0.9}  # of a modern tokenizer
TOKENS_PER_WORD = 1.35
QUESTION_TOKENS = 30
ANSWER_TOKENS = 90
REPLY_OVERHEAD = 25
TOKENS_PER_SECOND = 40.0  # of one call at a hosted or GPU server; stated with the result
EMBEDDED_PAIRS_PER_MINUTE = 17.0  # on two cores; `benchmarks/quickstart.py`


@dataclass(frozen=True, slots=True)
class Plan:
    """The forecast. `cost` is in the currency of the prices in the settings, None without."""

    documents: int
    rejected_documents: dict[str, int]
    contexts: int
    skipped_contexts: dict[str, int]
    units: int
    pairs: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    minutes: float
    assumptions: str


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    prompt: float = 0.0
    completion: float = 0.0

    def add(self, calls: int, prompt: float, completion: float) -> None:
        self.calls += calls
        self.prompt += calls * prompt
        self.completion += calls * completion


def make_plan(corpus: Corpus, settings: Settings) -> Plan:
    """Forecast a run over this corpus with these settings."""
    cut = [
        context
        for document in corpus.documents
        for context in cut_contexts(document, settings.tree.max_units, settings.tree.min_units)
    ]
    readable = readable_languages(settings)
    roots: list[Context] = []
    skipped = Counter[str]()
    for context in cut:
        if readable is not None and context.language not in readable:
            skipped["language_not_supported"] += 1
        elif context.units < settings.tree.min_units:
            skipped["below_min_units"] += 1
        elif settings.limit is not None and len(roots) >= settings.limit:
            skipped["beyond_limit"] += 1
        else:
            roots.append(context)
    total = _asked(roots, settings, library_of(settings))
    pairs = sum(quota_of(c.units, settings.selection.units_per_pair) for c in roots)
    return Plan(
        documents=len(corpus.documents),
        rejected_documents=dict(Counter(r.reason for r in corpus.rejected)),
        contexts=len(roots),
        skipped_contexts=dict(skipped),
        units=sum(c.units for c in roots),
        pairs=pairs,
        calls=total.calls,
        prompt_tokens=round(total.prompt),
        completion_tokens=round(total.completion),
        cost=_cost(total, settings),
        minutes=_minutes(total, pairs, settings),
        assumptions=_assumptions(settings),
    )


def nodes_asked(units: int, min_units: int) -> int:
    """About how many nodes of one pass over a root are asked a question."""
    leaves = max(1, math.ceil(units / (1.5 * min_units)))
    return 2 * leaves - 1


def _asked(roots: list[Context], settings: Settings, library: Library) -> _Sum:
    total = _Sum()
    pilot = {c.id for c in _pilot(roots, settings)}
    for root in roots:
        rate = TOKENS_PER_UNIT.get(root.language, TOKENS_PER_WORD)
        nodes = nodes_asked(root.units, settings.tree.min_units)
        quota = quota_of(root.units, settings.selection.units_per_pair)
        passes = max(1, math.ceil(quota * settings.selection.overgenerate / nodes))
        depth = math.log2(max(2.0, root.units / settings.tree.min_units))
        node = rate * root.units * (depth + 1) / nodes  # mean tokens of a node's context
        prompt = _prompt_tokens(library, "tree", root.language)
        rewritten = 0.0 if is_embedded(settings) else node
        asked = passes * nodes
        total.add(asked, prompt + node, QUESTION_TOKENS + rewritten + REPLY_OVERHEAD)
        if root.id in pilot:
            total.add(3 * nodes, prompt / 2 + node, QUESTION_TOKENS)
        if settings.scorer.kind != "heuristic" and settings.model.embeddings != "off":
            total.add(asked, node + QUESTION_TOKENS, 0)
        if is_embedded(settings):
            total.add(quota, node, 0)
        else:
            prompt = _prompt_tokens(library, "answer", root.language)
            shots = settings.answers.shots * 150 * rate
            total.add(quota, prompt + shots + node + QUESTION_TOKENS, ANSWER_TOKENS)
    return total


def _pilot(roots: list[Context], settings: Settings) -> list[Context]:
    if settings.scorer.kind == "heuristic" or settings.model.embeddings == "off":
        return []
    chosen = settings.scorer
    return draw_pilot(roots, chosen.pairs, chosen.pilot_share, settings.tree.min_units)


def _prompt_tokens(library: Library, name: str, language: str) -> float:
    """Tokens of the constant part of a prompt."""
    prompt = library.prompt(name, language)
    text = prompt.instruction + "".join(v for e in prompt.examples for v in e.values())
    rate = TOKENS_PER_UNIT.get(prompt.language, TOKENS_PER_WORD)
    return rate * count_units(text)


def _cost(total: _Sum, settings: Settings) -> float | None:
    prices = settings.model.prices
    if prices is None:
        return None
    return (total.prompt * prices[0] + total.completion * prices[1]) / 1e6


def _minutes(total: _Sum, pairs: int, settings: Settings) -> float:
    if is_embedded(settings):
        return pairs / EMBEDDED_PAIRS_PER_MINUTE
    return total.completion / TOKENS_PER_SECOND / _calls_at_once(settings) / 60


def _calls_at_once(settings: Settings) -> int:
    return settings.model.concurrency or CALLS_AT_ONCE


def _assumptions(settings: Settings) -> str:
    if is_embedded(settings):
        return f"{EMBEDDED_PAIRS_PER_MINUTE:.0f} pairs a minute on two cores"
    return (
        f"{_calls_at_once(settings)} calls at once, each at {TOKENS_PER_SECOND:.0f} tokens a "
        f"second; {TOKENS_PER_WORD} tokens a word, {TOKENS_PER_UNIT['zh']} a Chinese character"
    )
