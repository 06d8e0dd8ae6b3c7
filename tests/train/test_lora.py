"""Training, where torch is installed (extra `train`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from augcon.llm.assets import GENERATOR
from augcon.llm.base import Message
from augcon.llm.cache import fetch
from augcon.train import LoraSettings, Loss, train_lora

pytest.importorskip("torch")
pytest.importorskip("peft")

WORDS = ("amber", "basalt", "cedar", "dune")


pytestmark = [pytest.mark.slow, pytest.mark.embedded]


def test_an_adapter_learns_its_examples_and_llama_cpp_reads_it_as_torch_does(
    tmp_path: Path,
) -> None:
    from adapter.agreement import worst_disagreement

    from augcon.train.gguf_adapter import adapter_to_gguf

    base = fetch(GENERATOR)
    chats = [
        (
            Message("user", f"What is the word for {number}?"),
            Message("assistant", f"The word is {word}."),
            Message("user", "And its number?"),
            Message("assistant", str(number)),
        )
        for number, word in enumerate(WORDS)
    ]
    settings = LoraSettings(rank=4, alpha=8, epochs=6, batch=4, learning_rate=5e-3)
    told: list[Loss] = []
    losses = train_lora(base, chats, chats, settings, tmp_path / "peft", told.append)
    assert losses == told
    assert losses[-1].held_out < 0.5 * losses[0].held_out
    adapter_to_gguf(tmp_path / "peft", base, tmp_path / "adapter.gguf")
    worst = worst_disagreement(base, tmp_path / "peft", tmp_path / "adapter.gguf", chats)
    assert worst < 0.01


def test_every_turn_of_the_assistant_weighs_the_same_and_nothing_else_weighs() -> None:
    from transformers import AutoTokenizer

    from augcon.train.lora import _encode

    base = fetch(GENERATOR)
    tokenizer = AutoTokenizer.from_pretrained(str(base.parent), gguf_file=base.name)
    chat = (
        Message("system", "Be brief."),
        Message("user", "A word?"),
        Message("assistant", "Amber."),
        Message("user", "A sentence?"),
        Message("assistant", "There is amber on the beach after every storm."),
    )
    encoded = _encode(tokenizer, chat)
    assert sum(encoded.weights) == pytest.approx(2.0)
    turns = [{"role": m.role, "content": m.content} for m in chat]
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer.decode(encoded.tokens) == whole.rstrip()
    learned = [t for t, w in zip(encoded.tokens, encoded.weights, strict=True) if w]
    end = tokenizer.eos_token
    assert tokenizer.decode(learned) == f"{chat[2].content}{end}{chat[4].content}{end}"
