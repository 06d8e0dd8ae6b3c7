from __future__ import annotations

import json
from pathlib import Path

import pytest

from augcon.config import load_settings
from augcon.forecast import ASSUMED, Served, expect
from augcon.forecast.probes import draw_probes
from augcon.forecast.rates import Rates
from augcon.prompts import Library
from augcon.records import Context, Document
from augcon.store import Forecast
from augcon.tree import nodes_asked

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


def test_the_expected_pairs_of_each_kind_are_all_pairs_and_a_mix_is_kept_where_it_can_be() -> None:
    plain = {**SERVER, "scorer.kind": "heuristic"}
    mix = {"selection.mix.macro": 0.3, "selection.mix.concept": 0.3, "selection.mix.detail": 0.4}
    without, mixed = (expect(roots(10), load_settings(None, s)) for s in (plain, {**plain, **mix}))
    assert sum(without.granularity.values()) == pytest.approx(without.pairs, abs=2)
    assert without.granularity["detail"] > without.granularity["macro"]
    for kind, share in (("macro", 0.3), ("concept", 0.3), ("detail", 0.4)):
        assert mixed.granularity[kind] == pytest.approx(share * mixed.pairs, abs=1)
    assert without.texts.calls < mixed.texts.calls < 1.5 * without.texts.calls
    tiny = expect(roots(10, 30), load_settings(None, {**plain, **mix}))
    assert tiny.granularity == {"macro": 0, "concept": 0, "detail": tiny.pairs}


def test_a_word_for_each_question_is_a_call_for_each_node_that_is_asked() -> None:
    plain = {**SERVER, "scorer.kind": "heuristic"}
    words = {**plain, "selection.granularity": "model"}
    without, asked = (expect(roots(10), load_settings(None, s)) for s in (plain, words))
    nodes = without.asked - without.pairs
    assert asked.texts.calls - without.texts.calls == pytest.approx(nodes, abs=1)
    assert asked.asked == without.asked


def test_a_forecast_that_was_written_down_before_there_were_kinds_is_read() -> None:
    told = json.loads(expect(roots(3), load_settings(None, SERVER)).to_json())
    del told["granularity"]
    assert Forecast.from_json(json.dumps(told)).granularity == {}


@pytest.mark.parametrize("split", ["boundary", "assign", "semantic", "middle", "recursive"])
def test_only_a_rewritten_part_is_paid_for_by_its_length(split: str) -> None:
    settings = load_settings(None, {**SERVER, "tree.split": split, "scorer.kind": "heuristic"})
    assert Rates.assumed("en", settings.split).parts < 0.1 * Rates.assumed("en").parts
    rewritten = load_settings(None, {**SERVER, "scorer.kind": "heuristic"})
    assert (
        expect(roots(5), settings).spent.completion_tokens
        < 0.75 * expect(roots(5), rewritten).spent.completion_tokens
    )


def test_sentences_are_embedded_once_whatever_the_passes() -> None:
    plain = {**SERVER, "scorer.kind": "heuristic"}
    semantic = load_settings(None, {**plain, "tree.split": "semantic"})
    middle = load_settings(None, {**plain, "tree.split": "middle"})
    assert expect(roots(10), middle).vectors.calls == 0
    assert expect(roots(10), semantic).vectors.calls == pytest.approx(10 * 300 / 24, abs=1)


def test_mending_asks_for_a_share_of_the_second_parts() -> None:
    plain = {**SERVER, "scorer.kind": "heuristic", "tree.split": "boundary"}
    without = expect(roots(10), load_settings(None, plain)).spent
    mended = load_settings(None, {**plain, "tree.decontextualise": True})
    more = expect(roots(10), mended).spent
    assert 1.02 * without.calls < more.calls < 1.2 * without.calls
    assert more.completion_tokens > without.completion_tokens
    few = expect(roots(10, language="zh"), mended).spent.calls
    assert few < more.calls


def test_where_no_sentence_is_cut_long_sentences_bound_the_tree() -> None:
    def asked(split: str) -> float:
        told = {**SERVER, "scorer.kind": "heuristic", "tree.split": split, "tree.max_passes": 1}
        return expect(roots(10, language="zh"), load_settings(None, told)).asked

    assert asked("boundary") == asked("middle") < 0.85 * asked("rewrite")
    assert asked("recursive") == asked("rewrite")


