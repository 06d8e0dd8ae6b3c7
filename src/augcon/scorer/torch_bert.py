"""The embedded sentence encoder in torch: a BERT in a GGUF file → a model of transformers.

transformers reads no GGUF file of this architecture. Its tensors go by the names that
`augcon.llm.gguf_files` wrote them under, its matrices leave their blocks of eight bits as 32-bit
floats, and its word pieces get back the marks that they have outside llama.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augcon.llm.gguf_files import bert_names

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_bert"]

WORD_START = "▁"


def load_bert(path: Path) -> tuple[Any, Any]:
    """A BertModel in 32-bit floats, without its pooler, and its tokenizer.

    Raises ValueError where the file holds something else than a BERT with word pieces.
    """
    import gguf
    import torch
    from transformers import BertModel, BertTokenizer

    reader = gguf.GGUFReader(path)
    told = {key: field.contents() for key, field in reader.fields.items()}
    if told.get("general.architecture") != "bert" or told["tokenizer.ggml.model"] != "bert":
        raise ValueError(f"{path.name} is no BERT with word pieces")
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    config = _config(told, len(tensors["token_types.weight"]))
    model = BertModel(config, add_pooling_layer=False)
    names = bert_names(config.num_hidden_layers)
    model.load_state_dict(
        {theirs: torch.tensor(tensors[ours].copy()) for theirs, ours in names.items()}
    )
    pieces, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    vocabulary = {
        _word_piece(piece, kind == gguf.TokenType.NORMAL): number
        for number, (piece, kind) in enumerate(zip(pieces, kinds, strict=True))
    }
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=config.max_position_embeddings)
    return model.eval(), tokenizer


def _config(told: dict[str, Any], token_types: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(told["tokenizer.ggml.tokens"]),
        hidden_size=told["bert.embedding_length"],
        num_hidden_layers=told["bert.block_count"],
        num_attention_heads=told["bert.attention.head_count"],
        intermediate_size=told["bert.feed_forward_length"],
        max_position_embeddings=told["bert.context_length"],
        layer_norm_eps=told["bert.attention.layer_norm_epsilon"],
        type_vocab_size=token_types,
    )


def _word_piece(piece: str, normal: bool) -> str:
    """llama.cpp marks the start of a word, where WordPiece marks the rest."""
    if not normal:
        return piece
    return piece[1:] if piece.startswith(WORD_START) else f"##{piece}"
