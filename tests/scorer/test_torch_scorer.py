"""Scorers that learn with torch, where it is installed, on tiny models made here."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augcon.config import Settings
from augcon.errors import MissingExtraError, ScorerError, SettingsError
from augcon.prompts import Library, Weakening
from augcon.records import UNSCORED, Context, Document
from augcon.scorer import Contrast, fingerprint
from augcon.scorer.base import Item
from augcon.scorer.torch_bases import TorchKind
from augcon.scorer.torch_scorer import (
    TorchOptions,
    TorchScorer,
    default_options,
    load_torch_scorer,
    train_torch_scorer,
)
from augcon.scorers import load_scorer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")
safetensors = pytest.importorskip("safetensors.torch")

KINDS: tuple[TorchKind, ...] = ("lora", "cross-encoder")
WORDS = "amber basalt cedar dune ember fjord grove heath islet juniper".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "why", "what", "is", "it", "?", *WORDS]
WINDOW = 48


def encoder_config() -> Any:
    return transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=WINDOW,
    )


def tokenizer() -> Any:
    numbered = {word: number for number, word in enumerate(VOCABULARY)}
    return transformers.BertTokenizer(vocab=numbered, model_max_length=WINDOW)


def chat_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    numbered = {word: number for number, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordLevel(numbered, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", model_max_length=WINDOW
    )


def make_base(folder: Path, kind: TorchKind, seed: int = 0) -> str:
    """A random model of two layers that knows twenty words, as transformers saves it."""
    torch.manual_seed(seed)
    if kind == "cross-encoder":
        model = transformers.BertModel(encoder_config())
        words = tokenizer()
    else:
        config = transformers.LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=64,
            max_position_embeddings=WINDOW,
        )
        model = transformers.LlamaForCausalLM(config)
        words = chat_tokenizer()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> TorchKind:
    found: TorchKind = request.param
    return found


@pytest.fixture
def options(tmp_path: Path, kind: TorchKind) -> TorchOptions:
    base = make_base(tmp_path / "base", kind)
    return TorchOptions(base, epochs=4, patience=4, learning_rate=3e-3, batch=8, max_tokens=WINDOW)


def root(text: str, number: int, language: str = "en") -> Context:
    return Context.root(Document.of(f"{number}.txt", text, language), 0, len(text), 9, language)


def toy(start: int, number: int, *, separable: bool = True) -> list[Contrast]:
    """Good questions ask why, bad ones what; where they are not separable, chance says which."""
    draw = random.Random(start)
    pairs = []
    for place in range(start, start + number):
        context = root(" ".join(draw.choices(WORDS, k=draw.randint(6, 20))), place)
        word, other = draw.sample(WORDS, 2)
        better, worse = f"why is it {word}?", f"what is it {other}?"
        if not separable and draw.random() < 0.5:
            better, worse = worse, better
        kind = draw.choice(list(Weakening))
        pairs.append(Contrast(context, better, worse, kind))
    return pairs


ITEMS = [
    Item(pair.context.text, question)
    for pair in toy(900, 20)
    for question in (pair.better, pair.worse)
]


def values(scorer: TorchScorer, items: Sequence[Item] = ITEMS) -> list[float]:
    return [score.value for score in asyncio.run(scorer.score(items))]


def test_the_better_question_of_roots_never_seen_scores_higher(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 60), toy(500, 40), options, tmp_path / "scorer")
    assert scorer.kind == kind
    assert scorer.accuracy["all"].interval[0] > 0.8
    by_kind = [scorer.accuracy[each.value].pairs for each in Weakening]
    assert sum(by_kind) == scorer.accuracy["all"].pairs == 40
    found = values(scorer)
    right = [better > worse for better, worse in zip(found[::2], found[1::2], strict=True)]
    assert sum(right) > 0.8 * len(right)


def test_a_training_that_brings_nothing_stops_early_and_takes_its_best_epoch(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    hopeless = replace(options, epochs=30, patience=2)
    noise = toy(0, 40, separable=False)
    history = train_torch_scorer(kind, noise, [], hopeless, tmp_path / "scorer").history
    stopping = [epoch.stopping for epoch in history.epochs]
    assert history.stopped_early
    assert len(history.epochs) == history.best + 2 < 30
    assert stopping[history.best - 1] == min(loss for loss in stopping if loss is not None)
    assert history.trained_on + history.stopped_on == 40


def test_the_roots_that_it_stops_by_are_not_learned_from_nor_tested_on(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    """Whatever is tested on, the training comes out the same."""
    first = train_torch_scorer(kind, toy(0, 30), toy(500, 9), options, tmp_path / "a")
    other = train_torch_scorer(kind, toy(0, 30), toy(700, 5), options, tmp_path / "b")
    assert first.history == other.history
    assert values(first) == values(other)
    assert first.history.stopped_on == round(0.15 * 30)


def test_the_same_seed_gives_the_same_scorer_and_another_one_another(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    first = train_torch_scorer(kind, toy(0, 30), [], options, tmp_path / "a")
    torch.manual_seed(2)
    again = train_torch_scorer(kind, toy(0, 30), [], options, tmp_path / "b")
    seeded = replace(options, seed=1)
    other = train_torch_scorer(kind, toy(0, 30), [], seeded, tmp_path / "c")
    assert values(first) == values(again) != values(other)


def test_training_leaves_the_random_numbers_of_others_alone(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3).tolist()
    torch.manual_seed(7)
    train_torch_scorer(kind, toy(0, 8), [], replace(options, epochs=1), tmp_path / "scorer")
    load_torch_scorer(tmp_path / "scorer")
    assert torch.rand(3).tolist() == expected


def test_a_training_that_was_interrupted_goes_on_to_the_very_same_scorer(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    def interrupt(label: str, done: int, total: int) -> None:
        if done > 0.6 * total:
            raise KeyboardInterrupt

    told: list[int] = []
    whole = train_torch_scorer(kind, toy(0, 30), [], options, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_torch_scorer(kind, toy(0, 30), [], options, tmp_path / "scorer", interrupt)
    again = train_torch_scorer(
        kind, toy(0, 30), [], options, tmp_path / "scorer", lambda _, done, all_: told.append(done)
    )
    assert min(told) > 0
    assert again.history == whole.history
    assert values(again) == values(whole)
    assert not list((tmp_path / "scorer").rglob("*training*"))


def test_what_another_training_left_is_not_taken_up(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    def interrupt(label: str, done: int, total: int) -> None:
        if done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_torch_scorer(kind, toy(0, 30), [], options, tmp_path / "scorer", interrupt)
    told: list[int] = []
    train_torch_scorer(
        kind, toy(50, 30), [], options, tmp_path / "scorer", lambda _, done, all_: told.append(done)
    )
    assert min(told) == 0


def test_a_saved_scorer_gives_the_same_numbers_when_it_is_loaded(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    trained = train_torch_scorer(kind, toy(0, 20), toy(500, 5), options, tmp_path / "scorer")
    loaded = load_torch_scorer(tmp_path / "scorer")
    assert values(loaded) == values(trained)
    assert (loaded.kind, loaded.options, loaded.history) == (kind, trained.options, trained.history)
    assert loaded.accuracy == trained.accuracy
    copied = tmp_path / "copied"
    copied.mkdir()
    loaded.save(copied)
    assert values(load_torch_scorer(copied)) == values(trained)
    kept = {path.suffix for path in copied.rglob("*") if path.is_file()}
    assert kept <= {".json", ".safetensors", ".txt"}


def test_a_saved_scorer_holds_its_accuracy_once(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 8), toy(500, 5), options, tmp_path / "scorer")
    told = json.loads((tmp_path / "scorer" / "scorer.json").read_text("utf-8"))
    assert told["held_out"]["all"]["pairs"] == 5
    assert told["held_out"]["all"]["right"] == scorer.accuracy["all"].right
    assert "accuracy" not in told


async def test_every_file_of_a_folder_is_hashed_once_for_a_load(
    kind: TorchKind, options: TorchOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cross-encoder's are 91 MB."""
    folder, hashed = tmp_path / "scorer", list[str]()
    await asyncio.to_thread(train_torch_scorer, kind, toy(0, 8), [], options, folder)
    digest = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        hashed.append(Path(file.name).relative_to(folder).as_posix())
        return digest(file, name)

    async def never(name: str, do: object, /, *inputs: str) -> str:
        raise AssertionError("no step of a run is needed")

    monkeypatch.setattr(hashlib, "file_digest", counted)
    files = sorted(json.loads((folder / "scorer.json").read_text("utf-8"))["files"])
    await load_scorer(folder, Settings(), None, Library(), never)
    assert sorted(hashed) == files
    hashed.clear()
    fingerprint(folder)
    assert sorted(hashed) == files


