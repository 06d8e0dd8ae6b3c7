"""The sentence encoder of a GGUF file in torch, where it is installed (extra `train`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augcon.llm.assets import ENCODER
from augcon.llm.cache import fetch
from augcon.llm.gguf_files import encoder_to_gguf
from augcon.scorer.torch_bert import load_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")

VOCABULARY = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mill", "the", "##s", "."]
SENTENCES = [
    "The mill by the river was built in 1764.",
    "Who owns the café, and why?",
    "Naïvely speaking, 12.5% of it isn't there; is it?",
    "a",
]


def test_a_bert_comes_back_from_its_file_with_its_numbers_and_its_words(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=16,
        layer_norm_eps=1e-7,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
    made = tmp_path / "made.gguf"
    encoder_to_gguf(
        tmp_path / "model.safetensors", tmp_path / "config.json", tmp_path / "vocab.txt", made
    )
    loaded, tokenizer = load_bert(made)
    assert loaded.config.layer_norm_eps == pytest.approx(1e-7)
    assert tokenizer.model_max_length == 16
    tokens = tokenizer("The mills.", return_tensors="pt")
    assert tokens.input_ids.tolist() == [[3, 7, 6, 8, 9, 4]]
    with torch.no_grad():
        ours = loaded(**tokens).last_hidden_state
        theirs = model(**tokens).last_hidden_state
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=0.05)
    assert not torch.equal(ours, theirs)  # eight bits are fewer than thirty-two


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "llama")
    writer.add_tensor("x", np.ones((2, 2), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="no BERT with word pieces"):
        load_bert(tmp_path / "other.gguf")


@pytest.mark.embedded
@pytest.mark.slow
def test_torch_and_llama_cpp_read_the_embedded_encoder_alike() -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    path = fetch(ENCODER)
    model, tokenizer = load_bert(path)
    tokens = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state
    seen = tokens.attention_mask.unsqueeze(-1)
    ours = ((hidden * seen).sum(1) / seen.sum(1)).numpy()
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 2048
    params.n_parallel = 4
    params.n_gpu_layers = 0
    params.verbosity = 0
    params.warmup = False
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    told = xllamacpp.Server(params).handle_embeddings({"input": SENTENCES})
    theirs = np.array([row["embedding"] for row in told["data"]])
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert ((ours * theirs).sum(axis=1) / norms).min() > 0.99
