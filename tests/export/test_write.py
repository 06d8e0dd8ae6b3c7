from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from augcon.export import FORMATS, write_dataset
from augcon.export.write import ROW_GROUP
from augcon.records import Draft, Pair, rejected


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


PLAIN = [name for name in FORMATS if name not in ("dpo", "conversations")]


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_is_written_for_each_row_as_they_come(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = list(FORMATS[name].rows(pairs(20)))
    assert write_dataset(pairs(20), path, name) == len(rows)
    expected = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    assert path.read_bytes() == "".join(expected).encode()


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_format_has_a_row_for_each_pair(name: str) -> None:
    rows = list(FORMATS[name].rows(pairs(20)))
    assert len(rows) == 20
    for row, pair in zip(rows, pairs(20), strict=True):
        assert json.dumps(pair.answer) in json.dumps(row)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("number", [1, ROW_GROUP, 2 * ROW_GROUP + 1])
def test_a_parquet_file_holds_every_row_in_order(tmp_path: Path, name: str, number: int) -> None:
    from pyarrow.parquet import read_table

    path = tmp_path / "pairs.parquet"
    rows = list(FORMATS[name].rows(pairs(number)))
    assert write_dataset(pairs(number), path, name) == len(rows)
    assert read_table(path).to_pylist() == rows


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


@pytest.mark.parametrize("name", ["augcon", "dpo", "conversations"])
def test_writing_keeps_no_more_than_a_few_pairs(tmp_path: Path, name: str) -> None:
    text, number = "Long answers. " * 500, 2000
    path = tmp_path / "pairs.jsonl"
    lost = (Draft("It was 1861.", rejected("not_supported")),)

    def drafted() -> Iterator[Pair]:
        return (replace(pair, drafts=lost) for pair in pairs(number, text))

    tracemalloc.start()
    assert write_dataset(drafted(), path, name) == number
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < number * len(text) / 20
    last = path.read_text("utf-8").split("\n")[-2]
    assert [json.loads(last)] == list(FORMATS[name].rows(list(drafted())[-1:]))
