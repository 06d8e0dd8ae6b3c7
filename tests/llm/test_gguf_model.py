"""A GGUF file of the user's own: looked into before it starts, with one line on what is wrong."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from augcon.config import load_settings
from augcon.errors import ExamplesError, SettingsError
from augcon.llm.gguf_model import (
    OVERHEAD_BYTES,
    Header,
    check_file,
    find_file,
    fit,
    read_header,
)
from augcon.sections import ModelSettings

GB = 10**9


def write_model(path: Path, *, template: str = "{{ messages }}", tokenizer: str = "gpt2") -> Path:
    """A file with the metadata of a small llama-like model, and one matrix."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(512)
    writer.add_block_count(10)
    writer.add_head_count(8)
    writer.add_head_count_kv(2)
    if tokenizer:
        writer.add_tokenizer_model(tokenizer)
    if template:
        writer.add_chat_template(template)
    writer.add_tensor("token_embd.weight", np.zeros((64, 512), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def header(**changed: object) -> Header:
    told = {
        "path": Path("m.gguf"),
        "architecture": "llama",
        "file_bytes": 2 * GB,
        "context_tokens": 32_768,
        "token_bytes": 100_000,
        "has_chat_template": True,
    }
    return Header(**(told | changed))


def settings(**changed: object) -> ModelSettings:
    return ModelSettings(name="m.gguf", **changed)


def test_the_header_tells_what_decides(tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    found = read_header(path)
    assert (found.architecture, found.context_tokens) == ("llama", 4096)
    assert found.file_bytes == path.stat().st_size
    # 10 layers of 2 heads with keys and values of 512 / 8 each, in two bytes.
    assert found.token_bytes == 10 * 2 * (64 + 64) * 2
    assert found.has_chat_template
    assert not read_header(write_model(tmp_path / "base.gguf", template="")).has_chat_template


def test_another_file_has_another_name_in_the_journal(tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    before = read_header(path).model_name
    assert before.startswith("file/tiny-")
    assert read_header(path).model_name == before
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # the last weights, and nothing of the metadata
    path.write_bytes(content)
    assert read_header(path).model_name != before


def test_a_file_in_parts_is_as_large_as_all_of_them(tmp_path: Path) -> None:
    first = write_model(tmp_path / "big-00001-of-00002.gguf")
    second = write_model(tmp_path / "big-00002-of-00002.gguf")
    assert read_header(first).file_bytes == first.stat().st_size + second.stat().st_size
    second.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        read_header(first)


@pytest.mark.parametrize("kept", [0, 3, 40, 300])
def test_a_file_that_is_cut_off_is_no_model(tmp_path: Path, kept: int) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SettingsError, match="not a whole GGUF file") as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


def test_a_text_under_that_name_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("These are notes.\n" * 100)
    with pytest.raises(SettingsError, match="not a whole GGUF file"):
        read_header(path)


def test_a_model_without_attention_keeps_nothing_for_a_token(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "mamba.gguf", "mamba")
    writer.add_context_length(4096)
    writer.add_block_count(10)
    writer.add_tokenizer_model("gpt2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    found = read_header(tmp_path / "mamba.gguf")
    assert found.token_bytes == 0
    assert fit(header(token_bytes=0), settings(), 6000, 500 * GB) == 8


@pytest.mark.parametrize("tokenizer", ["", "bert"])
def test_an_adapter_or_an_encoder_writes_no_text(tmp_path: Path, tokenizer: str) -> None:
    with pytest.raises(SettingsError, match="writes no text"):
        read_header(write_model(tmp_path / "other.gguf", tokenizer=tokenizer))


def test_as_many_slots_as_the_memory_allows_and_no_more_than_are_of_use() -> None:
    slot = 6000 * 100_000
    tight = (2 * GB + OVERHEAD_BYTES + 3 * slot) / 0.9 + 1
    assert fit(header(), settings(), 6000, int(tight)) == 3
    assert fit(header(), settings(), 6000, 500 * GB) == 8
    assert fit(header(), settings(concurrency=20), 6000, 500 * GB) == 20


def test_too_little_memory_says_how_much_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"needs about 3\.3 GB .* 2\.0 GB are free.*--base-url"):
        fit(header(), settings(), 6000, 2 * GB)
    with pytest.raises(SettingsError, match="are free"):
        fit(header(), settings(concurrency=8), 6000, 4 * GB)


def test_a_small_context_window_is_told_before_the_run() -> None:
    with pytest.raises(SettingsError, match=r"2048 tokens is too small .* 6000.*model\.max_tokens"):
        fit(header(context_tokens=2048), settings(), 6000, 500 * GB)


def test_a_base_model_is_run_by_completion() -> None:
    base = header(has_chat_template=False)
    with pytest.raises(SettingsError, match=r'model\.endpoint = "completion"'):
        fit(base, settings(), 6000, 500 * GB)
    assert fit(base, settings(endpoint="completion"), 6000, 500 * GB) == 8


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("embedded", "embedded"),
        ("models/qwen.gguf", "file"),
        ("MODEL.GGUF", "file"),
        ("hf:org/repo:model.gguf", "file"),
    ],
)
def test_the_name_says_where_a_model_runs(name: str, kind: str) -> None:
    assert ModelSettings(name=name).kind == kind


def test_with_a_server_a_file_name_is_the_servers_model() -> None:
    told = ModelSettings(name="qwen.gguf", base_urls=("http://localhost:1/v1",))
    assert told.kind == "server"


def test_neither_file_nor_server_says_both_ways() -> None:
    with pytest.raises(SettingsError, match=r"--base-url.*GGUF file"):
        load_settings(overrides={"model.name": "qwen3"})


def test_a_path_in_a_settings_file_is_relative_to_it(tmp_path: Path) -> None:
    config = tmp_path / "augcon.toml"
    config.write_text('[model]\nname = "models/qwen.gguf"\n')
    assert load_settings(config).model.name == str(tmp_path / "models" / "qwen.gguf")
    config.write_text('[model]\nname = "hf:org/repo:model.gguf"\n')
    assert load_settings(config).model.name == "hf:org/repo:model.gguf"


@pytest.mark.parametrize("name", ["hf:org:model.gguf", "hf:org/repo", "hf:org/repo:model.bin"])
def test_a_name_of_the_hub_that_is_misspelt_shows_its_form(name: str) -> None:
    with pytest.raises(SettingsError, match="hf:ORG/REPO:FILE"):
        find_file(name)


def test_a_file_gives_its_own_embeddings() -> None:
    with pytest.raises(SettingsError, match="its own embeddings"):
        load_settings(overrides={"model.name": "m.gguf", "model.embeddings": "other"})


def test_where_a_file_lies_is_no_part_of_a_runs_identity() -> None:
    here, there = (
        load_settings(overrides={"model.name": f"{folder}/m.gguf"}).identity()
        for folder in ("/a", "/b")
    )
    assert here == there
    other = load_settings(overrides={"model.name": "/a/n.gguf"}).identity()
    assert here != other


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(SettingsError, match="no such file"):
        find_file("no/such/model.gguf")


@pytest.mark.parametrize(("tokens", "too_long"), [(2048, False), (2049, True)])
def test_principles_that_take_most_of_the_window_are_told_before_the_run(
    tmp_path: Path, tokens: int, too_long: bool
) -> None:
    path = write_model(tmp_path / "tiny.gguf")
    told = settings().model_copy(update={"name": str(path)})
    if not too_long:
        assert check_file(told, 3000, principle_tokens=tokens)[0].context_tokens == 4096
        return
    with pytest.raises(ExamplesError, match=rf"{tokens} tokens, .* window of 4096.*shorten") as e:
        check_file(told, 9000, principle_tokens=tokens)
    assert "answers.principles" in str(e.value)