def test_the_embedded_models_other_ways_read_less_than_its_scored_borders() -> None:
    scored, middle = (
        expect(roots(10), load_settings(None, {"tree.split": split}))
        for split in ("boundary", "middle")
    )
    assert middle.vectors.calls < scored.vectors.calls
    assert middle.texts == scored.texts


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_sample_is_a_call_and_is_verified(language: str) -> None:
    plain = {**SERVER, "scorer.kind": "heuristic"}

    def expected(samples: int, verify: str) -> Forecast:
        told = {**plain, "answers.samples": samples, "answers.verify": verify}
        return expect(roots(10, language=language), load_settings(None, told))

    one, three = expected(1, "lexical"), expected(3, "lexical")
    assert three.texts.calls - one.texts.calls == pytest.approx(2 * one.pairs, abs=1)
    assert three.texts.before == one.texts.before
    assert (three.pairs, three.asked) == (one.pairs, one.asked)
    claims = expected(1, "model").texts.calls - one.texts.calls
    of_three = expected(3, "model").texts.calls - three.texts.calls
    assert 2.8 * claims < of_three <= 3 * claims


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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_replies_to_what_is_not_known_are_foreseen_and_cost_little(language: str) -> None:
    quiet = {**SERVER, "scorer.kind": "heuristic"}
    few, some = (
        expect(roots(40, language=language), load_settings(None, {**quiet, **share}))
        for share in ({}, {"answers.unknown_share": 0.1})
    )
    assert few.texts.calls < some.texts.calls < 1.05 * few.texts.calls
    assert some.texts.prompt_tokens > few.texts.prompt_tokens
    assert some.texts.completion_tokens > few.texts.completion_tokens
    assert some.pairs == few.pairs
    more = expect(
        roots(40, language=language),
        load_settings(None, {**quiet, "answers.unknown_share": 0.4}),
    )
    assert more == some


def test_examples_of_the_users_own_are_looked_at_and_ready_ones_are_not(tmp_path: Path) -> None:
    plain = {**SERVER, "scorer.kind": "heuristic", "answers.choose": "first"}
    examples, principles = tmp_path / "mine.jsonl", tmp_path / "mine.md"
    examples.write_text(
        "\n".join(json.dumps({"context": f"c {n}", "question": "q", "answer": "a"}) for n in "ab")
    )
    principles.write_text("Be brief.")

    def calls(language: str = "en", **more: object) -> int:
        settings = load_settings(None, {**plain, **{f"answers.{k}": v for k, v in more.items()}})
        return expect(roots(5, language=language), settings).texts.calls

    none = calls()
    assert calls(examples=examples) == none + 2
    assert calls(principles=principles) == none + len(Library().triplets("en"))
    assert calls("zh", examples=examples) == calls("zh")
    assert calls(principles="standard") == none
    by_model = calls(examples=examples, verify="model") - calls(verify="model")
    assert by_model == 2 + 2 * 3


def test_long_principles_are_paid_for_with_every_answer(tmp_path: Path) -> None:
    file = tmp_path / "long.md"
    file.write_text("Be brief and kind. " * 500)
    plain = {**SERVER, "scorer.kind": "heuristic"}
    short, long = (
        expect(roots(10), load_settings(None, {**plain, **more})).spent
        for more in ({}, {"answers.principles": file})
    )
    answers = expect(roots(10), load_settings(None, plain)).pairs
    assert long.prompt_tokens - short.prompt_tokens > answers * 1800


def of_examples(**answers: object) -> Forecast:
    told = {f"answers.{key}": value for key, value in answers.items()}
    quiet = {**SERVER, "scorer.kind": "heuristic", "tree.split": "middle"}
    both = [*roots(3), *roots(3, language="zh")]
    return expect(both, load_settings(None, {**quiet, **told}))


def test_examples_that_are_not_chosen_by_the_model_cost_no_call_before_the_run() -> None:
    for choose in ("first", "none"):
        assert of_examples(choose=choose).texts.before == 0
    assert of_examples(choose="search", shots=0).texts.before == 0
    shown, zero = of_examples(choose="first"), of_examples(choose="none")
    assert shown.texts.calls == zero.texts.calls
    assert shown.texts.prompt_tokens > zero.texts.prompt_tokens


def test_a_search_is_foreseen_by_its_sets_and_its_budget() -> None:
    """Of the eight built-in examples of each language four are left to be asked about."""
    assert of_examples(choose="search").texts.before == 2 * 2 * (8 * 2 + 4 * 2)
    assert of_examples(choose="search", search_trials=2).texts.before == 2 * 2 * 8
    few = of_examples(choose="search", search_trials=2, search_budget=2)
    assert few.texts.before == 2 * 2 * 2


def test_bootstrapping_is_foreseen_with_its_verification() -> None:
    plain = of_examples(choose="bootstrapped").texts.before
    assert plain == 2 * 2 * 8
    assert of_examples(choose="bootstrapped", search_budget=6).texts.before == 2 * 2 * 6
    assert of_examples(choose="bootstrapped", verify="model").texts.before >= plain + 2 * 8


def test_nearest_examples_are_embedded_before_and_with_every_question() -> None:
    without, nearest = of_examples(choose="first"), of_examples(choose="nearest")
    assert without.vectors.calls == 0
    assert nearest.texts == without.texts
    assert nearest.vectors.before >= 2 * 2 * 8
    later = nearest.vectors.calls - nearest.vectors.before
    assert 2 * nearest.pairs <= later <= 6 * nearest.pairs
