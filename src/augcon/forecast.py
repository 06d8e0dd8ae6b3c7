"""What a run would ask, cost and take, worked out from the corpus without asking anything.

The tree is taken as balanced: a root of n units with λ = m has about n / (0.75 m) leaves, since a
leaf ends up anywhere between m/2 and m, and a node for every leaf and one less. Tokens are taken
at a stated rate per unit. The numbers are for deciding whether to start, not for a bill.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from augcon.admission import cut_roots
from augcon.answer import FEWEST_TO_SEARCH
from augcon.assemble import EXAMPLE_UNITS, is_embedded, library_of
from augcon.config import Settings
from augcon.corpus import Corpus
from augcon.errors import CorpusError
from augcon.llm.machine import usable_cores
from augcon.llm.models import CALLS_AT_ONCE
from augcon.prompts import Library, Weakening
from augcon.prompts.library import prompt_language
from augcon.prompts.size import (
    TOKENS_PER_WORD,
    TOKENS_PER_ZH_CHARACTER,
    prompt_tokens,
    tokens_per_unit,
)
from augcon.records import Context
from augcon.scorer import draw_pilot
from augcon.select import quota_of

__all__ = ["Plan", "make_plan"]

QUESTION_TOKENS = 30
ANSWER_TOKENS = 90
REPLY_OVERHEAD = 25
WEAK_PROMPT_TOKENS = 200
# Of the embedded model, as counted on examples/: questions and draws for a node asked, and texts
# read by the reader or the encoder for each node and each answer.
SMALL_YIELD = 0.55
SMALL_DRAWS = 1.05
SMALL_READINGS = 4
SMALL_QUESTION_TOKENS = 14  # the server counts one candidate of each draw
SMALL_ANSWER_PROMPT = 80  # the question, and the closest sentences
SMALL_ANSWER_TOKENS = 40
# Of a GGUF file: tokens a second times bytes, for each core, as measured on the embedded model's
# files. A processor reads and writes the slower the larger the file is, in proportion.
FILE_READS = 260 * 145e6
FILE_WRITES = 80 * 145e6
ORDINARY_FILE_BYTES = 2_500_000_000
TOKENS_PER_SECOND = 40.0  # of one call at a hosted or GPU server; stated with the result
EMBEDDED_PAIRS_PER_MINUTE = 20.0  # on two cores; `benchmarks/quickstart.py`

# Name and language of a prompt → the tokens of its constant part.
Constant = Callable[[str, str], float]


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


@dataclass(slots=True)
class _Seen:
    """What the root contexts of a corpus add up to, as they pass by."""

    contexts: int = 0
    units: int = 0
    pairs: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    why_skipped: Counter[str] = field(default_factory=Counter)


def make_plan(corpus: Corpus, settings: Settings) -> Plan:
    """Forecast a run over this corpus with these settings.

    Raises CorpusError where no context would be worked on.
    """
    seen, total = _Seen(), _Sum()
    _ask(total, _admitted(corpus, settings, seen), settings, library_of(settings))
    if seen.skipped and not seen.contexts:
        told = seen.why_skipped.most_common(3)
        why = "; ".join(f"{n} contexts: {detail}" for detail, n in told)
        raise CorpusError(f"nothing would be asked: {why}")
    return Plan(
        documents=len(corpus),
        rejected_documents=dict(Counter(r.reason for r in corpus.rejected)),
        contexts=seen.contexts,
        skipped_contexts=dict(seen.skipped),
        units=seen.units,
        pairs=seen.pairs,
        calls=total.calls,
        prompt_tokens=round(total.prompt),
        completion_tokens=round(total.completion),
        cost=_cost(total, settings),
        minutes=_minutes(total, seen.pairs, settings),
        assumptions=_assumptions(settings),
    )


def _admitted(corpus: Corpus, settings: Settings, seen: _Seen) -> Iterator[Context]:
    """The root contexts that would be worked on; all that there are go into `seen`."""
    for _, roots in cut_roots(corpus, settings):
        for root in roots:
            if root.admitted:
                seen.contexts += 1
                seen.units += root.context.units
                seen.pairs += root.quota
                yield root.context
            else:
                seen.skipped[root.verdict.reason] += 1
                seen.why_skipped[root.verdict.detail] += 1


def nodes_asked(units: int, min_units: int) -> int:
    """About how many nodes of one pass over a root are asked a question."""
    leaves = max(1, math.ceil(units / (1.5 * min_units)))
    return 2 * leaves - 1


def _ask(total: _Sum, roots: Iterable[Context], settings: Settings, library: Library) -> None:
    """All that is asked. The roots are gone through once: only the pilot is kept."""
    languages: set[str] = set()

    @cache
    def constant(name: str, language: str) -> float:
        return prompt_tokens(library.prompt(name, language))

    def each_asked() -> Iterator[Context]:
        for root in roots:
            _ask_root(total, root, settings, constant)
            languages.add(prompt_language(root.language))
            yield root

    pilot = _pilot(each_asked(), settings)
    if _is_ranked(settings):
        _ask_contrasts(total, pilot, settings)
    if not is_embedded(settings):
        for language in sorted(languages):
            _ask_search(total, language, settings, len(library.triplets(language)), constant)


def _ask_root(total: _Sum, root: Context, settings: Settings, constant: Constant) -> None:
    """The tree of one root, in all its passes, the ranking, and the answers."""
    small = is_embedded(settings)
    nodes, node = _nodes(root, settings)
    quota = quota_of(root.units, settings.selection.units_per_pair)
    questions = nodes * (SMALL_YIELD if small else 1.0)
    passes = max(1, math.ceil(quota * settings.selection.overgenerate / questions))
    asked = passes * nodes
    if small:
        prompt = constant("tuned_question", root.language)
        total.add(round(SMALL_DRAWS * asked), prompt + node, SMALL_QUESTION_TOKENS)
        if settings.answers.embedded == "written":
            total.add(quota, prompt + node + SMALL_ANSWER_PROMPT, SMALL_ANSWER_TOKENS)
        total.add(SMALL_READINGS * (nodes + quota), node / 2, 0)
    else:
        prompt = constant("tree", root.language)
        total.add(asked, prompt + node, QUESTION_TOKENS + node + REPLY_OVERHEAD)
        answers = constant("answer", root.language)
        shots = settings.answers.shots * EXAMPLE_UNITS * tokens_per_unit(root.language)
        total.add(quota, answers + shots + node + QUESTION_TOKENS, ANSWER_TOKENS)
    if _is_ranked(settings):
        total.add(round(passes * questions), node + QUESTION_TOKENS, 0)


def _ask_contrasts(total: _Sum, pilot: list[Context], settings: Settings) -> None:
    """Weak questions, and their hidden states."""
    sizes = [_nodes(root, settings) for root in pilot]
    nodes = sum(number for number, _ in sizes)
    node = sum(number * tokens for number, tokens in sizes) / max(1, nodes)
    weak = len(Weakening) * min(settings.scorer.pairs, nodes)
    total.add(weak, WEAK_PROMPT_TOKENS + node, QUESTION_TOKENS)
    total.add(weak, node + QUESTION_TOKENS, 0)


def _ask_search(
    total: _Sum, language: str, settings: Settings, annotated: int, constant: Constant
) -> None:
    """Each set of examples answers some annotated questions, and each answer is graded."""
    if annotated < FEWEST_TO_SEARCH:
        return
    tried = settings.answers.search_trials * min(settings.answers.search_items, annotated - 1)
    shots = settings.answers.shots * EXAMPLE_UNITS * tokens_per_unit(language)
    total.add(tried, constant("answer", language) + shots, ANSWER_TOKENS)
    judged = constant("judge", language) + QUESTION_TOKENS + 2 * ANSWER_TOKENS
    total.add(tried, judged, ANSWER_TOKENS)


def _nodes(root: Context, settings: Settings) -> tuple[int, float]:
    """How many nodes of a root are asked in one pass, and the mean tokens of their contexts."""
    nodes = nodes_asked(root.units, settings.tree.min_units)
    depth = math.log2(max(2.0, root.units / settings.tree.min_units))
    return nodes, tokens_per_unit(root.language) * root.units * (depth + 1) / nodes


def _is_ranked(settings: Settings) -> bool:
    return settings.scorer.kind != "heuristic" and settings.model.embeddings != "off"


def _pilot(roots: Iterable[Context], settings: Settings) -> list[Context]:
    chosen = settings.scorer
    return draw_pilot(roots, chosen.pairs, chosen.pilot_share, settings.tree.min_units)


def _cost(total: _Sum, settings: Settings) -> float | None:
    prices = settings.model.prices
    if prices is None:
        return None
    return (total.prompt * prices[0] + total.completion * prices[1]) / 1e6


def _minutes(total: _Sum, pairs: int, settings: Settings) -> float:
    if is_embedded(settings):
        return pairs / EMBEDDED_PAIRS_PER_MINUTE
    if settings.model.kind == "file":
        seconds = total.prompt / FILE_READS + total.completion / FILE_WRITES
        return seconds * _file_bytes(settings) / usable_cores() / 60
    return total.completion / TOKENS_PER_SECOND / _calls_at_once(settings) / 60


def _is_here(settings: Settings) -> bool:
    return Path(settings.model.name).is_file()


def _file_bytes(settings: Settings) -> int:
    """Of a GGUF file; of an ordinary one where it is yet to be fetched."""
    if not _is_here(settings):
        return ORDINARY_FILE_BYTES
    from augcon.llm.gguf_model import file_bytes

    return file_bytes(Path(settings.model.name))


def _calls_at_once(settings: Settings) -> int:
    return settings.model.concurrency or CALLS_AT_ONCE


def _assumptions(settings: Settings) -> str:
    if is_embedded(settings):
        return f"{EMBEDDED_PAIRS_PER_MINUTE:.0f} pairs a minute on two cores"
    if settings.model.kind == "file":
        size = f"{_file_bytes(settings) / 1e9:.1f} GB" + ("" if _is_here(settings) else " assumed")
        return f"{usable_cores()} cores, {size}, no graphics processor"
    return (
        f"{_calls_at_once(settings)} calls at once, each at {TOKENS_PER_SECOND:.0f} tokens a "
        f"second; {TOKENS_PER_WORD} tokens a word, {TOKENS_PER_ZH_CHARACTER} a Chinese character"
    )
