"""A trained adapter as llama.cpp reads it: a peft folder → one GGUF file in half precision.

llama.cpp keeps the rows of the query and key matrices in another order than transformers does:
it turns pairs of neighbouring features where transformers turns the two halves of a head. So do
their adapters' B matrices (llama.cpp, `convert_lora_to_gguf.py`, the facts).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from augcon.errors import MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

__all__ = ["adapter_to_gguf"]

NAME = re.compile(r"layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$")
MATRICES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def adapter_to_gguf(folder: Path, base: Path, target: Path) -> None:
    """Write `target` from a peft adapter of a llama-like model whose GGUF file is `base`."""
    try:
        import gguf
        from safetensors.numpy import load_file
    except ImportError as error:
        raise MissingExtraError("the embedded model", "local") from error
    fields = gguf.GGUFReader(base).fields
    heads = {
        "attn_q": int(fields["llama.attention.head_count"].contents()),
        "attn_k": int(fields["llama.attention.head_count_kv"].contents()),
    }
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(settings["lora_alpha"]))
    tensors = load_file(folder / "adapter_model.safetensors")
    for name in sorted(tensors, key=_parts):
        layer, matrix, side = _parts(name)
        values: Floats = tensors[name].astype(np.float32)
        if side == "b" and matrix in heads:
            values = _interleaved(values, heads[matrix])
        writer.add_tensor(f"blk.{layer}.{matrix}.weight.lora_{side}", values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _parts(name: str) -> tuple[int, str, str]:
    found = NAME.search(name)
    if found is None:
        raise ValueError(f"not a matrix of a low-rank adapter: {name}")
    return int(found[1]), MATRICES[found[2]], found[3].lower()


def _interleaved(rows: Floats, heads: int) -> Floats:
    """Rows from two halves of each head to neighbouring pairs: (heads · size, rank)."""
    split = rows.reshape(heads, 2, len(rows) // heads // 2, rows.shape[1])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(rows.shape))
