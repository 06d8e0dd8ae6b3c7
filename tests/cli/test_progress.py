from __future__ import annotations

import pytest

from augcon.cli.progress import _View
from augcon.llm.base import Fault, TryAgain, Usage
from augcon.llm.budget import Budget
from augcon.llm.limit import Limit
from augcon.llm.places import Places
from augcon.store import Asking, Finished, Forecast
from augcon.watch import Watch

FORECAST = Forecast(10, 1000, 200.0, 50, Asking(400, 0, 0, 0), Asking(0, 0, 0, 0))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    mine = Clock()
    monkeypatch.setattr("augcon.cli.progress.time.monotonic", mine)
    return mine


def row(view: _View, name: str) -> str | None:
    return dict(view.numbers()).get(name)


def test_the_time_left_goes_by_the_calls_that_are_left_while_every_context_is_in_flight(
    clock: Clock,
) -> None:
    watch = Watch(contexts=10, forecast=FORECAST, calls_before=100)
    view = _View(watch)
    assert row(view, "time left") == "unknown"
    clock.now += 10
    watch.meter.calls = 100  # ten a second, and 200 are left
    assert row(view, "time left") == "0:20"


def test_the_time_left_goes_by_the_speed_of_the_last_minute(clock: Clock) -> None:
    watch = Watch(contexts=10, forecast=FORECAST)
    view = _View(watch)
    row(view, "time left")
    clock.now += 600
    watch.meter.calls = 100
    row(view, "time left")
    clock.now += 10
    watch.meter.calls = 200
    assert row(view, "time left") == "0:20"


def test_finished_contexts_correct_how_many_calls_are_left() -> None:
    watch = Watch(contexts=10, forecast=FORECAST, finished=Finished(5, 500, 200, 30))
    assert watch.calls_left == 800  # twice what was foreseen
    watch.meter.calls = 900
    assert watch.calls_left == 0


def test_where_the_forecast_was_too_low_the_contexts_tell_the_time_left(clock: Clock) -> None:
    watch = Watch(contexts=10, contexts_done=8, done_here=8, forecast=FORECAST)
    watch.augmenting_since = clock.now - 80
    watch.meter.calls = 500
    assert row(_View(watch), "time left") == "0:20"


async def test_a_server_that_does_not_answer_is_told_with_the_time_since_it_did() -> None:
    clock = Clock()
    places = Places([Limit()], clock)
    view = _View(Watch(places=places))
    assert row(view, "server") is None
    for _ in range(2):
        with pytest.raises(TryAgain), places.use(await places.take()):
            raise TryAgain("nobody there", fault=Fault.GONE)
    clock.now += 40
    assert row(view, "server") == "the server does not answer, waiting for 40 s"


async def test_a_long_silence_is_told_while_calls_are_in_flight() -> None:
    clock = Clock()
    watch = Watch(places=Places([Limit()], clock))
    view = _View(watch)
    clock.now += 75
    assert row(view, "server") is None
    with watch.meter.in_flight_now():
        assert row(view, "server") == "no reply for 75 s"


def test_calls_are_shown_with_how_many_are_allowed() -> None:
    watch = Watch()
    assert row(_View(watch), "calls") == "0 made, 0 in flight, 0 replayed"
    watch.places = Places.fixed(12, 2)
    assert row(_View(watch), "calls") == "0 made, 0 in flight of 24 allowed, 0 replayed"


def test_a_budget_is_shown_by_the_bound_that_is_nearest() -> None:
    budget = Budget(calls=10, tokens=1000, cost=1.0, prices=(1e3, 1e3))
    watch = Watch(budget=budget)
    assert row(_View(watch), "budget") == "0% spent"
    budget.count(Usage(300, 100))
    assert row(_View(watch), "budget") == "40% spent"
    assert row(_View(Watch(budget=Budget())), "budget") is None


def test_lines_of_a_file_are_counted_without_questions_and_pairs(clock: Clock) -> None:
    view = _View(Watch(unit="lines", contexts=200, contexts_done=50, done_here=50))
    told = dict(view.numbers())
    assert told["lines"] == "50 of 200"
    assert not {"contexts", "questions kept", "pairs"} & set(told)
