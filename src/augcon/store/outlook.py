"""What a run expected at its beginning, what it has made so far, and what it will come to.

The forecast is a fact of the run. Once a few contexts are finished they tell how many calls a
context takes, which corrects the forecast for the rest; what is in flight is in neither number, so
that a run with many contexts open is not taken for a dear one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields

from augcon.llm.budget import Spent
from augcon.records import NOT_ASKED, Augmented

__all__ = ["FEW", "Amounts", "Asking", "Finished", "Forecast", "Outlook"]

FEW = 3  # finished contexts that are believed more than the forecast


@dataclass(frozen=True, slots=True)
class Amounts:
    """So much of everything. `cost` is None without prices."""

    contexts: int
    pairs: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None

    @classmethod
    def of(
        cls, contexts: float, pairs: float, spent: Spent, prices: tuple[float, float] | None
    ) -> Amounts:
        cost = None if prices is None else spent.cost(prices)
        tokens = (spent.prompt_tokens, spent.completion_tokens)
        return cls(round(contexts), round(pairs), spent.calls, *tokens, cost)

    def beyond(self, other: Amounts) -> Amounts:
        """How much more this is than the other, and never less than nothing."""
        cost = None
        if self.cost is not None and other.cost is not None:
            cost = max(0.0, self.cost - other.cost)
        numbers = (f.name for f in fields(self) if f.name != "cost")
        more = {name: max(0, getattr(self, name) - getattr(other, name)) for name in numbers}
        return Amounts(**more, cost=cost)


@dataclass(slots=True)
class Finished:
    """What came of the finished contexts. `asked` counts nodes and answers."""

    contexts: int = 0
    units: int = 0
    asked: int = 0
    pairs: int = 0

    def add(self, result: Augmented) -> None:
        self.contexts += 1
        self.units += result.context.units
        self.asked += sum(n.verdict.reason not in NOT_ASKED for n in result.nodes)
        self.asked += len(result.answers)
        self.pairs += sum(answer.verdict.kept for answer in result.answers)


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls of one kind that are expected. `before` of them come before the first context."""

    calls: int
    before: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def spent(self) -> Spent:
        return Spent(self.calls, self.prompt_tokens, self.completion_tokens)

    def calls_in_all(self, dearer: float) -> float:
        return self.before + (self.calls - self.before) * dearer

    def in_all(self, so_far: Spent, dearer: float, believed: bool) -> Spent:
        """What there will have been. The calls that are left take what those so far took, the
        more so the more of these there are; if these are `believed`, all that were asked for
        contexts count for it."""
        calls = max(so_far.calls, round(self.calls_in_all(dearer)))
        known = so_far.calls / max(1, calls)
        if believed:
            known = max(known, 1 - self.before / max(1, so_far.calls))

        def tokens(seen: int, predicted: int) -> int:
            each = known * seen / max(1, so_far.calls)
            each += (1 - known) * predicted / max(1, self.calls)
            return round(seen + (calls - so_far.calls) * each)

        return Spent(
            calls,
            tokens(so_far.prompt_tokens, self.prompt_tokens),
            tokens(so_far.completion_tokens, self.completion_tokens),
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of some contexts.

    asked    nodes that are asked, and answers
    texts    calls for text
    granularity  pairs of each kind
    vectors  calls for embeddings, which are cheaper and come later
    """

    contexts: int
    units: int
    asked: float
    pairs: int
    texts: Asking
    vectors: Asking
    granularity: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Forecast:
        raw = json.loads(text)
        texts, vectors = Asking(**raw.pop("texts")), Asking(**raw.pop("vectors"))
        return cls(**raw, texts=texts, vectors=vectors)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def spent(self) -> Spent:
        return self.texts.spent + self.vectors.spent

    @property
    def spent_before(self) -> Spent:
        """About what is spent before the first context."""
        kinds = (self.texts, self.vectors)
        shares = [(kind, kind.before / max(1, kind.calls)) for kind in kinds]
        return Spent(
            sum(kind.before for kind in kinds),
            round(sum(share * kind.prompt_tokens for kind, share in shares)),
            round(sum(share * kind.completion_tokens for kind, share in shares)),
        )

    def dearer(self, finished: Finished) -> float:
        """How many times the calls of its forecast a context took, once a few are finished."""
        if finished.contexts < FEW or not self.asked:
            return 1.0
        return finished.asked / finished.units / (self.asked / self.units)

    def calls_in_all(self, finished: Finished) -> float:
        dearer = self.dearer(finished)
        return self.texts.calls_in_all(dearer) + self.vectors.calls_in_all(dearer)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Predicted, made so far, and expected at the end."""

    predicted: Amounts
    so_far: Amounts
    expected: Amounts

    @classmethod
    def of(
        cls,
        forecast: Forecast,
        finished: Finished,
        texts: Spent,
        vectors: Spent,
        prices: tuple[float, float] | None,
        over: bool,
    ) -> Outlook:
        """texts and vectors: what was spent on each; over: nothing is left to be done."""
        predicted = Amounts.of(forecast.contexts, forecast.pairs, forecast.spent, prices)
        so_far = Amounts.of(finished.contexts, finished.pairs, texts + vectors, prices)
        if over:
            return cls(predicted, so_far, so_far)
        known = finished.contexts >= FEW
        pairs = finished.pairs / finished.units * forecast.units if known else forecast.pairs
        dearer = forecast.dearer(finished)
        in_all = forecast.texts.in_all(texts, dearer, known)
        in_all += forecast.vectors.in_all(vectors, dearer, known)
        expected = Amounts.of(forecast.contexts, pairs, in_all, prices)
        return cls(predicted, so_far, expected)

    @property
    def over(self) -> bool:
        return self.expected == self.so_far

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """Each amount's name with the three numbers as texts, for a table."""
        for amount in fields(Amounts):
            name = amount.name
            numbers = [getattr(a, name) for a in (self.predicted, self.so_far, self.expected)]
            if None not in numbers:
                yield name.replace("_", " "), [_told(n) for n in numbers]


def _told(number: float) -> str:
    return f"{number:.2f}" if isinstance(number, float) else str(number)
