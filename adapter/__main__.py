"""Train the embedded model's adapter from the passages, and write what ships.

    python -m adapter [--epochs N] [--rank N] [--out FILE]

    passages/*.jsonl ──▶ LoRA on the base model ──▶ GGUF adapter ──▶ checked against llama.cpp
                                                               └──▶ card.json: data, losses

One adapter does both: it asks a question about a text, and answers one from a text. Needs the
extras `train` and `local`; about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from adapter.agreement import worst_disagreement
from adapter.passages import Passage, read_passages

from augcon.llm.assets import GENERATOR, fetch
from augcon.prompts import Library
from augcon.train import Example, LoraSettings, Loss, train_lora
from augcon.train.gguf_adapter import adapter_to_gguf

HERE = Path(__file__).parent
TOLERANCE = 0.01  # nats, between torch and llama.cpp


def examples_of(passages: Iterable[Passage]) -> list[Example]:
    """Two examples for each question: asking it, and answering it."""
    library = Library()
    ask, answer = library.prompt("tuned_question", "en"), library.prompt("tuned_answer", "en")
    examples: list[Example] = []
    for passage in passages:
        for asked in passage.asked:
            given = {"context": asked.context, "question": asked.question}
            examples.append(Example(ask.messages(given, "bare"), asked.question))
            examples.append(Example(answer.messages(given, "bare"), asked.answer))
    return examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=LoraSettings().epochs)
    parser.add_argument("--rank", type=int, default=LoraSettings().rank)
    parser.add_argument("--out", type=Path, default=HERE / "adapter.gguf")
    chosen = parser.parse_args()
    settings = LoraSettings(rank=chosen.rank, alpha=2 * chosen.rank, epochs=chosen.epochs)
    passages = read_passages()
    training = examples_of(p for p in passages if not p.held_out)
    held_out = examples_of(p for p in passages if p.held_out)
    base = fetch(GENERATOR)
    started = time.monotonic()

    def report(loss: Loss) -> None:
        print(
            json.dumps({**asdict(loss), "seconds": round(time.monotonic() - started)}), flush=True
        )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = train_lora(base, training, held_out, settings, folder, report)
        adapter_to_gguf(folder, base, chosen.out)
        worst = worst_disagreement(base, folder, chosen.out, held_out)
    if worst > TOLERANCE:
        raise SystemExit(f"llama.cpp and torch disagree by {worst:.4f} nats")
    card = {
        "base": f"{GENERATOR.package}=={GENERATOR.version}",
        "base_sha256": GENERATOR.sha256,
        "settings": asdict(settings),
        "passages": len(passages),
        "kinds": dict(sorted(Counter(p.kind for p in passages).items())),
        "examples": {"training": len(training), "held_out": len(held_out)},
        "losses": [asdict(loss) for loss in losses[1:]],
        "held_out_loss_of_the_base": losses[0].held_out,
        "worst_disagreement": worst,
        "sha256": hashlib.sha256(chosen.out.read_bytes()).hexdigest(),
        "bytes": chosen.out.stat().st_size,
        "seconds": round(time.monotonic() - started),
    }
    chosen.out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
