"""What brings the database of an earlier version up to date: N.sql leads from version N - 1 to N.

A script and its number are one transaction, so that a migration that is killed leaves the version
before it. A script is never changed once it is released, and neither is a function that it calls:
both describe the form of their own version, whatever the rest of the program has become since.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from importlib import resources

__all__ = ["migrate"]


def migrate(connection: sqlite3.Connection, found: int, wanted: int) -> None:
    """Go from version `found` to `wanted`, one by one. Raises sqlite3.Error, with nothing half."""
    for name, function in FUNCTIONS.items():
        connection.create_function(name, 1, function, deterministic=True)
    for version in range(found + 1, wanted + 1):
        script = resources.files(__name__).joinpath(f"{version}.sql").read_text(encoding="utf-8")
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={version};\nCOMMIT;"
            )
        except sqlite3.Error:
            connection.rollback()
            raise


def _compressed_choices(reply: bytes) -> bytes:
    """Version 2: lists in place of objects, compressed."""
    choices = [
        [c["text"], c["finish_reason"], [[t["token"], t["logprob"], t["top"]] for t in c["tokens"]]]
        for c in json.loads(reply)
    ]
    return zlib.compress(json.dumps(choices, ensure_ascii=False, separators=(",", ":")).encode())


FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {"compressed_choices": _compressed_choices}
