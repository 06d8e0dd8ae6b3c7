"""What `augcon init` writes: settings with every default and its meaning, and the prompt files.

The settings file is made from the settings themselves, so that it cannot lag behind them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from augcon.config import Settings
from augcon.errors import OutputError
from augcon.prompts.library import LANGUAGES, built_in, prompt_names
from augcon.store import write_atomically

__all__ = ["settings_template", "write_templates"]

HEADER = """\
# Settings of an augcon run: augcon run PATH... -o OUT --config augcon.toml
# A line that starts with '#' shows the default; remove the '#' to change it.
# Lengths are in units: one Chinese character is one unit, one word of other scripts is one unit.
"""


def write_templates(folder: str | os.PathLike[str] = ".") -> list[Path]:
    """Write augcon.toml and prompts/ into a folder; returns what was written.

    Raises OutputError, and writes nothing, where one of the files is there already.
    """
    target = Path(folder)
    files = {target / "augcon.toml": settings_template()}
    for language in LANGUAGES:
        ours = built_in(language)
        sets = sorted((*ours.glob("principles/*.md"), *ours.glob("annotated/*.jsonl")))
        for path in (*(ours / f"{name}.toml" for name in prompt_names(language)), *sets):
            text = path.read_text(encoding="utf-8")
            files[target / "prompts" / language / path.relative_to(ours)] = text
    if there := [path for path in files if path.exists()]:
        raise OutputError(f"{there[0]}: is there already; nothing was written")
    for path, text in files.items():
        write_atomically(path, text)
    return list(files)


def settings_template() -> str:
    """Every setting with its default and its meaning, as commented TOML."""
    top = list(_lines(Settings(), sections=False))
    parts = [HEADER, *top, 'prompts = "prompts"']
    for name, value in Settings():
        if isinstance(value, BaseModel):
            parts += _section(name, value)
    return "\n".join(parts) + "\n"


def _section(name: str, model: BaseModel) -> Iterator[str]:
    about = " ".join((type(model).__doc__ or "").split())
    yield from ("", f"# {about}", f"[{name}]")
    yield from _lines(model, sections=True)
    for inner, value in model:
        if isinstance(value, BaseModel):
            yield from _section(f"{name}.{inner}", value)


def _lines(model: BaseModel, *, sections: bool) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel) or (name == "prompts" and not sections):
            continue
        shown = "..." if value is None else json.dumps(value, ensure_ascii=False)
        yield f"# {name} = {shown}".ljust(40) + f"  # {field.description}"
