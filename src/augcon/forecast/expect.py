"""What a run over some root contexts should ask, from their lengths alone.

The tree is taken as balanced: halving n units again and again until λ is passed asks about
n / (λ ln 2) - 1 nodes, the mean over where the last halving lands. Tokens are taken at the rates
of `augcon.forecast.rates`. The numbers are for deciding whether to start, not for a bill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from augcon.answer import FEWEST_TO_SEARCH
from augcon.assemble import is_embedded, library_of
from augcon.config import Settings
from augcon.forecast.rates import (
    ASSUMED,
    CLAIM_TOKENS,
    GRADE_TOKENS,
    VERDICT_TOKENS,
    Rates,
    Served,
    Sizes,
)
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.prompts.size import prompt_tokens
from augcon.records import Context
from augcon.scorer import draw_pilot
from augcon.select import quota_of
from augcon.store.outlook import Asking, Forecast

__all__ = ["expect"]

REVISED = 0.05  # share of answers that are found wanting and asked for once more; assumed

# Of the embedded model, as counted on examples/: questions and draws for a node asked, and texts
# read by the reader or the encoder for each node and each answer.
SMALL_YIELD = 0.55
SMALL_DRAWS = 1.05
SMALL_READINGS = 4
SMALL_QUESTION_TOKENS = 14  # the server counts one candidate of each draw
SMALL_ANSWER_PROMPT = 80  # the question, and the closest sentences
SMALL_ANSWER_TOKENS = 40
SMALL_WEAK_PROMPT = 200
SMALL_WEAK_QUESTION = 30


@dataclass(slots=True)
class _Kind:
    """Calls of one kind, and their tokens."""

    calls: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0

    def add(self, calls: float, prompt: float, completion: float) -> None:
        self.calls += calls
        self.prompt += calls * prompt
        self.completion += calls * completion

    def told(self, of_contexts: float, tries: float) -> Asking:
        return Asking(
            calls=round(tries * self.calls),
            before=round(tries * (self.calls - of_contexts)),
            prompt_tokens=round(tries * self.prompt),
            completion_tokens=round(tries * self.completion),
        )


@dataclass(slots=True)
class _Sum:
    contexts: int = 0
    units: int = 0
    asked: float = 0.0
    pairs: int = 0
    texts: _Kind = field(default_factory=_Kind)
    vectors: _Kind = field(default_factory=_Kind)


@dataclass(frozen=True, slots=True)
class _Language:
    """What calls about texts of one language take."""

    rates: Rates
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class _Tree:
    """Of one root: nodes asked in one pass, their mean units, and the passes."""

    nodes: float
    units: float
    passes: int


def expect(roots: Iterable[Context], settings: Settings, served: Served = ASSUMED) -> Forecast:
    """Forecast a run over these root contexts. They are gone through once; the pilot is kept."""
    library = library_of(settings)
    total = _Sum()
    ask_root = (_small if is_embedded(settings) else _ordinary)(total, settings, library, served)
    languages: set[str] = set()

    def each_asked() -> Iterator[Context]:
        for root in roots:
            total.contexts += 1
            total.units += root.units
            languages.add(prompt_language(root.language))
            ask_root(root)
            yield root

    chosen = settings.scorer
    pilot = draw_pilot(each_asked(), chosen.pairs, chosen.pilot_share, settings.tree.min_units)
    texts, vectors = total.texts.calls, total.vectors.calls
    if _is_ranked(settings, served):
        _ask_contrasts(total, pilot, settings, library, served)
    if not is_embedded(settings):
        for language in sorted(languages):
            _ask_search(total, settings, _language(settings, library, served, language))
    return Forecast(
        contexts=total.contexts,
        units=total.units,
        asked=total.asked,
        pairs=total.pairs,
        texts=total.texts.told(texts, served.tries),
        vectors=total.vectors.told(vectors, 1.0),
    )


def nodes_asked(units: int, min_units: int) -> float:
    """About how many nodes of one pass over a root are asked a question."""
    return max(1.0, units / (min_units * math.log(2)) - 1)


def _language(settings: Settings, library: Library, served: Served, language: str) -> _Language:
    rates = served.rates_for(prompt_language(language))
    return _Language(rates, Sizes.of(settings, library, language, served.form))


def _ordinary(
    total: _Sum, settings: Settings, library: Library, served: Served
) -> Callable[[Context], None]:
    """How to add the tree of one root in all its passes, the ranking, and the answers."""

    @cache
    def known(language: str) -> _Language:
        return _language(settings, library, served, language)

    ranked = _is_ranked(settings, served)

    def ask(root: Context) -> None:
        language = known(prompt_language(root.language))
        rates, sizes = language.rates, language.sizes
        quota = quota_of(root.units, settings.selection.units_per_pair)
        tree = _tree(root, quota, 1.0, settings)
        asked, text = tree.passes * tree.nodes, rates.context * tree.units
        total.asked += asked + quota
        total.pairs += quota
        total.texts.add(
            asked, rates.ours * sizes.tree + text, rates.divided + rates.parts * tree.units
        )
        total.texts.add(quota, rates.ours * sizes.answer + text + rates.question, rates.answer)
        _ask_again(total, settings, language, quota, text)
        if ranked:
            total.vectors.add(asked, text + rates.question, 0)

    return ask


def _ask_again(
    total: _Sum, settings: Settings, language: _Language, answers: int, text: float
) -> None:
    """Answers that are revised, and those that the model verifies sentence by sentence.

    text  tokens of the context of an answer
    """
    rates, sizes = language.rates, language.sizes
    shown = text + rates.question + rates.answer
    revised = REVISED * answers
    total.texts.add(revised, rates.ours * sizes.revise + shown + CLAIM_TOKENS, rates.answer)
    if settings.answers.verify == "model":
        claims = (answers + revised) * max(1.0, rates.answer / CLAIM_TOKENS)
        judged = rates.ours * sizes.verify + shown + CLAIM_TOKENS
        total.texts.add(claims, judged, VERDICT_TOKENS)


def _small(
    total: _Sum, settings: Settings, library: Library, served: Served
) -> Callable[[Context], None]:
    """How to add a root of the embedded model's."""
    prompt = prompt_tokens(library.prompt("tuned_question", "en"))
    ranked = _is_ranked(settings, served)

    def ask(root: Context) -> None:
        quota = quota_of(root.units, settings.selection.units_per_pair)
        tree = _tree(root, quota, SMALL_YIELD, settings)
        node = Rates.assumed(root.language).context * tree.units
        asked = tree.passes * tree.nodes
        total.asked += asked + quota
        total.pairs += quota
        total.texts.add(SMALL_DRAWS * asked, prompt + node, SMALL_QUESTION_TOKENS)
        if settings.answers.embedded == "written":
            total.texts.add(quota, prompt + node + SMALL_ANSWER_PROMPT, SMALL_ANSWER_TOKENS)
        total.vectors.add(SMALL_READINGS * (tree.nodes + quota), node / 2, 0)
        if ranked:
            total.vectors.add(SMALL_YIELD * asked, node + SMALL_QUESTION_TOKENS, 0)

    return ask


