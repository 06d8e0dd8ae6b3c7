"""Fine-tune a small chat model with a low-rank adapter (LoRA, arXiv 2106.09685).

    base model (a GGUF file) + chats ──▶ adapter folder in peft's format, and its losses

Only the assistant's turns are learned from, and each counts the same, however long it is. The
model is in bfloat16, the adapter's numbers are kept in 32 bits beside it. A seed decides everything
that is drawn: the same chats, settings and versions on the same kind of processor give the same
adapter. torch and its kin are imported here and nowhere else; they come with the extra `train`.
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

__all__ = ["Chat", "LoraSettings", "Loss", "load_base", "train_lora"]

Chat = tuple["Message", ...]


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
    epochs: int = 2
    batch: int = 8
    batch_tokens: int = 1536
    learning_rate: float = 1e-3
    warmup: float = 0.06
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean cross-entropy in nats per token, and over turns, after an epoch (0: before training)."""

    epoch: int
    training: float
    held_out: float


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A chat's tokens, and what each weighs: nothing where it is not learned, 1 for each turn."""

    tokens: list[int]
    weights: list[float]

    @property
    def length(self) -> int:
        return len(self.tokens)


def train_lora(
    base: Path,
    chats: Sequence[Chat],
    held_out: Sequence[Chat],
    settings: LoraSettings,
    target: Path,
    report: Callable[[Loss], None],
) -> list[Loss]:
    """Train on `chats` and write the best epoch's adapter to the folder `target`.

    The best has the least held-out loss; with nothing held out, it is the last.

    base  a GGUF file of a llama-like model with a chat template
    Raises MissingExtraError without torch, transformers and peft.
    """
    torch = _torch()
    torch.manual_seed(settings.seed)
    draw = _seeded(settings.seed)
    model, tokenizer = load_base(base)
    adapted = _with_adapter(model.to(torch.bfloat16), settings)
    masters = _Masters(adapted)
    train = [_encode(tokenizer, chat) for chat in chats]
    test = [_encode(tokenizer, chat) for chat in held_out]
    steps = settings.epochs * len(_batches(train, settings, _seeded(settings.seed)))
    optimiser = torch.optim.AdamW(masters.kept, settings.learning_rate)
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
            masters.take_gradients()
            torch.nn.utils.clip_grad_norm_(masters.kept, 1.0)
            optimiser.step()
            schedule.step()
            masters.give_back()
            total += loss.item()
        held = _evaluate(adapted, test, settings)
        losses.append(Loss(epoch, total / len(batches), held))
        report(losses[-1])
        if not held_out or held <= min(loss.held_out for loss in losses[1:]):
            masters.save(adapted, target)
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
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        autocast_adapter_dtype=False,
    )


def _encode(tokenizer: Any, chat: Chat) -> _Encoded:
    tokens: list[int] = []
    weights: list[float] = []

    def add(text: str, *, learn: bool) -> None:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        tokens.extend(ids)
        weights.extend([1 / len(ids) if learn else 0.0] * len(ids))

    turns = [{"role": m.role, "content": m.content} for m in chat]
    written = ""
    for number, message in enumerate(chat):
        if message.role == "assistant":
            prompt = tokenizer.apply_chat_template(
                turns[:number], tokenize=False, add_generation_prompt=True
            )
            completion = message.content + tokenizer.eos_token
            if not prompt.startswith(written):
                raise ValueError("the chat template does not keep what an assistant has said")
            add(prompt.removeprefix(written), learn=False)
            add(completion, learn=True)
            written = prompt + completion
    return _Encoded(tokens, weights)


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
    """Mean cross-entropy over the turns.

    Only the places of the learned tokens go through the output matrix: with a vocabulary of tens of
    thousands, all places would take most of the time and ten times the memory.
    """
    torch = _torch()
    length = max(e.length for e in batch)
    tokens = torch.zeros((len(batch), length), dtype=torch.long)
    seen = torch.zeros((len(batch), length), dtype=torch.long)
    weights = torch.zeros((len(batch), length))
    for row, example in enumerate(batch):
        tokens[row, : example.length] = torch.tensor(example.tokens)
        seen[row, : example.length] = 1
        weights[row, : example.length] = torch.tensor(example.weights)
    tokens, seen, weights = (t.to(model.device) for t in (tokens, seen, weights))
    weights = weights[:, 1:]
    learned = weights > 0
    whole_model = model.get_base_model()
    hidden = whole_model.model(input_ids=tokens, attention_mask=seen).last_hidden_state
    logits = whole_model.lm_head(hidden[:, :-1][learned]).float()
    losses = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][learned], reduction="none")
    return (losses * weights[learned]).sum() / weights.sum()


def _evaluate(model: Any, chats: Sequence[_Encoded], settings: LoraSettings) -> float:
    """Mean loss over turns; not a number where nothing is held out."""
    torch = _torch()
    model.eval()
    total = 0.0
    turns = 0.0
    with torch.no_grad():
        for batch in _batches(chats, settings, _seeded(settings.seed)):
            learned = sum(sum(e.weights) for e in batch)
            total += _loss(model, batch).item() * learned
            turns += learned
    model.train()
    return total / turns if turns else math.nan


class _Masters:
    """The adapter in 32 bits, beside the bfloat16 that the model works with.

    In bfloat16 alone, a step that is small beside the number it changes would change nothing.
    """

    def __init__(self, model: Any) -> None:
        self._worked = [p for p in model.parameters() if p.requires_grad]
        self.kept = [p.detach().float().clone() for p in self._worked]

    def take_gradients(self) -> None:
        for kept, worked in zip(self.kept, self._worked, strict=True):
            kept.grad, worked.grad = worked.grad.float(), None

    def give_back(self) -> None:
        for kept, worked in zip(self.kept, self._worked, strict=True):
            worked.data.copy_(kept)

    def save(self, model: Any, target: Path) -> None:
        rounded = [worked.data for worked in self._worked]
        for kept, worked in zip(self.kept, self._worked, strict=True):
            worked.data = kept
        model.save_pretrained(target)
        for data, worked in zip(rounded, self._worked, strict=True):
            worked.data = data


def _rate(step: int, steps: int, warmup: float) -> float:
    rising = max(1.0, warmup * steps)
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1.0, steps - rising))
    return 0.5 * (1 + math.cos(math.pi * done))
