from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import augcon
from augcon.errors import KeyRefusedError, ModelError
from tests.simulated_server import KEY, MODEL, Engine, Faults, Simulation, simulated_server
from tests.small_corpora import write_corpus

PRICES = {
    "model.price_per_million_prompt_tokens": 1.0,
    "model.price_per_million_completion_tokens": 2.0,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "in", 4, 4)


@pytest.fixture(scope="module")
def made(
    server: Simulation, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> augcon.Result:
    return augcon.run(corpus, tmp_path_factory.mktemp("run"), model=MODEL, base_url=server.url)


def test_probes_bring_the_forecast_close_to_the_run(
    made: augcon.Result, server: Simulation, corpus: Path
) -> None:
    calls = made.books.calls
    plan = augcon.plan(corpus, model=MODEL, base_url=server.url)
    assert plan.calls == pytest.approx(calls.calls, rel=0.2)
    assert plan.prompt_tokens == pytest.approx(calls.prompt_tokens, rel=0.15)
    assert plan.completion_tokens == pytest.approx(calls.completion_tokens, rel=0.15)
    assert plan.pairs == pytest.approx(made.books.pairs, rel=0.1)
    blind = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=0)
    assert blind.calls == pytest.approx(calls.calls, rel=0.2)
    assert blind.prompt_tokens == pytest.approx(calls.prompt_tokens, rel=0.15)


def test_a_plan_says_what_its_probes_took(server: Simulation, corpus: Path) -> None:
    asked, tokens = len(server.log.bodies), server.log.prompt_tokens + server.log.embedded_tokens
    plan = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=2, settings=PRICES)
    probes = plan.probes
    assert probes is not None
    assert probes.contexts == 2
    assert probes.calls == len(server.log.bodies) - asked == 2 * 3 + 2
    now = server.log.prompt_tokens + server.log.embedded_tokens
    assert probes.prompt_tokens == now - tokens
    expected = (probes.prompt_tokens + 2 * probes.completion_tokens) / 1e6
    assert probes.cost == pytest.approx(expected)


def test_probes_ask_what_the_run_asks(server: Simulation, corpus: Path, tmp_path: Path) -> None:
    """Every division that a probe asks for of a whole root is one of the run's own requests."""
    with simulated_server() as other:
        augcon.plan(corpus, model=MODEL, base_url=other.url, probes=2)
        probed = [body for body in other.log.bodies if "first" in json.dumps(body)]
    with simulated_server() as other:
        augcon.run(corpus, tmp_path / "out", model=MODEL, base_url=other.url)
        asked = {json.dumps(body, sort_keys=True) for body in other.log.bodies}
    own = [json.dumps(body, sort_keys=True) in asked for body in probed]
    assert sum(own) >= 2


def test_without_schemas_and_embeddings_a_plan_expects_none(corpus: Path) -> None:
    with simulated_server(Faults(refuse_schema=True, embeddings=False)) as poor:
        plan = augcon.plan(corpus, model=MODEL, base_url=poor.url)
        blind = augcon.plan(corpus, model=MODEL, base_url=poor.url, probes=0)
        marked = [b for b in poor.log.bodies if "[[first]]" in json.dumps(b, ensure_ascii=False)]
    assert plan.calls < 0.7 * blind.calls
    assert len(marked) == 6


def test_the_speed_of_a_call_is_learned(corpus: Path) -> None:
    with simulated_server(engine=Engine(decode_rate=1000.0)) as slow:
        plan = augcon.plan(corpus, model=MODEL, base_url=slow.url)
    assert list(plan.minutes_by_calls) == [8, 64]
    assert plan.minutes == plan.minutes_by_calls[8]
    at_one = 60 * 8 * plan.minutes
    assert at_one > 0.8 * plan.completion_tokens / 1000
    assert "as the probes took" in plan.assumptions


def test_a_budget_below_the_forecast_goes_only_so_far(server: Simulation, corpus: Path) -> None:
    def reach(budget: str) -> tuple[int, int] | None:
        plan = augcon.plan(
            corpus, model=MODEL, base_url=server.url, probes=0, budget=budget, settings=PRICES
        )
        return (plan.reach.contexts, plan.reach.pairs) if plan.reach else None

    whole = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=0, settings=PRICES)
    assert whole.reach is None
    assert whole.cost is not None
    assert reach(f"{whole.calls} calls") is None
    assert reach("1 calls") == (0, 0)
    part = reach(f"{int(0.9 * whole.calls)} calls")
    assert part is not None
    assert 0 < part[0] < whole.contexts
    assert part[0] / whole.contexts == pytest.approx(part[1] / whole.pairs, abs=0.15)
    tokens = reach(f"{int(0.95 * (whole.prompt_tokens + whole.completion_tokens))} tokens")
    money = reach(f"{0.95 * whole.cost:.6f}")
    assert tokens is not None
    assert money is not None
    assert tokens[0] > 0 < money[0]


def test_a_probe_that_gives_nothing_usable_costs_only_itself(corpus: Path) -> None:
    with simulated_server(Faults(garbage_for="Harwick")) as server:
        plan = augcon.plan(corpus, model=MODEL, base_url=server.url, probes=8)
    assert plan.probes is not None
    assert 0 < plan.probes.contexts < 8


def test_probes_that_all_give_nothing_usable_are_an_error(corpus: Path) -> None:
    with (
        simulated_server(Faults(garbage_for="。", refuse_for=".")) as server,
        pytest.raises(ModelError, match="--probes 0"),
    ):
        augcon.plan(
            corpus,
            model=MODEL,
            base_url=server.url,
            settings={"model.structure": "marked", "model.embeddings": "off"},
        )


def test_a_refused_key_is_told(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with simulated_server(Faults(key=KEY)) as guarded, pytest.raises(KeyRefusedError):
        augcon.plan(corpus, model=MODEL, base_url=guarded.url)


def test_the_embedded_model_is_not_probed(corpus: Path) -> None:
    plan = augcon.plan(corpus, probes=3)
    assert plan.probes is None
    assert plan.minutes_by_calls == {}
    assert plan.minutes > 0
