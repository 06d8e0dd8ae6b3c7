"""Whether llama.cpp and torch read the same adapter the same way.

Both are given the base model in full precision and the adapter, and the beginnings of held-out
chats; their log-probabilities of the next token must agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augcon.llm.gguf_files import requantise
from augcon.train import Chat
from augcon.train.lora import load_base

__all__ = ["worst_disagreement"]

TEXTS = 12
LIKELIEST = 5


def worst_disagreement(base: Path, folder: Path, adapter: Path, chats: Sequence[Chat]) -> float:
    """The largest difference, in nats, among the likeliest next tokens of some texts."""
    import torch
    from peft import PeftModel

    model, tokenizer = load_base(base)
    adapted = PeftModel.from_pretrained(model, str(folder)).eval()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        merged = Path(name) / "merged.gguf"
        requantise(base, merged, adapter, kind="F32")
        server = _server(merged)
        for chat in chats[:: max(1, len(chats) // TEXTS)]:
            text = _half_done(tokenizer, chat)
            theirs = _next_tokens(server, text)
            tokens = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
            with torch.no_grad():
                ours = torch.log_softmax(adapted(tokens).logits[0, -1].double(), -1)
            worst = max(worst, *(abs(ours[t].item() - p) for t, p in theirs.items()))
    return worst


def _half_done(tokenizer: Any, chat: Chat) -> str:
    """The chat up to the middle of its last turn."""
    turns = [{"role": m.role, "content": m.content} for m in chat[:-1]]
    prompt: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    words = chat[-1].content.split()
    return prompt + " ".join(words[: len(words) // 2])


def _server(path: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 2048
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.verbosity = 0
    params.warmup = False
    return xllamacpp.Server(params)


def _next_tokens(server: Any, text: str) -> dict[int, float]:
    """Log-probabilities of the likeliest next tokens by their number."""
    asked = {"prompt": text, "max_tokens": 1, "temperature": 0, "logprobs": LIKELIEST}
    (place,) = server.handle_completions(asked)["choices"][0]["logprobs"]["content"]
    return {row["id"]: row["logprob"] for row in place["top_logprobs"]}