async def test_a_score_does_not_depend_on_the_texts_beside_it(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 20), [], options, tmp_path / "scorer")
    if torch.cuda.is_available():
        pytest.skip("on a GPU it may, in the last digits")
    together = [score.value for score in await scorer.score(ITEMS)]
    alone = [(await scorer.score([item]))[0].value for item in ITEMS]
    assert together == alone
    assert len(set(together)) > len(together) / 2


async def test_the_event_loop_lives_while_texts_are_scored(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 8), [], options, tmp_path / "scorer")
    scoring = asyncio.create_task(scorer.score(ITEMS * 20))
    turns = 0
    while not scoring.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(scoring.result()) == len(ITEMS) * 20
    assert turns > 2


def test_a_context_that_is_too_long_loses_its_end_and_the_question_nothing(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 20), [], options, tmp_path / "scorer")
    assert scorer.history.cut == scorer.cut_contexts == 0
    start = ["cedar"] * WINDOW
    ends = [" ".join(start + ["amber"] * 30), " ".join(start + ["dune"] * 30)]
    why, what = "why is it ember?", "what is it ember?"
    found = values(scorer, [Item(ends[0], why), Item(ends[1], why), Item(ends[0], what)])
    assert found[0] == found[1]
    assert found[0] > found[2]
    assert scorer.cut_contexts == 3


