"""A low-rank adapter on its way from peft's format into a model's matrices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from augcon.llm.gguf_files import requantise
from augcon.train.gguf_adapter import adapter_to_gguf

gguf = pytest.importorskip("gguf")
safetensors = pytest.importorskip("safetensors.numpy")

HEADS, KV_HEADS, SIZE, RANK, ALPHA = 4, 2, 16, 4, 8
WIDTH = HEADS * SIZE
DRAW = np.random.default_rng(0)


def matrix(rows: int, columns: int) -> np.ndarray:
    return DRAW.normal(size=(rows, columns)).astype(np.float32)


@pytest.fixture
def base(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A GGUF file with a few matrices in full precision and one vector."""
    weights = {
        "blk.0.attn_q.weight": matrix(WIDTH, WIDTH),
        "blk.0.attn_k.weight": matrix(KV_HEADS * SIZE, WIDTH),
        "blk.0.ffn_up.weight": matrix(96, WIDTH),
        "blk.0.ffn_norm.weight": matrix(1, WIDTH)[0],
    }
    path = tmp_path / "base.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, values in weights.items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, weights


def peft_folder(folder: Path, changed: dict[str, int]) -> dict[str, np.ndarray]:
    """An adapter in peft's layout; returns its change of each matrix, in transformers' order."""
    folder.mkdir()
    tensors, changes = {}, {}
    for module, rows in changed.items():
        down, up = matrix(RANK, WIDTH), matrix(rows, RANK)
        name = f"base_model.model.model.layers.0.{module}"
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
        changes[module] = ALPHA / RANK * (up @ down)
    safetensors.save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": ALPHA, "r": RANK}))
    return changes


def turned(rows: np.ndarray, heads: int) -> np.ndarray:
    """transformers' rows in llama.cpp's order: both halves of a head, feature by feature."""
    out = np.empty_like(rows)
    for head in range(heads):
        for feature in range(SIZE // 2):
            for half in range(2):
                out[head * SIZE + 2 * feature + half] = rows[
                    head * SIZE + half * SIZE // 2 + feature
                ]
    return out


def read(path: Path) -> dict[str, np.ndarray]:
    return {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors
    }


def test_the_merged_model_is_the_base_plus_the_adapter(
    base: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    path, _ = base
    modules = {"self_attn.q_proj": WIDTH, "self_attn.k_proj": KV_HEADS * SIZE, "mlp.up_proj": 96}
    changes = peft_folder(tmp_path / "peft", modules)
    adapter_to_gguf(tmp_path / "peft", path, tmp_path / "adapter.gguf")
    requantise(path, tmp_path / "merged.gguf", tmp_path / "adapter.gguf", kind="F32")
    before, after = read(path), read(tmp_path / "merged.gguf")
    wanted = {
        "blk.0.attn_q.weight": turned(changes["self_attn.q_proj"], HEADS),
        "blk.0.attn_k.weight": turned(changes["self_attn.k_proj"], KV_HEADS),
        "blk.0.ffn_up.weight": changes["mlp.up_proj"],
    }
    for name, change in wanted.items():
        # Half precision keeps a factor to about one part in two thousand.
        np.testing.assert_allclose(after[name] - before[name], change, rtol=0.01, atol=0.03)
    np.testing.assert_array_equal(after["blk.0.ffn_norm.weight"], before["blk.0.ffn_norm.weight"])


def test_a_matrix_that_the_adapter_does_not_change_stays_as_it_is(
    base: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    path, _ = base
    peft_folder(tmp_path / "peft", {"mlp.up_proj": 96})
    adapter_to_gguf(tmp_path / "peft", path, tmp_path / "adapter.gguf")
    requantise(path, tmp_path / "merged.gguf", tmp_path / "adapter.gguf")
    before, after = read(path), read(tmp_path / "merged.gguf")
    np.testing.assert_array_equal(after["blk.0.attn_q.weight"], before["blk.0.attn_q.weight"])
    assert np.abs(after["blk.0.ffn_up.weight"] - before["blk.0.ffn_up.weight"]).max() > 0.5


def test_a_tensor_of_something_else_is_refused(
    base: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder = tmp_path / "peft"
    folder.mkdir()
    safetensors.save_file({"score.weight": matrix(2, 2)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"lora_alpha": 8}')
    with pytest.raises(ValueError, match=r"not a matrix of a low-rank adapter: score\.weight"):
        adapter_to_gguf(folder, base[0], tmp_path / "adapter.gguf")
