"""The models that the scorers on torch are built on: found, loaded, and known again.

    "" (the embedded one) | a local folder | a name of the Hugging Face Hub ──▶ model and tokenizer

torch and its kin are imported inside the functions that need them; they come with the extra
`train`. The embedded models read English only, so that they are refused for anything else rather
than be trained on texts that mean nothing to them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from augcon.corpus.units import HAN, KANA, units_of
from augcon.errors import MissingExtraError, SettingsError
from augcon.llm.assets import ENCODER, GENERATOR
from augcon.llm.cache import fetch
from augcon.scorer.torch_bert import load_bert

__all__ = [
    "CROSS_ENCODER",
    "LORA",
    "Base",
    "TorchKind",
    "import_torch",
    "load_base",
    "load_saved_base",
    "reads",
    "refuse_languages",
    "resolved",
    "save_base",
]

TorchKind = Literal["lora", "cross-encoder"]
LORA: TorchKind = "lora"
CROSS_ENCODER: TorchKind = "cross-encoder"
CJK = re.compile(f"[{HAN}{KANA}]")
SAMPLED = 64  # numbers of each tensor that a base is known again by


@dataclass(frozen=True, slots=True)
class Base:
    """A model without its output layer, its tokenizer, and what they can take.

    longest      tokens that it has positions for
    four_bits    whether its matrices are kept in four bits (QLoRA, arXiv 2305.14314)
    fingerprint  of numbers from all over the model: another base has another
    """

    model: Any
    tokenizer: Any
    longest: int
    four_bits: bool
    fingerprint: str


def import_torch() -> Any:
    """torch, where all that the scorers need is installed. Raises MissingExtraError."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read at the import
    try:
        import gguf  # noqa: F401
        import peft  # noqa: F401
        import safetensors  # noqa: F401
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError("a scorer on torch", "train") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return torch


def resolved(name: str) -> str:
    """A local folder by its whole path, which means the same wherever the scorer is used."""
    return str(Path(name).resolve()) if name and Path(name).is_dir() else name


def load_base(kind: TorchKind, name: str, *, four_bits: bool | None = None) -> Base:
    """The base of a scorer, ready for this machine: on the GPU where there is one.

    four_bits  None: where the base is named, for `lora`, if CUDA and bitsandbytes are here
    Raises MissingExtraError, AssetError where the embedded model cannot be fetched, SettingsError
    where what is named cannot be loaded.
    """
    import_torch()
    if not name:
        model, tokenizer = _embedded(kind)
        return _placed(model, tokenizer)
    from transformers import AutoModel, AutoTokenizer

    if four_bits is None:
        four_bits = kind == LORA and _can_quantise()
    elif four_bits and not _can_quantise():
        raise SettingsError("this scorer's base is in four bits: it needs CUDA and bitsandbytes")
    more = _in_four_bits() if four_bits else {"dtype": _precision(kind)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModel.from_pretrained(name, use_safetensors=True, **more)
    except Exception as error:  # the faults of its readers and of the hub have no common class
        raise SettingsError(
            f"the scorer's base {name!r} cannot be loaded ({_first_line(error)}): it must be a "
            "folder or a name of the Hugging Face Hub, with safetensors and a tokenizer"
        ) from error
    return _placed(model, tokenizer, four_bits=four_bits)


def save_base(base: Base, folder: Path) -> None:
    """Write what makes the same model but for its weights, and its tokenizer."""
    base.model.config.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)


def load_saved_base(folder: Path) -> Base:
    """The base that `save_base` wrote, with weights that mean nothing yet.

    Raises OSError or ValueError where the folder is not whole.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    return _placed(model.float(), AutoTokenizer.from_pretrained(folder))


def _can_quantise() -> bool:
    torch = import_torch()
    return bool(torch.cuda.is_available()) and importlib.util.find_spec("bitsandbytes") is not None


def _embedded(kind: TorchKind) -> tuple[Any, Any]:
    if kind == CROSS_ENCODER:
        return load_bert(fetch(ENCODER))
    from augcon.train.lora import load_base as load_chat_model

    model, tokenizer = load_chat_model(fetch(GENERATOR))
    return model.base_model, tokenizer


def _placed(model: Any, tokenizer: Any, *, four_bits: bool = False) -> Base:
    torch = import_torch()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # the scorer has a head of its own
    if torch.cuda.is_available() and not four_bits:  # in four bits it is there already
        model = model.to("cuda")
    longest = min(
        getattr(model.config, "max_position_embeddings", tokenizer.model_max_length),
        tokenizer.model_max_length,
    )
    return Base(model, tokenizer, int(longest), four_bits, _fingerprint(model))


def _precision(kind: TorchKind) -> Any:
    """Half of it is enough for weights that are not trained, where that is fast."""
    torch = import_torch()
    return torch.bfloat16 if kind == LORA and torch.cuda.is_available() else torch.float32


def _in_four_bits() -> dict[str, Any]:
    import torch
    from transformers import BitsAndBytesConfig

    packed = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"dtype": torch.bfloat16, "quantization_config": packed, "device_map": {"": 0}}


def _fingerprint(model: Any) -> str:
    torch = import_torch()
    told = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        numbers = tensor.flatten()
        numbers = numbers[:: max(1, len(numbers) // SAMPLED)]
        told.update(json.dumps([name, *tensor.shape]).encode())
        told.update(numbers.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return told.hexdigest()


def refuse_languages(name: str, languages: Iterable[str]) -> None:
    """Raise SettingsError where an embedded base does not read the language of most pairs."""
    told = list(languages)
    foreign = [language for language in told if language != "en"]
    if not name and 2 * len(foreign) > len(told):
        most = max(sorted(set(foreign)), key=foreign.count)
        raise SettingsError(
            f"the scorer's embedded base reads English only, and {len(foreign)} of the "
            f"{len(told)} pairs are in other languages (most: {most}): name a base that reads them"
        )


def reads(name: str, question: str) -> bool:
    """Whether the base knows the question's script; one that was named is trusted to."""
    if name:
        return True
    units = [match[0] for match in units_of(question)]
    foreign = sum(bool(CJK.match(unit)) for unit in units)
    return 2 * foreign <= len(units)


def _first_line(error: Exception) -> str:
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    return told[0][:300] if told else type(error).__name__
