"""Writing the dataset to a file, whole or not at all, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from augcon.errors import MissingExtraError, OutputError
from augcon.export.formats import Row, format_of, lines
from augcon.records import Pair
from augcon.store import write_atomically
from augcon.store.database import store_errors

__all__ = ["write_dataset"]

SUFFIXES = (".jsonl", ".parquet")
ROW_GROUP = 1000  # rows of a Parquet file that are written at once


def write_dataset(
    pairs: Iterable[Pair], path: Path, name: str = "augcon", turns: int | None = None
) -> int:
    """Write the pairs to `path` in a format: Parquet if it ends in .parquet, else JSONL.

    pairs  root by root, as the ledger gives them
    turns  of the format `conversations`: most questions of one

    Returns how many rows were written.
    """
    chosen = format_of(name, turns)
    if path.suffix not in SUFFIXES:
        raise OutputError(f"{path}: must end in {' or '.join(SUFFIXES)}")
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in chosen.rows(pairs):
            count += 1
            yield row

    if path.suffix == ".parquet":
        _write_parquet(counted(), path)
    else:
        write_atomically(path, lines(counted()))
    return count


def _write_parquet(rows: Iterator[Row], path: Path) -> None:
    try:
        from pyarrow import Table
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "pyarrow") from error
    unfinished = path.with_name(f".{path.name}.part")
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            table = Table.from_pylist(list(islice(rows, ROW_GROUP)))
            with ParquetWriter(unfinished, table.schema) as writer:
                writer.write_table(table)
                while group := list(islice(rows, ROW_GROUP)):
                    writer.write_table(Table.from_pylist(group, table.schema))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