def test_a_question_that_leaves_no_room_costs_only_itself(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    long = " ".join(["why"] * 2 * WINDOW)
    odd = replace(toy(0, 1)[0], worse=long)
    scorer = train_torch_scorer(kind, [*toy(1, 20), odd], [odd], options, tmp_path / "scorer")
    assert scorer.history.left_out == 1
    assert (scorer.accuracy["all"].right, scorer.accuracy["all"].pairs) == (1, 1)
    scores = scorer.score_here([ITEMS[0], Item("cedar", long), ITEMS[1]])
    assert [score.value == UNSCORED for score in scores] == [False, True, False]
    assert "too_long" in scores[1].why_none
    assert scores[0].why_none == ""


def test_an_empty_question_has_no_score_and_an_empty_context_is_no_fault(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    scorer = train_torch_scorer(kind, toy(0, 8), [], options, tmp_path / "scorer")
    assert scorer.score_here([]) == []
    bare, nothing = scorer.score_here([Item("", "why is it dune?"), Item("cedar", " ")])
    assert bare.value != UNSCORED
    assert (nothing.value, nothing.why_none) == (UNSCORED, "empty: there is no question")


def test_pairs_of_a_single_root_are_all_learned_from(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    pairs = [replace(pair, context=root("cedar", 0)) for pair in toy(0, 6)]
    history = train_torch_scorer(kind, pairs, [], options, tmp_path / "scorer").history
    assert (history.trained_on, history.stopped_on) == (6, 0)
    assert [epoch.stopping for epoch in history.epochs] == [None] * options.epochs
    assert history.best == options.epochs


def test_nothing_to_learn_from_is_one_clear_line(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="nothing to learn from"):
        train_torch_scorer(kind, [], [], options, tmp_path / "scorer")


def test_pairs_that_an_embedded_base_cannot_read_are_refused(
    kind: TorchKind, tmp_path: Path
) -> None:
    chinese = [
        replace(pair, context=root("磨坊在河边。", place, "zh"))
        for place, pair in enumerate(toy(0, 5))
    ]
    with pytest.raises(SettingsError, match=r"reads English only, and 5 of the 7 .* \(most: zh\)"):
        train_torch_scorer(kind, [*chinese, *toy(5, 2)], [], default_options(kind), tmp_path)


def test_a_base_that_is_none_is_one_clear_line(kind: TorchKind, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    options = replace(default_options(kind), base=str(tmp_path / "empty"))
    with pytest.raises(SettingsError, match="empty' cannot be loaded") as caught:
        train_torch_scorer(kind, toy(0, 4), [], options, tmp_path / "scorer")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_scorer_or_with_a_damaged_one_is_one_clear_line(
    kind: TorchKind, options: TorchOptions, tmp_path: Path
) -> None:
    with pytest.raises(ScorerError, match="holds no scorer"):
        load_torch_scorer(tmp_path)
    folder = tmp_path / "scorer"
    train_torch_scorer(kind, toy(0, 8), [], options, folder)
    described = (folder / "scorer.json").read_text()
    weights = (folder / "weights.safetensors").read_bytes()

    def refused(why: str) -> None:
        with pytest.raises(ScorerError, match=why) as caught:
            load_torch_scorer(folder)
        assert "\n" not in str(caught.value)

    (folder / "scorer.json").write_text(described.replace(f'"{kind}"', '"linear"'))
    refused("holds a linear scorer")
    (folder / "scorer.json").write_text(described[:100])
    refused("its scorer.json is damaged")
    (folder / "scorer.json").write_text("[]")
    refused("its scorer.json is damaged")
    (folder / "scorer.json").write_text(described.replace('"options"', '"choices"'))
    refused(r"holds no whole scorer .*KeyError: 'options'")
    (folder / "scorer.json").write_text(described)
    (folder / "weights.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    refused("its weights.safetensors has changed or is damaged")
    (folder / "weights.safetensors").unlink()
    refused("its weights.safetensors is missing")


def test_a_cross_encoder_whose_words_were_changed_is_refused(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "cross-encoder")
    options = TorchOptions(base, epochs=1, max_tokens=WINDOW)
    train_torch_scorer("cross-encoder", toy(0, 8), [], options, tmp_path / "scorer")
    words = tmp_path / "scorer" / "base" / "tokenizer.json"
    words.write_text(words.read_text("utf-8").replace("amber", "umber"), "utf-8")
    with pytest.raises(ScorerError, match=r"base/tokenizer\.json has changed"):
        load_torch_scorer(tmp_path / "scorer")


def test_a_lora_scorer_is_not_used_on_another_base(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "lora")
    options = TorchOptions(base, epochs=1, max_tokens=WINDOW)
    train_torch_scorer("lora", toy(0, 8), [], options, tmp_path / "scorer")
    make_base(tmp_path / "base", "lora", seed=1)
    with pytest.raises(ScorerError, match=r"trained on another .*base than is here now"):
        load_torch_scorer(tmp_path / "scorer")


def test_a_cross_encoder_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "cross-encoder")
    options = TorchOptions(base, epochs=1, max_tokens=WINDOW)
    trained = train_torch_scorer("cross-encoder", toy(0, 8), [], options, tmp_path / "scorer")
    (tmp_path / "base").rename(tmp_path / "gone")
    (tmp_path / "scorer").rename(tmp_path / "moved")
    assert values(load_torch_scorer(tmp_path / "moved")) == values(trained)


def test_a_base_in_four_bits_needs_a_gpu(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    base = make_base(tmp_path / "base", "lora")
    options = TorchOptions(base, epochs=1, max_tokens=WINDOW)
    train_torch_scorer("lora", toy(0, 8), [], options, tmp_path / "scorer")
    described = tmp_path / "scorer" / "scorer.json"
    told = json.loads(described.read_text())
    assert told["four_bits"] is False
    described.write_text(json.dumps(told | {"four_bits": True}))
    with pytest.raises(SettingsError, match="CUDA and bitsandbytes"):
        load_torch_scorer(tmp_path / "scorer")


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    kind: TorchKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    for attempt in (
        lambda: train_torch_scorer(kind, toy(0, 4), [], default_options(kind), tmp_path),
        lambda: load_torch_scorer(tmp_path),
    ):
        with pytest.raises(MissingExtraError, match=r"pip install .*peft.* torch transformers"):
            attempt()


def test_the_hub_is_told_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    with pytest.raises(ScorerError):
        load_torch_scorer(tmp_path)
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
