"""Training, where torch is installed (extra `train`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from augcon.llm.assets import GENERATOR, fetch
from augcon.llm.base import Message
from augcon.train import Example, LoraSettings, Loss, train_lora

pytest.importorskip("torch")
pytest.importorskip("peft")

WORDS = ("amber", "basalt", "cedar", "dune")


@pytest.mark.slow
@pytest.mark.embedded
def test_an_adapter_learns_its_examples_and_llama_cpp_reads_it_as_torch_does(
    tmp_path: Path,
) -> None:
    from adapter.agreement import worst_disagreement

    from augcon.train.gguf_adapter import adapter_to_gguf

    base = fetch(GENERATOR)
    examples = [
        Example((Message("user", f"What is the word for {number}?"),), f"The word is {word}.")
        for number, word in enumerate(WORDS)
    ]
    settings = LoraSettings(rank=4, alpha=8, epochs=6, batch=4, learning_rate=5e-3)
    told: list[Loss] = []
    losses = train_lora(base, examples, examples, settings, tmp_path / "peft", told.append)
    assert losses == told
    assert losses[-1].held_out < 0.5 * losses[0].held_out
    adapter_to_gguf(tmp_path / "peft", base, tmp_path / "adapter.gguf")
    worst = worst_disagreement(base, tmp_path / "peft", tmp_path / "adapter.gguf", examples)
    assert worst < 0.01
