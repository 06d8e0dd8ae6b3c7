"""The scorers that learn with torch: `lora`, the paper's, and `cross-encoder`, for a CPU.

    contrast pairs ──▶ train_torch_scorer ──▶ TorchScorer ──save──▶ folder ──load──▶ TorchScorer

A folder holds what training changed (safetensors), how the base is had again, and `scorer.json`.
Of a cross-encoder that is all of it, so that the folder stands alone; a LoRA scorer names its base,
which must be had where it is used, and is known again by numbers all over it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from augcon.errors import ScorerError, SettingsError
from augcon.llm.cache import Progress
from augcon.records import UNSCORED, content_id
from augcon.scorer.accuracy import Accuracy, accuracy_by_kind, report_of
from augcon.scorer.base import Item, Score
from augcon.scorer.contrast import Contrast
from augcon.scorer.saved import CARD, Card, facts_of, read_card, write_card
from augcon.scorer.torch_bases import (
    CROSS_ENCODER,
    LORA,
    Base,
    TorchKind,
    import_torch,
    load_base,
    load_saved_base,
    reads,
    refuse_languages,
    resolved,
    save_base,
)
from augcon.scorer.torch_network import Encoded, Network
from augcon.scorer.torch_training import (
    Checkpoint,
    EncodedPair,
    Epoch,
    History,
    TorchOptions,
    train_network,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Epoch",
    "History",
    "TorchOptions",
    "TorchScorer",
    "default_options",
    "load_torch_scorer",
    "train_torch_scorer",
]

STOPPING_SHARE = 0.15  # of the training roots, that only decide when to stop
DIGITS = 4  # of a score: what stands behind them depends on the processor
WEIGHTS, BASE = "weights.safetensors", "base"
CHECKPOINT = ".training.safetensors"  # hidden: no part of the scorer
DEFAULTS = {
    LORA: TorchOptions(epochs=3, patience=1, learning_rate=2e-4, batch=8, max_tokens=1024),
    CROSS_ENCODER: TorchOptions(),
}


def default_options(kind: TorchKind) -> TorchOptions:
    """Options that suit the kind; change some with `dataclasses.replace`."""
    return DEFAULTS[kind]


class TorchScorer:
    """Sc(C, q) from a trained network. Its numbers are the same wherever the machine is the same.

    A context that does not fit loses its end, never the question its; `cut_contexts` counts how
    often that has happened. A question that alone leaves no room gets no score, nor does one in a
    script that an embedded base does not know.

    accuracy  on the pairs that were held out, by kind of negative and in all
    """

    def __init__(
        self,
        network: Network,
        options: TorchOptions,
        history: History,
        accuracy: dict[str, Accuracy],
    ) -> None:
        self._network = network
        self._turns = ThreadPoolExecutor(1, "scorer")  # one at a time: it takes all cores anyway
        self.options = options
        self.history = history
        self.accuracy = accuracy
        self.cut_contexts = 0

    @property
    def kind(self) -> str:
        return self._network.kind

    async def score(self, items: Sequence[Item]) -> list[Score]:
        """A score for each item, in order, worked out beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._turns, self.score_here, list(items))

    def score_here(self, items: Sequence[Item]) -> list[Score]:
        """The same in this thread."""
        scores = [Score()] * len(items)
        texts: dict[int, Encoded] = {}
        for place, item in enumerate(items):
            if why := self._refusal(item, encoded := self._network.encode(item)):
                scores[place] = Score(UNSCORED, why)
            elif encoded is not None:
                texts[place] = encoded
        self.cut_contexts += sum(text.cut for text in texts.values())
        torch = import_torch()
        with torch.inference_mode():
            for places in _together(texts, self._network.at_once):
                values = self._network.scores([texts[place] for place in places]).tolist()
                for place, value in zip(places, values, strict=True):
                    scores[place] = Score(round(value, DIGITS))
        return scores

    def _refusal(self, item: Item, encoded: Encoded | None) -> str:
        if not item.question.strip():
            return "empty: there is no question"
        if encoded is None:
            return f"too_long: the question leaves no room in {self._network.max_tokens} tokens"
        if not reads(self.options.base, item.question):
            return "unreadable: the embedded base reads English only"
        return ""

    def save(self, folder: Path) -> None:
        """Write all that `load_torch_scorer` needs; `scorer.json` last."""
        from safetensors.torch import save_file

        (folder / CARD).unlink(missing_ok=True)
        weights = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self._network.trained().items()
        }
        save_file(weights, folder / WEIGHTS)
        if self._network.kind == CROSS_ENCODER:
            save_base(self._network.base, folder / BASE)
        more = {
            "max_tokens": self._network.max_tokens,
            "four_bits": self._network.base.four_bits,
            "options": asdict(self.options),
            "history": asdict(self.history),
            **report_of(self.accuracy, self.history.trained_on),
        }
        write_card(folder, Card(self.kind, self._network.base.fingerprint), more)


def train_torch_scorer(
    kind: TorchKind,
    contrasts: Sequence[Contrast],
    tested: Sequence[Contrast],
    options: TorchOptions,
    folder: Path,
    progress: Progress | None = None,
) -> TorchScorer:
    """Learn from `contrasts`, measure on `tested`, and save the scorer to `folder`.

    Some roots of `contrasts` are kept aside to stop by, so that `tested` decides nothing. What is
    interrupted goes on from its last whole epoch with the same call. It blocks: call it in a thread
    where an event loop is to live on.

    Raises MissingExtraError without the extra `train`; SettingsError where the base cannot be
    loaded, or does not read the language of the pairs, or no pair can be learned from; AssetError
    where an embedded base cannot be fetched.
    """
    torch = import_torch()
    options = replace(options, base=resolved(options.base))
    refuse_languages(options.base, [pair.context.language for pair in contrasts])
    with torch.random.fork_rng():
        base = load_base(kind, options.base)
        torch.manual_seed(options.seed)
        network = Network(kind, base, min(options.max_tokens, base.longest))
        return _trained(network, contrasts, tested, options, folder, progress or _silent)


