"""What a run expected at its beginning, what it has made so far, and what it will come to.

The forecast is a fact of the run. Once a few contexts are finished they tell how many calls a
context takes, which corrects the forecast for the rest; what is in flight is in neither number, so
that a run with many contexts open is not taken for a dear one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from augcon.llm.budget import Spent
from augcon.records import Augmented

__all__ = ["FEW", "Amounts", "Finished", "Forecast", "Outlook"]

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
        self.asked += sum(n.verdict.reason != "below_min_units" for n in result.nodes)
        self.asked += len(result.answers)
        self.pairs += sum(answer.verdict.kept for answer in result.answers)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of some contexts.

    asked   nodes that are asked, and answers
    before  of the calls, those of the scorer and of the search for examples
    """

    contexts: int
    units: int
    asked: float
    pairs: int
    before: int
    calls: int
    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def from_json(cls, text: str) -> Forecast:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def spent(self) -> Spent:
        return Spent(self.calls, self.prompt_tokens, self.completion_tokens)

    def calls_in_all(self, finished: Finished) -> float:
        """How many there will have been, by what the finished contexts took."""
        if finished.contexts < FEW or not self.asked:
            return self.calls
        dearer = finished.asked / finished.units / (self.asked / self.units)
        return self.before + (self.calls - self.before) * dearer


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
        spent: Spent,
        prices: tuple[float, float] | None,
        over: bool,
    ) -> Outlook:
        """over: nothing is left to be done."""
        predicted = Amounts.of(forecast.contexts, forecast.pairs, forecast.spent, prices)
        so_far = Amounts.of(finished.contexts, finished.pairs, spent, prices)
        if over:
            return cls(predicted, so_far, so_far)
        known = finished.contexts >= FEW
        pairs = finished.pairs / finished.units * forecast.units if known else forecast.pairs
        spent_in_all = _in_all(forecast, finished, spent)
        expected = Amounts.of(forecast.contexts, pairs, spent_in_all, prices)
        return cls(predicted, so_far, expected)

    @property
    def over(self) -> bool:
        return self.expected == self.so_far

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """Each amount's name with the three numbers as texts, for a table."""
        for field in fields(Amounts):
            numbers = [getattr(a, field.name) for a in (self.predicted, self.so_far, self.expected)]
            if None not in numbers:
                yield field.name.replace("_", " "), [_told(n) for n in numbers]


def _in_all(forecast: Forecast, finished: Finished, spent: Spent) -> Spent:
    """All calls at the end. Those that are left take what those so far took, the more so the more
    of these there are that were asked for contexts: what comes before is of another kind."""
    calls = max(spent.calls, round(forecast.calls_in_all(finished)))
    known = spent.calls / max(1, calls)
    if finished.contexts >= FEW:
        known = max(known, 1 - forecast.before / max(1, spent.calls))

    def in_all(so_far: int, predicted: int) -> int:
        seen, foreseen = so_far / max(1, spent.calls), predicted / max(1, forecast.calls)
        return round(so_far + (calls - spent.calls) * (known * seen + (1 - known) * foreseen))

    return Spent(
        calls,
        in_all(spent.prompt_tokens, forecast.prompt_tokens),
        in_all(spent.completion_tokens, forecast.completion_tokens),
    )


def _told(number: float) -> str:
    return f"{number:.2f}" if isinstance(number, float) else str(number)
