"""The few-shot examples that a run chose, as files that another run can be given.

OUT/examples/LANG.jsonl  ──answers.examples, answers.choose = "first"──▶  another run
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from augcon.store import write_atomically

__all__ = ["write_examples"]

STEP = "examples-"
FIELDS = ("context", "question", "answer", "language", "source")


def write_examples(steps: Mapping[str, str], folder: Path) -> None:
    """Write LANG.jsonl for every language that has examples of its own, in their order.

    steps  name → output of the run's finished steps
    """
    for name, output in steps.items():
        if name.startswith(STEP) and (examples := json.loads(output)["examples"]):
            lines = [
                json.dumps({key: one[key] for key in FIELDS if one[key]}, ensure_ascii=False) + "\n"
                for one in examples
            ]
            write_atomically(folder / f"{name.removeprefix(STEP)}.jsonl", lines)
