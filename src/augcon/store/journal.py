"""The journal: every reply that was paid for, under the identity of its request."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import asdict

import numpy as np

from augcon.llm.base import Choice, Reply, Request, TokenLogprob, Usage
from augcon.llm.budget import Spent
from augcon.store.database import Database

__all__ = ["SqliteJournal"]


class SqliteJournal:
    """A `augcon.llm.call.Journal` in the run's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, identity: str) -> Reply | None:
        row = self._database.row(
            "SELECT endpoint, reply, prompt_tokens, completion_tokens FROM journal "
            "WHERE identity = ?",
            (identity,),
        )
        return None if row is None else _decode(row)

    def spent(self) -> Spent:
        """What all replies together have taken."""
        row = self._database.row(
            "SELECT COUNT(*) AS calls, COALESCE(SUM(prompt_tokens), 0) AS prompt, "
            "COALESCE(SUM(completion_tokens), 0) AS completion FROM journal"
        )
        return Spent() if row is None else Spent(row["calls"], row["prompt"], row["completion"])

    async def put(
        self, identity: str, model: str, request: Request, reply: Reply, accepted: bool
    ) -> None:
        row = (
            identity,
            model,
            request.endpoint,
            accepted,
            reply.usage.prompt_tokens,
            reply.usage.completion_tokens,
            _encode(reply),
        )

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        # Shielded: a reply that has come is written even when its task is being cancelled.
        await asyncio.shield(asyncio.wrap_future(self._database.write(insert)))


def _encode(reply: Reply) -> bytes:
    """A vector as 32-bit floats (a server sends no more precision than that), choices as JSON."""
    if reply.embedding:
        return np.asarray(reply.embedding, dtype="<f4").tobytes()
    return json.dumps([asdict(choice) for choice in reply.choices], ensure_ascii=False).encode()


def _decode(row: sqlite3.Row) -> Reply:
    usage = Usage(row["prompt_tokens"], row["completion_tokens"])
    if row["endpoint"] == "embedding":
        vector = np.frombuffer(row["reply"], dtype="<f4")
        return Reply(embedding=tuple(vector.tolist()), usage=usage)
    return Reply(tuple(_choice(raw) for raw in json.loads(row["reply"])), usage=usage)


def _choice(raw: dict[str, object]) -> Choice:
    tokens = tuple(
        TokenLogprob(t["token"], t["logprob"], tuple((a, b) for a, b in t["top"]))
        for t in raw["tokens"]  # type: ignore[attr-defined] # our own JSON, written above
    )
    return Choice(str(raw["text"]), str(raw["finish_reason"]), tokens)
