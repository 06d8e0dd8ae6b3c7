"""Sc(C, q) in torch: a base model and a linear head on one of its hidden states.

    lora           context, blank line, question ──▶ LoRA on every linear layer ──▶ last token ──▶ w
    cross-encoder  [CLS] context [SEP] question [SEP] ──▶ mean over the tokens  ──▶ w

The first is the paper's (section 3.2, and its released code for rank, alpha and dropout). A text
that is longer than `max_tokens` loses the end of its context; its question is never cut.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augcon.scorer.base import Item
from augcon.scorer.torch_bases import CROSS_ENCODER, LORA, Base, TorchKind, import_torch

__all__ = ["Encoded", "Network"]

RANK, ALPHA, DROPOUT = 32, 32, 0.05
# Spread of the head's first weights. A mean over tokens changes little with the question, and a
# head that starts from nothing takes longer to make something of it: measured on 300 pairs, the
# loss of a pair is 0.17 after one epoch instead of 0.33.
HEAD_START: dict[TorchKind, float] = {LORA: 0.0, CROSS_ENCODER: 0.2}
AT_ONCE_ON_GPU = 32
BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A context and a question as tokens; `cut` where not all of the context is in them."""

    tokens: tuple[int, ...]
    segments: tuple[int, ...]
    cut: bool

    @property
    def length(self) -> int:
        return len(self.tokens)


class Network:
    """A base and its head.

    On a processor it computes in 32 bits, so that scores are the same on another one to the digits
    that are given, and learns in 16 where the processor can; on a GPU it does both in 16.
    """

    def __init__(self, kind: TorchKind, base: Base, max_tokens: int) -> None:
        torch = import_torch()
        self.kind = kind
        self.base = base
        self.max_tokens = max_tokens
        self._tokenizer = base.tokenizer
        model = _with_adapters(base) if kind == LORA else base.model
        head = torch.nn.Linear(base.model.config.hidden_size, 1, bias=False)
        torch.nn.init.normal_(head.weight, std=HEAD_START[kind])
        self.device = next(base.model.parameters()).device
        self._on_gpu = self.device.type == "cuda"
        self._learns_in_half = self._on_gpu or _multiplies_half()
        self.module = torch.nn.ModuleDict({"base": model, "head": head.to(self.device)})
        self.module.eval()

    def encode(self, item: Item) -> Encoded | None:
        """The tokens; None where the question has none, or leaves no room."""
        context, question = item.context.strip(), item.question.strip()
        if self.kind == CROSS_ENCODER:
            return self._as_pair(context, question)
        return self._as_text(context, question)

    def _as_text(self, context: str, question: str) -> Encoded | None:
        start = self._tokenizer("").input_ids  # what the base wants at the start of every text
        asked = self._plain(BETWEEN + question)
        read = self._plain(context)
        room = self.max_tokens - len(start) - len(asked)
        if room < 1 or not asked:
            return None
        tokens = (*start, *read[:room], *asked)
        return Encoded(tokens, (0,) * len(tokens), len(read) > room)

    def _as_pair(self, context: str, question: str) -> Encoded | None:
        own = self._tokenizer.num_special_tokens_to_add(pair=True)
        asked = len(self._plain(question))
        if not asked or own + asked >= self.max_tokens:
            return None
        told = self._tokenizer(context, question, return_token_type_ids=True, verbose=False)
        if cut := len(told.input_ids) > self.max_tokens:
            told = self._tokenizer(
                context,
                question,
                truncation="only_first",
                max_length=self.max_tokens,
                return_token_type_ids=True,
            )
        return Encoded(tuple(told.input_ids), tuple(told.token_type_ids), cut)

    def _plain(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return found

    def scores(self, texts: Sequence[Encoded]) -> Any:
        """A tensor (n_texts,), with its gradients where they are wanted."""
        torch = import_torch()
        longest = max(text.length for text in texts)
        shape = (len(texts), longest)
        tokens = torch.full(shape, self._tokenizer.pad_token_id or 0)
        segments = torch.zeros(shape, dtype=torch.long)
        seen = torch.zeros(shape, dtype=torch.long)
        for row, text in enumerate(texts):
            tokens[row, : text.length] = torch.tensor(text.tokens)
            segments[row, : text.length] = torch.tensor(text.segments)
            seen[row, : text.length] = 1
        tokens, segments, seen = (each.to(self.device) for each in (tokens, segments, seen))
        more = {"token_type_ids": segments} if self._takes_segments else {}
        base = self.module["base"]
        half = self._learns_in_half if self.module.training else self._on_gpu
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            hidden = base(input_ids=tokens, attention_mask=seen, **more).last_hidden_state
        return self.module["head"](self._pooled(hidden.float(), seen)).squeeze(-1)

    @property
    def at_once(self) -> int:
        """Texts to score together. On a processor, one: as fast, and it depends on no other."""
        return AT_ONCE_ON_GPU if self._on_gpu else 1

    @property
    def _takes_segments(self) -> bool:
        return self.kind == CROSS_ENCODER and "token_type_ids" in self._tokenizer.model_input_names

    def _pooled(self, hidden: Any, seen: Any) -> Any:
        """(n_texts, n_tokens, hidden) ──▶ (n_texts, hidden)."""
        if self.kind == LORA:
            last = seen.sum(dim=1) - 1
            return hidden[range(len(hidden)), last]
        weights = seen.unsqueeze(-1).float()
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)

    def trained(self) -> dict[str, Any]:
        """The parameters that training changes, by name: the adapters or all, and the head."""
        named = self.module.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def restore(self, tensors: dict[str, Any]) -> None:
        """Take over what `trained` once held. Raises ValueError where it is of another network."""
        torch = import_torch()
        trained = self.trained()
        if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in trained.items()}:
            raise ValueError("the weights are of another network")
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(tensors[name])


def _multiplies_half() -> bool:
    """Whether this processor multiplies in bfloat16, four times as fast then as in 32 bits."""
    told: dict[str, Any] = getattr(
        import_torch().cpu, "get_capabilities", dict
    )()  # older versions have none
    return bool(told.get("avx512_bf16") or told.get("amx_bf16"))


def _with_adapters(base: Base) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    settings = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=DROPOUT,
        target_modules="all-linear",
        task_type="FEATURE_EXTRACTION",
    )
    model = base.model
    model.config.use_cache = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of names that both packages still use
        if base.four_bits:
            return get_peft_model(prepare_model_for_kbit_training(model), settings)
        # A third more work, and activations of one layer at a time instead of all.
        model.gradient_checkpointing_enable({"use_reentrant": False})
        return get_peft_model(model, settings)
