from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from augcon.export import FORMATS, as_record, write_dataset
from augcon.export.write import ROW_GROUP
from augcon.records import Pair


def pairs(number: int, text: str = "Stone.") -> Iterator[Pair]:
    for n in range(number):
        yield Pair(
            *(
                f"id{n}",
                f"What is “{n}”?",
                f"{n} {text}",
                f"上下文 {n}\u2028",
                "en",
                "macro",
                n % 3,
            ),
            *(n / 7, "a.txt", n, n + 5, f"c{n}", f"r{n}"),
        )


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_is_written_for_each_pair_as_they_come(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pairs.jsonl"
    assert write_dataset(pairs(20), path, name) == 20
    expected = [json.dumps(FORMATS[name](pair), ensure_ascii=False) + "\n" for pair in pairs(20)]
    assert path.read_bytes() == "".join(expected).encode()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("number", [1, ROW_GROUP, 2 * ROW_GROUP + 1])
def test_a_parquet_file_holds_every_pair_in_order(tmp_path: Path, name: str, number: int) -> None:
    from pyarrow.parquet import read_table

    path = tmp_path / "pairs.parquet"
    assert write_dataset(pairs(number), path, name) == number
    assert read_table(path).to_pylist() == [FORMATS[name](pair) for pair in pairs(number)]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_no_pairs_make_an_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pairs.{suffix}"
    assert write_dataset(pairs(0), path) == 0
    assert path.is_file()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_an_error_in_the_middle_leaves_the_file_that_was_there(tmp_path: Path, suffix: str) -> None:
    def broken() -> Iterator[Pair]:
        yield from pairs(2 * ROW_GROUP)
        raise RuntimeError("the database went away")

    path = tmp_path / f"pairs.{suffix}"
    write_dataset(pairs(3), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="went away"):
        write_dataset(broken(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_keeps_no_more_than_a_few_pairs(tmp_path: Path) -> None:
    text, number = "Long answers. " * 500, 2000
    path = tmp_path / "pairs.jsonl"
    tracemalloc.start()
    write_dataset(pairs(number, text), path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < number * len(text) / 20
    last = path.read_text("utf-8").split("\n")[-2]
    assert json.loads(last) == as_record(list(pairs(number, text))[-1])
