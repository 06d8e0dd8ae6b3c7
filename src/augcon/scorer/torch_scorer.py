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
from typing import TYPE_CHECKING, Any, Literal

from augcon.errors import SettingsError
from augcon.llm.cache import Progress, sha256
from augcon.records import UNSCORED, content_id
from augcon.scorer.base import Item, Score
from augcon.scorer.contrast import Contrast
from augcon.scorer.linear import Accuracy
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
FORMAT = 1  # of a folder
DESCRIPTION, WEIGHTS, CHECKPOINT, BASE = (
    "scorer.json",
    "weights.safetensors",
    "training.safetensors",
    "base",
)
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
        """Write all that `load_torch_scorer` needs; the description last."""
        from safetensors.torch import save_file

        description = folder / DESCRIPTION
        description.unlink(missing_ok=True)
        weights = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self._network.trained().items()
        }
        save_file(weights, folder / WEIGHTS)
        if self._network.kind == CROSS_ENCODER:
            save_base(self._network.base, folder / BASE)
        told = {
            "kind": self.kind,
            "format": FORMAT,
            "max_tokens": self._network.max_tokens,
            "four_bits": self._network.base.four_bits,
            "base": self._network.base.fingerprint,
            "files": {name: sha256(folder / name) for name in _files(folder)},
            "options": asdict(self.options),
            "history": asdict(self.history),
            "accuracy": {kind: asdict(each) for kind, each in self.accuracy.items()},
        }
        description.write_text(json.dumps(told, indent=2) + "\n", "utf-8")


def train_torch_scorer(
    kind: Literal["lora", "cross-encoder"],
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
    scorer.accuracy = _measured(scorer, tested)
    scorer.save(folder)
    checkpoint.path.unlink()
    return scorer


def load_torch_scorer(folder: Path) -> TorchScorer:
    """The scorer that was saved to the folder.

    Raises MissingExtraError without the extra `train`, SettingsError where the folder holds no such
    scorer, is damaged, or was made on another base than can be had here.
    """
    torch = import_torch()
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        told = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        kind, options = _kind(told), TorchOptions(**told["options"])
        history = _history(told["history"])
        accuracy = {name: Accuracy(**each) for name, each in told["accuracy"].items()}
        max_tokens, four_bits = int(told["max_tokens"]), bool(told["four_bits"])
        _compare(folder, told["files"])
        with torch.random.fork_rng():
            if kind == CROSS_ENCODER:
                base = load_saved_base(folder / BASE)
            else:
                base = _same_base(folder, options.base, four_bits, told["base"])
            network = Network(kind, base, max_tokens)
        network.restore(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        told_last = str(error).splitlines()[0] if str(error) else ""
        raise SettingsError(
            f"{folder} holds no whole scorer of the kinds {LORA} and {CROSS_ENCODER} "
            f"({type(error).__name__}: {told_last}): train it again"
        ) from error
    return TorchScorer(network, options, history, accuracy)


def _files(folder: Path) -> list[str]:
    """What a scorer's folder holds beside its description."""
    found = [folder / WEIGHTS, *sorted((folder / BASE).glob("*"))]
    return [path.relative_to(folder).as_posix() for path in found]


def _compare(folder: Path, files: dict[str, str]) -> None:
    for name, known in files.items():
        if sha256(folder / name) != known:
            raise ValueError(f"{name} is not the one that {DESCRIPTION} tells of")


def _kind(told: dict[str, Any]) -> TorchKind:
    if told["kind"] not in DEFAULTS or told["format"] != FORMAT:
        raise ValueError(f"kind {told['kind']!r}, format {told['format']!r}")
    return LORA if told["kind"] == LORA else CROSS_ENCODER


def _history(told: dict[str, Any]) -> History:
    epochs = tuple(Epoch(**epoch) for epoch in told.pop("epochs"))
    return History(epochs, **told)


def _same_base(folder: Path, name: str, four_bits: bool, known: str) -> Base:
    base = load_base(LORA, name, four_bits=four_bits)
    if base.fingerprint != known:
        raise SettingsError(
            f"{folder} was trained on another {name or 'embedded model'} than is here now: put "
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


def _measured(scorer: TorchScorer, tested: Sequence[Contrast]) -> dict[str, Accuracy]:
    """How often the better question scores higher; one that has no score does not."""
    items = [Item(c.context.text, q) for c in tested for q in (c.better, c.worse)]
    scores = [score.value for score in scorer.score_here(items)]
    right = [better > worse for better, worse in zip(scores[::2], scores[1::2], strict=True)]
    by_kind: dict[str, list[bool]] = {}
    for pair, won in zip(tested, right, strict=True):
        by_kind.setdefault(pair.kind.value, []).append(won)
    by_kind = {kind: by_kind[kind] for kind in sorted(by_kind)} | {"all": right}
    return {kind: Accuracy(sum(won), len(won)) for kind, won in by_kind.items()}


def _together(texts: dict[int, Encoded], most: int) -> list[list[int]]:
    """The places of the texts, `most` of about equal length at a time."""
    places = sorted(texts, key=lambda place: texts[place].length)
    return [places[i : i + most] for i in range(0, len(places), most)]


def _silent(label: str, done: int, total: int) -> None:
    """Progress for nobody."""
