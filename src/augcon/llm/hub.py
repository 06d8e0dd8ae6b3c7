"""Files of the Hugging Face Hub: hf:ORG/REPO:FILE, fetched into the hub's own cache."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from augcon.errors import AssetError, MissingExtraError, SettingsError
from augcon.llm.cache import Progress
from augcon.llm.machine import free_memory
from augcon.sections import HUB

__all__ = ["fetch_from_hub", "parts_of"]

NAME = re.compile(rf"^{HUB}(?P<repo>[\w.\-]+/[\w.\-]+):(?P<file>[^:]+\.gguf)$")
PART = re.compile(r"-00001-of-(\d{5})\.gguf$")


def parts_of(name: str) -> list[str]:
    """The names of all parts of a file that is cut into several; its own if it is not."""
    if (found := PART.search(name)) is None:
        return [name]
    stem = name[: found.start()]
    return [f"{stem}-{part:05}-of-{found[1]}.gguf" for part in range(1, int(found[1]) + 1)]


def fetch_from_hub(name: str, progress: Progress | None) -> Path:
    """The path of the (first) file. What is in the hub's cache is not fetched again.

    Raises SettingsError where the name is misspelt or the file is too large for this machine,
    AssetError where it cannot be fetched.
    """
    found = NAME.match(name)
    if found is None:
        raise SettingsError(f"model {name!r} is not of the form hf:ORG/REPO:FILE.gguf")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read at the import
    try:
        import huggingface_hub
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("a model of the Hugging Face Hub", "huggingface_hub") from error
    files = parts_of(found["file"])
    try:
        _demand_room(name, [_looked_up(found["repo"], file) for file in files])
        paths = [
            huggingface_hub.hf_hub_download(found["repo"], file, tqdm_class=_bar(file, progress))
            for file in files
        ]
    except LocalEntryNotFoundError as error:
        raise AssetError(
            f"{name} is not in the cache and the hub cannot be reached. "
            "Check the network and run the same command again"
        ) from error
    except HFValidationError as error:
        raise SettingsError(f"model {name!r} is no name of the hub: {_last_line(error)}") from error
    except OSError as error:
        raise AssetError(
            f"{name} cannot be fetched ({_last_line(error)}). Check its name on the hub, the room "
            "in the hub's cache (HF_HOME), and for a gated model HF_TOKEN"
        ) from error
    except (SettingsError, AssetError):
        raise
    except Exception as error:  # the faults of its transport have no common class
        raise AssetError(
            f"{name} cannot be fetched ({_last_line(error)}). Run the same command again: it goes "
            "on where it stopped"
        ) from error
    return Path(paths[0])


def _looked_up(repository: str, file: str) -> Any:
    """Its size, and whether it is to be fetched; an unreachable hub is asked for nothing."""
    import huggingface_hub

    return huggingface_hub.hf_hub_download(repository, file, dry_run=True)


def _demand_room(name: str, files: list[Any]) -> None:
    """Twenty gigabytes are not fetched to find that the memory holds sixteen."""
    from huggingface_hub.constants import HF_HUB_CACHE

    size, free = sum(file.file_size for file in files), free_memory()
    if size > free:
        raise SettingsError(
            f"{name} has {size / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free: choose a "
            "smaller or more strongly quantised file, or use a model server with --base-url"
        )
    missing = sum(file.file_size for file in files if file.will_download)
    cache = Path(HF_HUB_CACHE)
    there = next((p for p in (cache, *cache.parents) if p.exists()), Path())
    if missing and shutil.disk_usage(there).free < missing:
        raise AssetError(f"no room for {name} ({missing / 1e9:.1f} GB) in {cache}: set HF_HOME")


def _bar(file: str, progress: Progress | None) -> Any:
    """The hub's progress bar, which tells `progress` instead of drawing itself."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc,type-arg,unused-ignore]
        def display(self, *args: Any, **more: Any) -> None:
            if progress is not None and self.total:
                progress(file, int(self.n), int(self.total))

    return Bar


def _last_line(error: Exception) -> str:
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    return told[-1][:300] if told else type(error).__name__
