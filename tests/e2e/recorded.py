"""What a server was asked, request by request, beside what the run's journal holds."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcon.llm.base import Message, Request, Sampling
from tests.simulated_server import MODEL

LOOK = "Reply with the word yes."  # asked to see whether the server answers; kept nowhere


@dataclass(frozen=True)
class Record:
    """The file that a simulated server adds every request to."""

    path: Path

    def lines(self, start: int = 0, end: int | None = None) -> list[dict[str, Any]]:
        """Those from a line to another; what a killed server had half written is none."""
        if not self.path.exists():
            return []
        whole = self.path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in whole[start:end] if line.endswith(b'"}')]

    def __len__(self) -> int:
        return self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    def asked(self, start: int = 0, end: int | None = None) -> list[str]:
        """The identities of the requests that came in, each named by the first try's."""
        return [
            _identity(line["body"])
            for line in self.lines(start, end)
            if line["event"] == "asked" and LOOK not in json.dumps(line["body"])
        ]


def journal(out: Path) -> set[str]:
    """The identities that the journal holds."""
    if not (out / "run.db").exists():
        return set()
    with sqlite3.connect(f"file:{out / 'run.db'}?mode=ro", uri=True) as database:
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            return set()
        return {row[0] for row in database.execute("SELECT identity FROM journal")}


def _identity(body: dict[str, Any]) -> str:
    """The journal's name for the request with this body, if it is the first try of its item."""
    if "input" in body:
        return Request("embedding", text=body["input"]).identity(MODEL)
    sampling = Sampling(
        body["temperature"], body["top_p"], body["max_tokens"], tuple(body.get("stop", ()))
    )
    asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return Request(
        "chat",
        tuple(Message(m["role"], m["content"]) for m in body["messages"]),
        sampling=sampling,
        seed=body["seed"],
        schema=json.dumps(asked, ensure_ascii=False) if asked else "",
    ).identity(body["model"])
