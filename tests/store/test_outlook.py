from __future__ import annotations

import pytest

from augcon.llm.budget import Spent
from augcon.store import Amounts, Asking, Finished, Forecast, Outlook

FORECAST = Forecast(
    contexts=10,
    units=1000,
    asked=200,
    pairs=50,
    texts=Asking(calls=260, before=60, prompt_tokens=26_000, completion_tokens=2600),
    vectors=Asking(calls=150, before=0, prompt_tokens=1500, completion_tokens=0),
)
PRICES = (1e6, 2e6)  # so that a token costs 1 or 2


def outlook(finished: Finished, texts: Spent, vectors: Spent, *, over: bool = False) -> Outlook:
    return Outlook.of(FORECAST, finished, texts, vectors, PRICES, over)


def test_a_forecast_is_read_as_it_was_written() -> None:
    assert Forecast.from_json(FORECAST.to_json()) == FORECAST


def test_before_anything_is_finished_what_was_predicted_is_expected() -> None:
    told = outlook(Finished(), Spent(), Spent())
    assert told.expected == told.predicted
    assert told.predicted == Amounts(10, 50, 410, 27_500, 2600, 27_500 + 2 * 2600)
    assert told.so_far.calls == 0
    assert not told.over


def test_what_the_finished_contexts_took_corrects_the_rest() -> None:
    finished = Finished(contexts=5, units=500, asked=150, pairs=20)  # 1.5 times the 100 foreseen
    told = outlook(finished, Spent(210, 21_000, 4200), Spent(110, 1100))
    assert told.expected.calls == 60 + 300 + 225
    assert told.expected.pairs == 40
    assert told.expected.prompt_tokens == pytest.approx(36_000 + 2250, rel=0.01)
    assert 5000 < told.expected.completion_tokens < 7200  # 20 a call so far, 10 were foreseen


def test_what_is_in_flight_does_not_make_a_run_dearer() -> None:
    """Nothing is finished, and most calls are made."""
    told = outlook(Finished(), Spent(200, 20_000, 2000), Spent(100, 1000))
    assert told.expected == told.predicted


def test_more_than_was_expected_is_never_expected_to_become_less() -> None:
    told = outlook(Finished(), Spent(500, 50_000, 5000), Spent(150, 1500))
    assert told.expected.calls == 650
    assert told.expected.prompt_tokens == 51_500


def test_a_run_that_is_over_comes_to_what_it_made() -> None:
    done = Finished(contexts=10, units=1000, asked=190, pairs=48)
    told = outlook(done, Spent(255, 25_000, 2500), Spent(140, 1400), over=True)
    assert told.over
    assert told.expected == told.so_far == Amounts(10, 48, 395, 26_400, 2500, 26_400 + 2 * 2500)


def test_what_is_left_is_never_less_than_nothing() -> None:
    few = Amounts(1, 2, 3, 4, 5, None)
    assert few.beyond(Amounts(9, 1, 1, 1, 1, 2.0)) == Amounts(0, 1, 2, 3, 4, None)
    assert Amounts(1, 1, 1, 1, 1, 3.0).beyond(Amounts(0, 0, 0, 0, 0, 1.0)).cost == 2.0


def test_an_amount_without_a_price_is_not_told() -> None:
    told = Outlook.of(FORECAST, Finished(), Spent(), Spent(), None, over=False)
    assert "cost" not in dict(told.rows())
    assert dict(told.rows())["calls"] == ["410", "0", "410"]