def _trained(
    network: Network,
    contrasts: Sequence[Contrast],
    tested: Sequence[Contrast],
    options: TorchOptions,
    folder: Path,
    progress: Progress,
) -> TorchScorer:
    learned, stopping = _parted(contrasts, options.seed)
    pairs, aside = _encoded(network, learned), _encoded(network, stopping)
    if not pairs:
        raise SettingsError(
            f"no contrast pair fits in {network.max_tokens} tokens: there is nothing to learn from"
        )
    folder.mkdir(parents=True, exist_ok=True)
    told = [part for c in contrasts for part in (c.context.id, c.better, c.worse)]
    identity = content_id(
        network.kind, json.dumps(asdict(options)), network.base.fingerprint, *told
    )
    checkpoint = Checkpoint(folder / CHECKPOINT, identity)
    history = train_network(network, pairs, aside, options, checkpoint, progress)
    used = [*pairs, *aside]
    history = replace(
        history,
        cut=sum(pair.better.cut or pair.worse.cut for pair in used),
        left_out=len(contrasts) - len(used),
    )
    scorer = TorchScorer(network, options, history, {})
    scorer.accuracy = accuracy_by_kind(tested, _ranked_right(scorer, tested))
    scorer.save(folder)
    checkpoint.path.unlink()
    return scorer


def load_torch_scorer(folder: Path) -> TorchScorer:
    """The scorer that was saved to the folder.

    Raises MissingExtraError without the extra `train`, ScorerError where the folder holds no such
    scorer, is damaged, or was made on another base than can be had here.
    """
    torch = import_torch()
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        card, told = read_card(folder), facts_of(folder)
        kind, options = _kind(folder, card), TorchOptions(**told["options"])
        history = _history(told["history"])
        accuracy = {k: Accuracy(a["right"], a["pairs"]) for k, a in told["held_out"].items()}
        max_tokens, four_bits = int(told["max_tokens"]), bool(told["four_bits"])
        with torch.random.fork_rng():
            if kind == CROSS_ENCODER:
                base = load_saved_base(folder / BASE)
            else:
                base = _same_base(folder, options.base, four_bits, card.base)
            network = Network(kind, base, max_tokens)
        network.restore(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        told_last = str(error).splitlines()[0] if str(error) else ""
        raise ScorerError(
            f"{folder}: holds no whole scorer of the kinds {LORA} and {CROSS_ENCODER} "
            f"({type(error).__name__}: {told_last}); train it again"
        ) from error
    return TorchScorer(network, options, history, accuracy)


def _kind(folder: Path, card: Card) -> TorchKind:
    if card.kind not in DEFAULTS:
        raise ScorerError(f"{folder}: holds a {card.kind} scorer, and none that learns with torch")
    return LORA if card.kind == LORA else CROSS_ENCODER


def _history(told: dict[str, Any]) -> History:
    epochs = tuple(Epoch(**epoch) for epoch in told.pop("epochs"))
    return History(epochs, **told)


def _same_base(folder: Path, name: str, four_bits: bool, known: str) -> Base:
    base = load_base(LORA, name, four_bits=four_bits)
    if base.fingerprint != known:
        raise ScorerError(
            f"{folder}: was trained on another {name or 'embedded model'} than is here now: put "
            "that one back, or train the scorer again"
        )
    return base


def _parted(contrasts: Sequence[Contrast], seed: int) -> tuple[list[Contrast], list[Contrast]]:
    """The pairs to learn from and those to stop by, by root. Of a single root, none are aside."""
    roots = sorted({pair.context.root_id for pair in contrasts})
    random.Random(seed).shuffle(roots)  # noqa: S311 - an order, not a secret
    aside = set(roots[: max(1, round(STOPPING_SHARE * len(roots)))] if len(roots) > 1 else [])
    stopping = [pair for pair in contrasts if pair.context.root_id in aside]
    return [pair for pair in contrasts if pair.context.root_id not in aside], stopping


def _encoded(network: Network, contrasts: Sequence[Contrast]) -> list[EncodedPair]:
    """The pairs of which both sides fit."""
    pairs = []
    for pair in contrasts:
        better = network.encode(Item(pair.context.text, pair.better))
        worse = network.encode(Item(pair.context.text, pair.worse))
        if better is not None and worse is not None:
            pairs.append(EncodedPair(better, worse))
    return pairs


def _ranked_right(scorer: TorchScorer, tested: Sequence[Contrast]) -> npt.NDArray[np.bool_]:
    """Whether the better question scores higher, (n_pairs,); one that has no score does not."""
    items = [Item(c.context.text, q) for c in tested for q in (c.better, c.worse)]
    values = np.array([score.value for score in scorer.score_here(items)])
    right: npt.NDArray[np.bool_] = values[::2] > values[1::2]
    return right


def _together(texts: dict[int, Encoded], most: int) -> list[list[int]]:
    """The places of the texts, `most` of about equal length at a time."""
    places = sorted(texts, key=lambda place: texts[place].length)
    return [places[i : i + most] for i in range(0, len(places), most)]


def _silent(label: str, done: int, total: int) -> None:
    """Progress for nobody."""
