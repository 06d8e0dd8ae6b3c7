"""The adapter's examples: passages of our own writing → (context, question, answer)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augcon.records import content_id

__all__ = ["Asked", "Passage", "read_passages"]

FOLDER = Path(__file__).parent / "passages"
HELD_OUT = 10  # one passage in so many is never trained on


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a part of a passage, and its answer."""

    context: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of some kind, with questions about parts of it."""

    kind: str
    text: str
    asked: tuple[Asked, ...]
    held_out: bool


def read_passages(folder: Path = FOLDER) -> list[Passage]:
    """Every passage of every file, in order of file and line."""
    return [passage for path in sorted(folder.glob("*.jsonl")) for passage in _read(path)]


def _read(path: Path) -> Iterator[Passage]:
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        sentences = row["sentences"]
        text = " ".join(sentences)
        asked = tuple(
            Asked(" ".join(sentences[q["first"] : q["last"] + 1]), q["question"], q["answer"])
            for q in row["questions"]
        )
        # By the content, so that a passage stays where it is when others come or go.
        held_out = int(content_id("passage", text), 16) % HELD_OUT == 0
        yield Passage(row["kind"], text, asked, held_out)
