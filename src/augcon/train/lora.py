"""Fine-tune a small chat model with a low-rank adapter (LoRA, arXiv 2106.09685).

    base model (a GGUF file) + examples ──▶ adapter folder in peft's format, and its losses

Only the tokens of the completions are learned from. A seed decides everything that is drawn: the
same examples, settings and versions on the same kind of processor give the same adapter. torch and
its kin are imported here and nowhere else; they come with the extra `train`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augcon.errors import MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from augcon.llm.base import Message

__all__ = ["Example", "LoraSettings", "Loss", "load_base", "train_lora"]


@dataclass(frozen=True, slots=True)
class Example:
    """A chat and the completion to learn."""

    messages: tuple[Message, ...]
    completion: str


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """How to train.

    rank, alpha     of the adapter; its change of a matrix is alpha / rank · B A
    epochs          at most so many; the one with the least held-out loss is kept
    batch           at most so many examples, and so many tokens with their padding: what a step
                    keeps in memory grows with them (about 4 MB a token with 30 layers)
    learning_rate   the highest; it rises for `warmup` of all steps and falls as a cosine
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    epochs: int = 4
    batch: int = 8
    batch_tokens: int = 1536
    learning_rate: float = 1e-3
    warmup: float = 0.06
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean cross-entropy per completion token, in nats, after an epoch (0: before training)."""

    epoch: int
    training: float
    held_out: float


@dataclass(frozen=True, slots=True)
class _Encoded:
    prompt: list[int]
    completion: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.completion)


def train_lora(
    base: Path,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    settings: LoraSettings,
    target: Path,
    report: Callable[[Loss], None],
) -> list[Loss]:
    """Train on `examples` and write the best epoch's adapter to the folder `target`.

    The best has the least held-out loss; with nothing held out, it is the last.

    base  a GGUF file of a llama-like model with a chat template
    Raises MissingExtraError without torch, transformers and peft.
    """
    torch = _torch()
    torch.manual_seed(settings.seed)
    draw = _seeded(settings.seed)
    model, tokenizer = load_base(base)
    adapted = _with_adapter(model, settings)
    train = [_encode(tokenizer, example) for example in examples]
    test = [_encode(tokenizer, example) for example in held_out]
    steps = settings.epochs * len(_batches(train, settings, _seeded(settings.seed)))
    optimiser = torch.optim.AdamW(
        [p for p in adapted.parameters() if p.requires_grad], settings.learning_rate
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, steps, settings.warmup)
    )
    losses = [Loss(0, math.nan, _evaluate(adapted, test, settings))]
    report(losses[0])
    for epoch in range(1, settings.epochs + 1):
        total = 0.0
        batches = _batches(train, settings, draw)
        for batch in batches:
            loss = _loss(adapted, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(adapted.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            total += loss.item()
        held = _evaluate(adapted, test, settings)
        losses.append(Loss(epoch, total / len(batches), held))
        report(losses[-1])
        if not held_out or held <= min(loss.held_out for loss in losses[1:]):
            adapted.save_pretrained(target)
    return losses


def load_base(path: Path) -> tuple[Any, Any]:
    """The model in 32-bit floats and its tokenizer, from a GGUF file."""
    torch = _torch()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    named = {"gguf_file": path.name}
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **named)
    model = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.float32, **named)
    return model, tokenizer


def _torch() -> Any:
    try:
        import peft  # noqa: F401
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    transformers.logging.set_verbosity_error()
    return torch


def _with_adapter(model: Any, settings: LoraSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )


def _encode(tokenizer: Any, example: Example) -> _Encoded:
    turns = [{"role": m.role, "content": m.content} for m in example.messages]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    completion = example.completion + tokenizer.eos_token
    return _Encoded(
        tokenizer(prompt, add_special_tokens=False).input_ids,
        tokenizer(completion, add_special_tokens=False).input_ids,
    )


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - an order, not a secret


def _batches(
    examples: Sequence[_Encoded], settings: LoraSettings, draw: random.Random
) -> list[list[_Encoded]]:
    """Batches of about equal length, in random order: little of the work is padding."""
    batches: list[list[_Encoded]] = []
    for example in sorted(examples, key=lambda e: (e.length // 32, draw.random())):
        if batches and _fits(example, batches[-1], settings):
            batches[-1].append(example)
        else:
            batches.append([example])
    draw.shuffle(batches)
    return batches


def _fits(example: _Encoded, batch: list[_Encoded], settings: LoraSettings) -> bool:
    longest = max(e.length for e in (*batch, example))
    return len(batch) < settings.batch and (len(batch) + 1) * longest <= settings.batch_tokens


def _loss(model: Any, batch: Sequence[_Encoded]) -> Any:
    """Mean cross-entropy per completion token.

    Only the places of the completions go through the output matrix: with a vocabulary of tens of
    thousands, all places would take most of the time and ten times the memory.
    """
    torch = _torch()
    length = max(e.length for e in batch)
    tokens = torch.zeros((len(batch), length), dtype=torch.long)
    seen = torch.zeros((len(batch), length), dtype=torch.long)
    learned = torch.zeros((len(batch), length), dtype=torch.bool)
    for row, example in enumerate(batch):
        whole = example.prompt + example.completion
        tokens[row, : len(whole)] = torch.tensor(whole)
        seen[row, : len(whole)] = 1
        learned[row, len(example.prompt) : len(whole)] = True
    tokens, seen, learned = (t.to(model.device) for t in (tokens, seen, learned))
    whole_model = model.get_base_model()
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        hidden = whole_model.model(input_ids=tokens, attention_mask=seen).last_hidden_state
        logits = whole_model.lm_head(hidden[:, :-1][learned[:, 1:]])
    return torch.nn.functional.cross_entropy(logits.float(), tokens[:, 1:][learned[:, 1:]])


def _evaluate(model: Any, examples: Sequence[_Encoded], settings: LoraSettings) -> float:
    """Mean loss per completion token; not a number where nothing is held out."""
    torch = _torch()
    model.eval()
    total = 0.0
    count = 0
    with torch.no_grad():
        for batch in _batches(examples, settings, _seeded(settings.seed)):
            learned = sum(len(e.completion) for e in batch)
            total += _loss(model, batch).item() * learned
            count += learned
    model.train()
    return total / count if count else math.nan


def _rate(step: int, steps: int, warmup: float) -> float:
    rising = max(1.0, warmup * steps)
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1.0, steps - rising))
    return 0.5 * (1 + math.cos(math.pi * done))
