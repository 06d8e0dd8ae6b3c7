"""Writing the dataset to a file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from augcon.errors import MissingExtraError, OutputError, SettingsError
from augcon.export.formats import FORMATS, lines
from augcon.records import Pair
from augcon.store import write_atomically
from augcon.store.database import store_errors

__all__ = ["write_dataset"]

SUFFIXES = (".jsonl", ".parquet")


def write_dataset(pairs: Iterable[Pair], path: Path, name: str = "augcon") -> None:
    """Write the pairs to `path` in a format: Parquet if it ends in .parquet, else JSONL."""
    if name not in FORMATS:
        raise SettingsError(f"unknown format {name!r}; there are: {', '.join(FORMATS)}")
    if path.suffix not in SUFFIXES:
        raise OutputError(f"{path}: must end in {' or '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        _write_parquet(pairs, path, name)
    else:
        write_atomically(path, "".join(lines(pairs, name)))


def _write_parquet(pairs: Iterable[Pair], path: Path, name: str) -> None:
    try:
        from datasets import Dataset
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "datasets") from error
    unfinished = path.with_name(f".{path.name}.part")
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            Dataset.from_list([FORMATS[name](pair) for pair in pairs]).to_parquet(str(unfinished))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
