"""A scorer as a folder: `scorer.json` tells what it is, other files hold its weights.

    scorer.json   format, kind, the model that it goes with, SHA-256 of every other file,
                  and the report of its fit
    weights.npz   a linear head; other kinds have files of their own; never a pickle

`scorer.json` is written last: a folder without it holds no scorer, and one whose files are not
those that it lists is damaged.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from augcon.errors import ScorerError
from augcon.llm.cache import sha256
from augcon.records import content_id
from augcon.scorer.base import Scorer

__all__ = [
    "CARD",
    "KINDS",
    "Card",
    "card_of",
    "facts_of",
    "fingerprint",
    "keep",
    "read_card",
    "write_card",
]

FORMAT = 1
CARD = "scorer.json"
KINDS = ("linear", "lora", "cross-encoder", "judge", "heuristic", "random")


@dataclass(frozen=True, slots=True)
class Card:
    """What every kind of scorer says of itself.

    base    name of the model that it was fitted on, or asks; of one trained with torch, the
            fingerprint of its base; empty where there is none
    hidden  numbers in a hidden state of that model; 0 where none is read
    layout  version of how a question and its context are put to the model
    seed    of a random scorer
    """

    kind: str
    base: str = ""
    hidden: int = 0
    layout: int = 0
    seed: int = 0


def write_card(folder: Path, card: Card, more: Mapping[str, object] | None = None) -> None:
    """Write `scorer.json` beside the files that are in the folder, and vouch for them.

    more  what else the kind has to say of itself
    """
    _write(folder, {"format": FORMAT, **asdict(card), "files": _hashes(folder), **(more or {})})


def read_card(folder: Path) -> Card:
    """The card of a folder that is whole. Raises ScorerError in one line otherwise."""
    card = card_of(folder)
    _demand_whole(folder)
    return card


def card_of(folder: Path) -> Card:
    """The card as it is written, for who need not know whether the files are whole.

    To know that takes reading all of them: whoever loads a scorer does so, once.
    """
    facts = facts_of(folder)
    card = Card(**{f.name: facts[f.name] for f in fields(Card) if f.name in facts})
    if card.kind not in KINDS:
        raise ScorerError(f"{folder}: holds a scorer of an unknown kind ({card.kind!r})")
    _demand_types(folder, card)
    return card


def facts_of(folder: Path) -> Mapping[str, Any]:
    """All that `scorer.json` says. Raises ScorerError where it cannot be read."""
    path = folder / CARD
    if not folder.is_dir():
        raise ScorerError(f"{folder}: no such folder of a scorer")
    if not path.is_file():
        raise ScorerError(
            f"{folder}: holds no scorer (no {CARD}); a run saves its own as OUT/scorer"
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScorerError(f"{folder}: its {CARD} is damaged ({error})") from error
    if not isinstance(facts, dict) or "format" not in facts or "kind" not in facts:
        raise ScorerError(f"{folder}: its {CARD} is damaged (it names no format or no kind)")
    if facts["format"] != FORMAT:
        raise ScorerError(
            f"{folder}: made by another version of augcon (scorer format {facts['format']!r}, "
            f"this one reads {FORMAT}); fit it anew"
        )
    return facts


def fingerprint(folder: Path) -> str:
    """An id of what the scorer is, wherever its folder lies. Raises as `read_card` does."""
    card = card_of(folder)
    hashes = _demand_whole(folder)
    facts = [f"{key}={value!r}" for key, value in sorted(asdict(card).items())]
    files = [f"{name}={known}" for name, known in sorted(hashes.items())]
    return content_id("scorer", *facts, *files)


def keep(scorer: Scorer, folder: Path, report: Mapping[str, object]) -> None:
    """Save the scorer and the report of its fit, in place of what the folder holds.

    It is written beside the folder and then put in its place, so that what is there is whole.
    """
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    scorer.save(unfinished)
    _write(unfinished, {**facts_of(unfinished), **report})
    _put_in_place(unfinished, folder)


def _put_in_place(unfinished: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def _write(folder: Path, facts: Mapping[str, object]) -> None:
    written = folder / f".{CARD}.part"
    with written.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / CARD)


def _hashes(folder: Path) -> dict[str, str]:
    """Relative name → SHA-256 of all files but the card and hidden ones."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in _files(folder)
        if path != folder / CARD
    }


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in inside):
            yield path


def _demand_whole(folder: Path) -> dict[str, str]:
    """The hashes of the files as they are. Raises ScorerError where the card tells of others."""
    try:
        listed = dict(facts_of(folder).get("files", {}))
    except (TypeError, ValueError) as error:
        raise ScorerError(f"{folder}: its {CARD} is damaged ({error})") from error
    there = _hashes(folder)
    for name, known in listed.items():
        if there.get(name) != known:
            problem = "has changed or is damaged" if name in there else "is missing"
            raise ScorerError(f"{folder}: its {name} {problem}; save or copy the scorer again")
    return there


def _demand_types(folder: Path, card: Card) -> None:
    for name, kind in {"base": str, "hidden": int, "layout": int, "seed": int}.items():
        value = getattr(card, name)
        if type(value) is not kind:
            raise ScorerError(f"{folder}: its {CARD} is damaged ({name} is {value!r})")
