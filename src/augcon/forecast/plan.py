"""What a run would ask, cost and take: the forecast over a corpus that no run has cut yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from augcon.admission import cut_roots
from augcon.assemble import is_embedded
from augcon.config import Settings
from augcon.corpus import Corpus
from augcon.errors import CorpusError
from augcon.forecast.expect import expect
from augcon.forecast.probes import Probed, draw_probes, probe_server
from augcon.forecast.rates import ASSUMED, Served
from augcon.llm.budget import Spent
from augcon.llm.machine import usable_cores
from augcon.prompts.size import TOKENS_PER_WORD, TOKENS_PER_ZH_CHARACTER
from augcon.records import Context
from augcon.store.outlook import Forecast

__all__ = ["Plan", "Probes", "Reach", "make_plan"]

# Of a GGUF file: tokens a second times bytes, for each core, as measured on the embedded model's
# files. A processor reads and writes the slower the larger the file is, in proportion.
FILE_READS = 260 * 145e6
FILE_WRITES = 80 * 145e6
ORDINARY_FILE_BYTES = 2_500_000_000
EMBEDDED_PAIRS_PER_MINUTE = 20.0  # on two cores; `benchmarks/quickstart.py`
CALLS_AT_ONCE = (8, 64)  # at a server, where the settings bound nothing; the run finds it out


@dataclass(frozen=True, slots=True)
class Probes:
    """What the probe calls took, those that ask what the server can do among them."""

    contexts: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a budget goes that does not go all the way."""

    contexts: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The forecast. `cost` is in the currency of the prices in the settings, None without.

    granularity       pairs of each kind
    minutes           at `model.concurrency` calls at once at a server, or 8 if that is not set
    minutes_by_calls  at other numbers of calls at once; empty for a model on this machine
    assumptions       what the time rests on
    probes            None where nothing was asked
    reach             None without a budget, or where it goes all the way
    """

    documents: int
    rejected_documents: dict[str, int]
    contexts: int
    skipped_contexts: dict[str, int]
    units: int
    pairs: int
    granularity: dict[str, int]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    minutes: float
    minutes_by_calls: dict[int, float]
    assumptions: str
    probes: Probes | None
    reach: Reach | None


@dataclass(slots=True)
class _Skipped:
    """The root contexts that would not be worked on, as they pass by."""

    reasons: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)


async def make_plan(corpus: Corpus, settings: Settings, probes: int) -> Plan:
    """Forecast a run over this corpus with these settings.

    probes  root contexts that the server is asked about first; a model on this machine is not

    Raises CorpusError where no context would be worked on, ModelError where the server that is to
    be probed cannot be used, and SettingsError where it cannot do what the settings ask for.
    """
    probed = None
    if probes and settings.model.kind == "server":
        drawn = draw_probes(_admitted(corpus, settings, skipped := _Skipped()), probes)
        _demand_context(bool(drawn), skipped)
        probed = await probe_server(settings, drawn)
    served = probed.served if probed else ASSUMED
    skipped = _Skipped()
    forecast = expect(_admitted(corpus, settings, skipped), settings, served)
    _demand_context(forecast.contexts > 0, skipped)
    minutes = _minutes_by_calls(forecast, settings, served)
    return Plan(
        documents=len(corpus),
        rejected_documents=dict(Counter(r.reason for r in corpus.rejected)),
        contexts=forecast.contexts,
        skipped_contexts=dict(skipped.reasons),
        units=forecast.units,
        pairs=forecast.pairs,
        granularity=dict(forecast.granularity),
        calls=forecast.spent.calls,
        prompt_tokens=forecast.spent.prompt_tokens,
        completion_tokens=forecast.spent.completion_tokens,
        cost=_cost(forecast.spent, settings),
        minutes=min(minutes.items())[1] if minutes else _minutes_here(forecast, settings),
        minutes_by_calls=minutes,
        assumptions=_assumptions(settings, probed),
        probes=_told(probed, settings) if probed else None,
        reach=_reach(forecast, settings),
    )


def _admitted(corpus: Corpus, settings: Settings, skipped: _Skipped) -> Iterator[Context]:
    """The root contexts that would be worked on."""
    for _, roots in cut_roots(corpus, settings):
        for root in roots:
            if root.admitted:
                yield root.context
            else:
                skipped.reasons[root.verdict.reason] += 1
                skipped.details[root.verdict.detail] += 1


def _demand_context(any_left: bool, skipped: _Skipped) -> None:
    if skipped.reasons and not any_left:
        told = skipped.details.most_common(3)
        why = "; ".join(f"{n} contexts: {detail}" for detail, n in told)
        raise CorpusError(f"nothing would be asked: {why}")


def _cost(spent: Spent, settings: Settings) -> float | None:
    prices = settings.model.prices
    return None if prices is None else spent.cost(prices)


def _told(probed: Probed, settings: Settings) -> Probes:
    spent = probed.spent
    tokens = (spent.prompt_tokens, spent.completion_tokens)
    return Probes(probed.contexts, spent.calls, *tokens, _cost(spent, settings))


def _reach(forecast: Forecast, settings: Settings) -> Reach | None:
    """What comes before the first context is paid first, and then context after context."""
    before, spent = forecast.spent_before, forecast.spent
    budget, prices = settings.budget, settings.model.prices
    bounds: list[tuple[float | None, float, float]] = [
        (budget.calls, before.calls, spent.calls),
        (budget.tokens, before.tokens, spent.tokens),
    ]
    if prices is not None:
        bounds.append((budget.cost, before.cost(prices), spent.cost(prices)))
    shares = [
        (bound - first) / (all_of_it - first)
        for bound, first, all_of_it in bounds
        if bound is not None and bound < all_of_it
    ]
    if not shares:
        return None
    share = max(0.0, min(shares))
    return Reach(int(share * forecast.contexts), int(share * forecast.pairs))


def _minutes_here(forecast: Forecast, settings: Settings) -> float:
    if is_embedded(settings):
        return forecast.pairs / EMBEDDED_PAIRS_PER_MINUTE
    seconds = forecast.spent.prompt_tokens / FILE_READS
    seconds += forecast.spent.completion_tokens / FILE_WRITES
    return seconds * _file_bytes(settings) / usable_cores() / 60


def _minutes_by_calls(forecast: Forecast, settings: Settings, served: Served) -> dict[int, float]:
    if settings.model.kind != "server":
        return {}
    minutes = served.seconds(forecast.spent.calls, forecast.spent.completion_tokens) / 60
    chosen = settings.model.concurrency
    return {n: minutes / n for n in ((chosen,) if chosen else CALLS_AT_ONCE)}


def _is_here(settings: Settings) -> bool:
    return Path(settings.model.name).is_file()


def _file_bytes(settings: Settings) -> int:
    """Of a GGUF file; of an ordinary one where it is yet to be fetched."""
    if not _is_here(settings):
        return ORDINARY_FILE_BYTES
    from augcon.llm.gguf_model import file_bytes

    return file_bytes(Path(settings.model.name))


def _assumptions(settings: Settings, probed: Probed | None) -> str:
    if is_embedded(settings):
        return f"{EMBEDDED_PAIRS_PER_MINUTE:.0f} pairs a minute on two cores"
    if settings.model.kind == "file":
        size = f"{_file_bytes(settings) / 1e9:.1f} GB" + ("" if _is_here(settings) else " assumed")
        return f"{usable_cores()} cores, {size}, no graphics processor"
    served = probed.served if probed else ASSUMED
    speed = f"{served.tokens_per_second:.0f} tokens a second"
    if probed:
        return f"a call: {served.call_seconds:.1f} s and {speed}, as the probes took"
    return (
        f"assumed: a call writes {speed}; {TOKENS_PER_WORD} tokens a word, "
        f"{TOKENS_PER_ZH_CHARACTER} a Chinese character"
    )
