"""The journal: every reply that was paid for, under the identity of its request.

Texts are compressed, each by itself, to about half and at a few microseconds. Vectors are kept as
they are: the lower bits of a hidden state are noise, so that compressing saves a tenth of the room
for ten times the time.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from augcon.characters import whole
from augcon.errors import StoreError
from augcon.llm.base import Choice, Reply, Request, TokenLogprob, Usage
from augcon.store.database import Database

__all__ = ["SqliteJournal", "Totals"]

# The first reply stays: something may have been built on it.
INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING"
FAST = 1  # zlib's level: two to five per cent more room than the usual 6, a third less time

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Totals:
    """What the journal holds, over all starts of the run: every reply was asked and paid for once.

    unusable          how many of the calls brought a reply that no parser took
    embeddings        how many of the calls were for vectors
    embedding_tokens  of the prompt tokens, those of the vectors
    journal_bytes     of the replies, as they are stored
    """

    calls: int
    unusable: int
    prompt_tokens: int
    completion_tokens: int
    embeddings: int
    embedding_tokens: int
    journal_bytes: int


class SqliteJournal:
    """A `augcon.llm.call.Journal` in the run's database.

    Once a reply could not be written, every look-up fails as that did, so that nothing more is
    asked and paid for while the run is being stopped.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failure: StoreError | None = None

    def get(self, identity: str) -> Reply | None:
        if self._failure is not None:
            raise self._failure
        row = self._database.row(
            "SELECT endpoint, reply, prompt_tokens, completion_tokens FROM journal "
            "WHERE identity = ?",
            (identity,),
        )
        return None if row is None else _decode(row)

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
            _encode(request, reply),
        )

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(INSERT, row)

        try:
            await self._database.written(insert)
        except StoreError as error:
            self._failure = error
            raise

    def totals(self) -> Totals:
        """Counted in the transaction that writes a reply, so that it is exact at any time."""
        row = self._database.row("SELECT * FROM spent")
        if row is None:
            raise AssertionError("the schema writes this row")
        return Totals(**dict(row))


def _encode(request: Request, reply: Reply) -> bytes:
    """A vector as 32-bit floats (a server sends no more precision than that), choices as JSON."""
    if request.endpoint == "embedding":
        return np.asarray(reply.embedding, dtype="<f4").tobytes()
    choices = [
        [choice.text, choice.finish_reason, [[t.token, t.logprob, t.top] for t in choice.tokens]]
        for choice in reply.choices
    ]
    return zlib.compress(_as_json(choices).encode("utf-8", "surrogatepass"), FAST)


def _decode(row: sqlite3.Row) -> Reply:
    usage = Usage(row["prompt_tokens"], row["completion_tokens"])
    if row["endpoint"] == "embedding":
        vector = np.frombuffer(row["reply"], dtype="<f4")
        return Reply(embedding=tuple(vector.tolist()), usage=usage)
    # An earlier version kept halves of characters as they came.
    held = zlib.decompress(row["reply"]).decode("utf-8", "surrogatepass")
    choices = json.loads(whole(held))
    return Reply(tuple(_choice(*raw) for raw in choices), usage=usage)


def _choice(text: str, finish_reason: str, tokens: list[list[Any]]) -> Choice:
    told = (
        TokenLogprob(token, logprob, tuple((other, p) for other, p in top))
        for token, logprob, top in tokens
    )
    return Choice(text, finish_reason, tuple(told))
