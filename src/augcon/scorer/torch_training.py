"""Train a network on contrast pairs: L = -E[log σ(Sc(C, q+) - Sc(C, q-))], stopping early.

    pairs ──┬──▶ to learn from ──▶ an epoch ──▶ checkpoint ──┐ until `patience` epochs in a row
            └──▶ some roots, to stop by ──▶ loss ◀───────────┘ bring nothing, or all are done

The epoch with the least loss on the roots that are kept aside is the one that is taken. A seed
decides everything that is drawn, anew for each epoch, so that a training that was interrupted goes
on from its last epoch to the very same weights.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from augcon.scorer.torch_bases import import_torch
from augcon.scorer.torch_network import Encoded, Network

if TYPE_CHECKING:
    from pathlib import Path

    from augcon.llm.cache import Progress

__all__ = [
    "Checkpoint",
    "EncodedPair",
    "Epoch",
    "History",
    "TorchOptions",
    "evaluate",
    "train_network",
]

LABEL = "training the scorer"
WARMUP = 0.1  # of all steps
HEAD_RATE = 10  # times the learning rate: the head starts from nothing, the base does not
AT_ONCE_TOKENS = 2048  # that gradients are held for; a larger batch goes in parts


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """How to train a scorer.

    base           a folder of transformers' or a name of the hub; "" is the embedded model
    epochs         at most so many
    patience       epochs without a smaller loss on the roots kept aside, before it stops
    learning_rate  the highest; it rises for a tenth of the steps and falls in a straight line
    batch          pairs in a step
    max_tokens     of context and question together
    """

    base: str = ""
    epochs: int = 6
    patience: int = 2
    learning_rate: float = 1e-4
    batch: int = 8
    max_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """Mean loss of a pair, in nats. `stopping` is of the roots kept aside; None where none are."""

    number: int
    training: float
    stopping: float | None


@dataclass(frozen=True, slots=True)
class History:
    """What happened in a training.

    best           number of the epoch whose weights were taken
    stopped_early  whether epochs were left when it stopped
    trained_on     pairs that were learned from, and stopped_on those that it was stopped by
    cut            of these, pairs whose context lost its end to `max_tokens`
    left_out       pairs that have a question which alone is longer than that
    """

    epochs: tuple[Epoch, ...]
    best: int
    stopped_early: bool
    trained_on: int
    stopped_on: int
    cut: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class EncodedPair:
    better: Encoded
    worse: Encoded

    @property
    def length(self) -> int:
        return max(self.better.length, self.worse.length)


@dataclass(slots=True)
class _State:
    """Where a training stands after an epoch; the weights are the network's own."""

    epochs: list[Epoch]
    best: int
    best_weights: dict[str, Any]
    optimiser: Any

    def patience_spent(self, options: TorchOptions) -> bool:
        return bool(self.epochs) and self.epochs[-1].number - self.best >= options.patience


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file that holds a training after its last whole epoch.

    identity  of pairs and options: what another training left is not taken up
    """

    path: Path
    identity: str

    def write(self, network: Network, state: _State) -> None:
        """Replace the file at once, so that there is always a whole one."""
        from safetensors.torch import save_file

        tensors = {f"now.{name}": t.detach() for name, t in network.trained().items()}
        tensors |= {f"best.{name}": t for name, t in state.best_weights.items()}
        for name, parameter in network.trained().items():
            for moment in ("exp_avg", "exp_avg_sq", "step"):
                if parameter in state.optimiser.state:
                    tensors[f"{moment}.{name}"] = state.optimiser.state[parameter][moment]
        told = {"epochs": [asdict(epoch) for epoch in state.epochs], "best": state.best}
        half = self.path.with_name(f"{self.path.name}.part")
        whole = {name: t.cpu().clone().contiguous() for name, t in tensors.items()}
        save_file(whole, half, {"identity": self.identity, "told": json.dumps(told)})
        os.replace(half, self.path)  # noqa: PTH105

    def take_up(self, network: Network, state: _State) -> None:
        """Put network and state where the file says, if it is this training's."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "pt") as file:
                noted = file.metadata() or {}
                if noted.get("identity") != self.identity:
                    return
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return
        told = json.loads(noted["told"])
        state.epochs = [Epoch(**epoch) for epoch in told["epochs"]]
        state.best = told["best"]
        parts: dict[str, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            part, _, parameter = name.partition(".")
            parts.setdefault(part, {})[parameter] = tensor
        network.restore(parts.pop("now"))
        state.best_weights = parts.pop("best")
        for name, parameter in network.trained().items():
            kept = {moment: held[name] for moment, held in parts.items() if name in held}
            state.optimiser.state[parameter] = {
                m: t if m == "step" else t.to(network.device) for m, t in kept.items()
            }


def train_network(
    network: Network,
    pairs: Sequence[EncodedPair],
    stopping: Sequence[EncodedPair],
    options: TorchOptions,
    checkpoint: Checkpoint,
    progress: Progress,
) -> History:
    """Train on `pairs`, and leave the network with the weights of its best epoch.

    It seeds torch's random numbers, for each epoch anew.
    """
    torch = import_torch()
    steps = math.ceil(len(pairs) / options.batch)
    state = _State([], 0, {}, _optimiser(network, options))
    checkpoint.take_up(network, state)
    for number in range(len(state.epochs) + 1, options.epochs + 1):
        if state.patience_spent(options):
            break
        torch.manual_seed(options.seed * 1_000_003 + number)
        training = _one_epoch(network, pairs, options, state.optimiser, number, progress)
        loss = evaluate(network, stopping) if stopping else None
        state.epochs.append(Epoch(number, training, loss))
        progress(LABEL, number * steps, options.epochs * steps)
        if loss is None or loss <= min(e.stopping or 0.0 for e in state.epochs):
            state.best = number
            state.best_weights = {
                name: t.detach().cpu().clone() for name, t in network.trained().items()
            }
        checkpoint.write(network, state)
    network.restore(state.best_weights)
    return History(
        epochs=tuple(state.epochs),
        best=state.best,
        stopped_early=len(state.epochs) < options.epochs,
        trained_on=len(pairs),
        stopped_on=len(stopping),
    )


def _optimiser(network: Network, options: TorchOptions) -> Any:
    torch = import_torch()
    trained = network.trained()
    head = [parameter for name, parameter in trained.items() if name.startswith("head.")]
    base = [parameter for name, parameter in trained.items() if not name.startswith("head.")]
    return torch.optim.AdamW(
        [{"params": base, "times": 1}, {"params": head, "times": HEAD_RATE}], weight_decay=0.01
    )


def _one_epoch(
    network: Network,
    pairs: Sequence[EncodedPair],
    options: TorchOptions,
    optimiser: Any,
    number: int,
    progress: Progress,
) -> float:
    """Learn from every pair once; the mean loss on the way."""
    torch = import_torch()
    draw = random.Random(f"{options.seed}/{number}")  # noqa: S311 - an order, not a secret
    batches = _batches(pairs, options.batch, draw)
    before, steps = (number - 1) * len(batches), options.epochs * len(batches)
    total = 0.0
    network.module.train()
    for step, batch in enumerate(batches, before):
        progress(LABEL, step, steps)
        for group in optimiser.param_groups:
            group["lr"] = group["times"] * options.learning_rate * _rate(step, steps)
        for part in _parts(batch):
            loss = _losses(network, part).sum() / len(batch)
            loss.backward()
            total += loss.item() * len(batch)
        torch.nn.utils.clip_grad_norm_(network.trained().values(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    network.module.eval()
    return total / len(pairs)


def evaluate(network: Network, pairs: Sequence[EncodedPair]) -> float:
    """Mean loss of a pair, in nats; ln 2 is chance."""
    torch = import_torch()
    ordered = sorted(pairs, key=lambda pair: pair.length)
    with torch.inference_mode():
        total = sum(float(_losses(network, part).sum()) for part in _parts(ordered))
    return total / len(pairs)


def _losses(network: Network, pairs: Sequence[EncodedPair]) -> Any:
    """(n_pairs,): -log σ(Sc(C, q+) - Sc(C, q-))."""
    torch = import_torch()
    scores = network.scores([pair.better for pair in pairs] + [pair.worse for pair in pairs])
    better, worse = scores.split(len(pairs))
    return -torch.nn.functional.logsigmoid(better - worse)


def _batches(
    pairs: Sequence[EncodedPair], size: int, draw: random.Random
) -> list[list[EncodedPair]]:
    """Batches of about equal length, in random order: little of the work is padding."""
    ordered = sorted(pairs, key=lambda pair: (pair.length // 32, draw.random()))
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    draw.shuffle(batches)
    return batches


def _parts(pairs: Sequence[EncodedPair]) -> list[list[EncodedPair]]:
    """The pairs in their order, as many at once as the memory is meant to hold."""
    parts: list[list[EncodedPair]] = []
    for pair in pairs:
        longest = max([pair.length, *(each.length for each in parts[-1])] if parts else [0])
        if parts and 2 * longest * (len(parts[-1]) + 1) <= AT_ONCE_TOKENS:
            parts[-1].append(pair)
        else:
            parts.append([pair])
    return parts


def _rate(step: int, steps: int) -> float:
    rising = max(1.0, WARMUP * steps)
    return min((step + 1) / rising, (steps - step) / max(1.0, steps - rising))