def _ask_contrasts(
    total: _Sum, pilot: list[Context], settings: Settings, library: Library, served: Served
) -> None:
    """Weak questions about nodes of the pilot, and their hidden states."""
    trees = [(root, _tree(root, 1, 1.0, settings)) for root in pilot]
    nodes = sum(tree.nodes for _, tree in trees)
    drawn = min(1.0, settings.scorer.pairs / max(1.0, nodes))

    @cache
    def known(name: str) -> _Language:
        return _language(settings, library, served, name)

    for root, tree in trees:
        language = known(prompt_language(root.language))
        rates, weak, asked = language.rates, language.sizes.weak, drawn * tree.nodes
        text = rates.context * tree.units
        for kind in weak:
            if is_embedded(settings):
                total.texts.add(asked, SMALL_WEAK_PROMPT + text, SMALL_WEAK_QUESTION)
            else:
                total.texts.add(asked, rates.ours * weak[kind] + text, rates.divided)
            total.vectors.add(asked, text + rates.question, 0)


def _ask_search(total: _Sum, settings: Settings, language: _Language) -> None:
    """Each set of examples answers some annotated questions, and each answer is graded."""
    rates, sizes, answers = language.rates, language.sizes, settings.answers
    if sizes.annotated < FEWEST_TO_SEARCH:
        return
    others = sizes.annotated - min(answers.shots, sizes.annotated - 1)
    tried = answers.search_trials * min(answers.search_items, others)
    total.texts.add(tried, rates.ours * (sizes.answer + sizes.example), rates.answer)
    judged = rates.ours * sizes.judge + rates.question + 2 * rates.answer
    total.texts.add(tried, judged, GRADE_TOKENS)


def _tree(root: Context, quota: int, found: float, settings: Settings) -> _Tree:
    """found: questions for a node asked."""
    nodes = nodes_asked(root.units, settings.tree.min_units)
    depth = math.log2(max(2.0, root.units / settings.tree.min_units))
    wanted = quota * settings.selection.overgenerate / (nodes * found)
    passes = min(settings.tree.max_passes, max(1, math.ceil(wanted)))
    return _Tree(nodes, min(root.units, root.units * (depth + 0.5) / nodes), passes)


def _is_ranked(settings: Settings, served: Served) -> bool:
    wanted = settings.scorer.kind != "heuristic" and settings.model.embeddings != "off"
    return wanted and served.embeddings
