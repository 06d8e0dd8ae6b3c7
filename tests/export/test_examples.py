from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from augcon.export import write_examples
from augcon.prepare import Chosen
from augcon.prompts import Library
from augcon.records import Triplet

CHOSEN = {
    "en": [Triplet.of("A mill.\nOld.", "What?", 'A "mill".', "en") for _ in range(1)],
    "zh": [Triplet.of(f"磨坊{n}。", "何时？", "1801年。", "zh") for n in (2, 1)],
}


def steps(chosen: dict[str, Chosen]) -> dict[str, str]:
    return {f"examples-{name}": json.dumps(asdict(one)) for name, one in chosen.items()}


def test_what_a_run_chose_is_read_by_another_as_its_annotated_examples(tmp_path: Path) -> None:
    made = {name: Chosen("search", (), tuple(some)) for name, some in CHOSEN.items()}
    write_examples({**steps(made), "scorer": "{}"}, tmp_path)
    for name, some in CHOSEN.items():
        assert Library(examples_file=tmp_path / f"{name}.jsonl").triplets(name) == tuple(some)
    both = tmp_path / "both.jsonl"
    both.write_text("".join(p.read_text("utf-8") for p in tmp_path.glob("??.jsonl")), "utf-8")
    assert Library(examples_file=both).triplets("zh") == tuple(CHOSEN["zh"])


def test_a_language_without_examples_of_its_own_has_no_file(tmp_path: Path) -> None:
    made = {"en": Chosen("nearest", ("x",)), "zh": Chosen("none", ())}
    write_examples(steps(made), tmp_path / "examples")
    assert not (tmp_path / "examples").exists()
