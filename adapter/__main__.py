"""Train the embedded model's adapter from the passages, and write what ships.

    python -m adapter [--epochs N] [--rank N] [--out FILE]

    passages/*.jsonl ──▶ LoRA on the base model ──▶ GGUF adapter ──▶ checked against llama.cpp
                                                               └──▶ a card: data, settings, losses

One adapter does both, in one chat: it asks a question about a text, and answers it. Needs the
extras `train` and `local`; about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from adapter.agreement import worst_disagreement
from adapter.passages import Asked, Passage, read_passages

from augcon.answer.window import best_window
from augcon.corpus import sentence_spans
from augcon.llm.assets import GENERATOR
from augcon.llm.base import Message
from augcon.llm.cache import fetch
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.embedded import ENCODER_SLOTS, serve_encoder
from augcon.llm.local import LocalServers
from augcon.llm.openai import OpenAIModel
from augcon.prompts import Exchange, Library
from augcon.together import together
from augcon.train import Chat, LoraSettings, Loss, train_lora
from augcon.train.gguf_adapter import adapter_to_gguf

HERE = Path(__file__).parent
TOLERANCE = 0.01  # nats, between torch and llama.cpp


def chats_of(passages: Iterable[Passage], windows: Mapping[Asked, str]) -> list[Chat]:
    """A chat for each question: it is asked about its context, and answered."""
    exchange = Exchange.of(Library())
    return [
        (
            *exchange.answer(asked.context, asked.question, windows[asked]),
            Message("assistant", asked.answer),
        )
        for passage in passages
        for asked in passage.asked
    ]


async def windows_of(passages: Iterable[Passage]) -> dict[Asked, str]:
    """For each question the sentences of its context that the program would find closest."""
    async with await LocalServers.start(lambda: [serve_encoder()]) as servers:
        (server,) = servers.endpoints
        reached = OpenAIModel(server.base_url, server.name, server.api_key)
        encoder = Caller(reached, MemoryJournal(), limit=ENCODER_SLOTS)

        async def window(asked: Asked) -> str:
            spans = sentence_spans(asked.context, "en")
            return await best_window(encoder, asked.context, spans, asked.question)

        every = [asked for passage in passages for asked in passage.asked]
        windows = await together(window(asked) for asked in every)
        await reached.close()
        return dict(zip(every, windows, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=LoraSettings().epochs)
    parser.add_argument("--rank", type=int, default=LoraSettings().rank)
    parser.add_argument("--out", type=Path, default=HERE / "adapter.gguf")
    chosen = parser.parse_args()
    settings = LoraSettings(rank=chosen.rank, alpha=2 * chosen.rank, epochs=chosen.epochs)
    passages = read_passages()
    base = fetch(GENERATOR)
    started = time.monotonic()
    windows = asyncio.run(windows_of(passages))
    training = chats_of((p for p in passages if not p.held_out), windows)
    held_out = chats_of((p for p in passages if p.held_out), windows)

    def report(loss: Loss) -> None:
        print(
            json.dumps({**asdict(loss), "seconds": round(time.monotonic() - started)}), flush=True
        )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = train_lora(base, training, held_out, settings, folder, report)
        made = folder / "adapter.gguf"
        adapter_to_gguf(folder, base, made)
        worst = worst_disagreement(base, folder, made, held_out)
        if worst > TOLERANCE:
            raise SystemExit(f"llama.cpp and torch disagree by {worst:.4f} nats")
        shutil.move(made, chosen.out)
    card = {
        "licence": "Apache-2.0, as the base's",
        "base": f"{GENERATOR.package}=={GENERATOR.version}",
        "base_sha256": GENERATOR.sha256,
        "settings": asdict(settings),
        "passages": len(passages),
        "kinds": dict(sorted(Counter(p.kind for p in passages).items())),
        "questions": {"training": len(training), "held_out": len(held_out)},
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
