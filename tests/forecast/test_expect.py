from __future__ import annotations

import pytest

from augcon.config import load_settings
from augcon.forecast import ASSUMED, Served, expect
from augcon.forecast.expect import nodes_asked
from augcon.forecast.probes import draw_probes
from augcon.forecast.rates import Rates
from augcon.records import Context, Document

SERVER = {"model.name": "m", "model.base_urls": ("http://localhost/v1",)}


def roots(number: int, units: int = 300, language: str = "en") -> list[Context]:
    """Root contexts of so many units; their text is not looked at."""
    documents = [Document.of(f"{language}{n}", f"text {n}", language) for n in range(number)]
    return [Context.root(document, 0, 4, units, language) for document in documents]


def halved(units: float, least: float) -> int:
    """Nodes of a tree whose contexts are cut in the middle, as long as they are not too short."""
    return 0 if units < least else 1 + 2 * halved(units / 2, least)


def test_the_nodes_of_a_tree_are_those_of_halving_on_average() -> None:
    lengths = range(160, 1280)
    exact = sum(halved(units, 20) for units in lengths)
    assert sum(nodes_asked(units, 20) for units in lengths) == pytest.approx(exact, rel=0.1)


def test_a_context_of_one_node_is_asked_once_at_least() -> None:
    assert nodes_asked(20, 20) == 1.0


def test_a_server_without_embeddings_is_not_asked_to_rank() -> None:
    settings = load_settings(None, SERVER)
    served = Served.found(schema=True, embeddings=False)
    ranked, plain = expect(roots(5), settings), expect(roots(5), settings, served)
    assert plain.vectors.calls == 0
    assert plain.spent_before.calls == plain.texts.before < ranked.texts.before
    assert plain.pairs == ranked.pairs


def test_twice_the_contexts_take_twice_as_much_after_what_comes_before() -> None:
    settings = load_settings(None, {**SERVER, "scorer.kind": "heuristic"})
    one, two = expect(roots(10), settings), expect(roots(20), settings)
    assert two.texts.before == one.texts.before > 0
    calls = [f.texts.calls - f.texts.before for f in (one, two)]
    assert calls[1] == pytest.approx(2 * calls[0], abs=1)


def test_dearer_rates_make_a_dearer_run_and_replies_that_are_asked_again_more_calls() -> None:
    settings = load_settings(None, {**SERVER, "scorer.kind": "heuristic"})
    dear = Rates(context=3, ours=3, divided=100, parts=3, answer=200)
    plain = expect(roots(5), settings)
    dearer = expect(roots(5), settings, Served(rates={"en": dear}))
    assert dearer.spent.calls == plain.spent.calls
    assert dearer.spent.prompt_tokens > 2 * plain.spent.prompt_tokens
    again = expect(roots(5), settings, Served(tries=1.5))
    assert again.spent.calls == pytest.approx(1.5 * plain.spent.calls, abs=1)


def test_what_is_not_learned_of_a_language_is_assumed() -> None:
    learned = Served(rates={"en": Rates(1, 1, 1, 1)})
    assert learned.rates_for("zh") == Rates.assumed("zh") == ASSUMED.rates_for("zh")
    assert learned.rates_for("en").context == 1


def test_probes_are_of_every_language_and_are_drawn_by_id_whatever_the_order() -> None:
    english, chinese = roots(20), roots(2, language="zh")
    drawn = draw_probes([*english, *chinese], 3)
    assert {root.language for root in drawn} == {"en", "zh"}
    assert drawn == draw_probes([*chinese, *reversed(english)], 3)
    assert len({root.id for root in drawn}) == 3
    assert len(draw_probes(english, 30)) == 20
    assert draw_probes([], 3) == []


def test_verification_by_the_model_is_foreseen_and_that_by_words_is_free() -> None:
    quiet = {**SERVER, "scorer.kind": "heuristic"}
    off, lexical, model = (
        expect(roots(10), load_settings(None, {**quiet, "answers.verify": how}))
        for how in ("off", "lexical", "model")
    )
    assert off == lexical
    assert model.pairs == lexical.pairs
    assert model.texts.calls >= lexical.texts.calls + 2 * model.pairs
    assert model.texts.before == lexical.texts.before
