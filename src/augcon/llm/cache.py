"""The user's cache: files that take seconds or a download to make, made once and checked always.

A file appears under its name only when it is complete, with its own SHA-256 in a note beside it,
and every start checks that. Two runs that start at once make it once.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from augcon.errors import AssetError

__all__ = ["WAY_OUT", "Asset", "Progress", "cache_folder", "fetch", "is_ready", "no_room", "sha256"]

Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in all

WAY_OUT = "or use a model server with --base-url"
STALE_SECONDS = 6 * 3600  # a temporary folder this old belongs to no living run


class Asset(Protocol):
    """A file that the cache can hold.

    file_name   its name there
    model_name  what requests to it are journalled under; it changes when the file does
    source      what it is made from, for people
    sha256      of what it is made from: a file made from something else counts as missing
    room        bytes that making it takes on the disk
    download    bytes that are fetched for it
    """

    @property
    def file_name(self) -> str: ...

    @property
    def model_name(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def room(self) -> int: ...

    @property
    def download(self) -> int: ...

    def make(self, folder: Path, progress: Progress) -> None:
        """Write `folder / file_name`; what else is in `folder` is lost. Raises AssetError."""


def cache_folder() -> Path:
    """Where the files are kept: $AUGCON_CACHE, else the platform's folder for caches."""
    if chosen := os.environ.get("AUGCON_CACHE"):
        return _path(chosen)
    if sys.platform == "win32":
        return _path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")) / "augcon"
    if sys.platform == "darwin":
        return _path("~/Library/Caches/augcon")
    return _path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "augcon"


def _path(name: str) -> Path:
    return Path(os.path.expanduser(name))  # noqa: PTH111 - without a home it raises nothing


def is_ready(asset: Asset) -> bool:
    """Whether the file is in the cache, whole and unchanged."""
    path = cache_folder() / asset.file_name
    try:
        noted = json.loads(_note(path).read_text("utf-8"))
        if noted["source_sha256"] != asset.sha256 or path.stat().st_size != noted["bytes"]:
            return False
        return str(noted["sha256"]) == sha256(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fetch(asset: Asset, progress: Progress | None = None) -> Path:
    """The path of the file, made first if it is missing or damaged.

    Raises AssetError, in one line that says what to do, or MissingExtraError where the packages
    that prepare it are not installed.
    """
    folder = cache_folder()
    path = folder / asset.file_name
    if is_ready(asset):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{asset.file_name}.lock"):
            if not is_ready(asset):  # another run may have fetched it meanwhile
                _make_into(folder, asset, progress or _silent)
    except OSError as error:
        raise AssetError(_cache_fault(error, folder)) from error
    return path


def _make_into(folder: Path, asset: Asset, progress: Progress) -> None:
    _remove_leftovers(folder)
    if shutil.disk_usage(folder).free < asset.room:
        raise AssetError(no_room(folder))
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
        temporary = Path(name)
        asset.make(temporary, progress)
        made = temporary / asset.file_name
        noted = {
            "source": asset.source,
            "source_sha256": asset.sha256,
            "bytes": made.stat().st_size,
            "sha256": sha256(made),
        }
        note = _note(made)
        note.write_text(json.dumps(noted, indent=1), "utf-8")
        # The note last: a file without its note counts as missing.
        for file in (made, note):
            _sync(file)
            file.replace(folder / file.name)


def _cache_fault(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_room(folder)
    return (
        f"the embedded model's files cannot be kept in {folder} ({error.strerror or error}). "
        f"Name a folder that can be written with AUGCON_CACHE=/some/folder, {WAY_OUT}"
    )


def no_room(folder: Path) -> str:
    return (
        f"no room for the embedded model's files in {folder}. Free some space, "
        f"name a folder on another disk with AUGCON_CACHE=/some/folder, {WAY_OUT}"
    )


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


def sha256(path: Path) -> str:
    """In hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _silent(label: str, done: int, total: int) -> None:
    """Progress for nobody."""
