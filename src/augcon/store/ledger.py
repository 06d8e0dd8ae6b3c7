"""The run's results: what the corpus held, what came of each context, and the steps that are done.

Everything that came of one context is written in one transaction, so that a context is either
finished or untouched, wherever a run was killed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from augcon.records import (
    Asked,
    Augmented,
    Context,
    Document,
    Rejection,
    Root,
    State,
)
from augcon.store.database import Write
from augcon.store.outlook import Forecast
from augcon.store.results import Results
from augcon.store.rows import (
    answer_row,
    context_row,
    draft_rows,
    node_row,
    question_row,
    root_of,
)

__all__ = ["Ledger"]

OF_A_ROOT = ("nodes", "questions", "answers", "drafts")  # tables of what comes of a root context

REOPEN = "UPDATE contexts SET state = 'pending', reason = '', detail = '' WHERE id = ?"

# Root contexts in which something failed for a reason that may have passed.
MAY_GO_WELL = """
    SELECT id FROM contexts WHERE state = 'failed' AND reason = 'unexpected_error'
    UNION SELECT root_id FROM nodes WHERE state = 'failed' AND reason = 'server_fault'
    UNION SELECT root_id FROM questions WHERE state = 'failed' AND detail LIKE 'server_fault:%'
    UNION SELECT root_id FROM answers WHERE state = 'failed' AND reason = 'server_fault'
    UNION SELECT root_id FROM drafts WHERE state = 'failed' AND reason = 'server_fault'
"""


LONGEST_EXAMPLE = 300  # characters
PAGE = 64  # root contexts that are read at once


class Ledger(Results):
    """Reads and writes everything of a run but its replies."""

    # Facts about the run

    def fact(self, key: str) -> str | None:
        row = self._database.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row["value"])

    def is_untouched(self) -> bool:
        """Whether nothing was ever asked, so that nothing is lost by other settings."""
        sql = "SELECT EXISTS (SELECT 1 FROM journal) + EXISTS (SELECT 1 FROM steps) AS any"
        row = self._database.row(sql)
        return row is not None and not row["any"]

    def set_fact(self, key: str, value: str) -> None:
        """Write a fact about the run and wait until it is on disk."""
        sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._database.write(lambda c: _run(c, sql, (key, value))).result()

    def expect(self, forecast: Forecast) -> None:
        """Write down what the run expects, in place of what it expected before."""
        self.set_fact("forecast", forecast.to_json())

    def add_to_fact(self, key: str, amount: float) -> None:
        """Add to a number that is kept over all starts of the run."""
        self.set_fact(key, repr(float(self.fact(key) or 0.0) + amount))

    def add_counts(self, key: str, counts: Mapping[str, int]) -> None:
        """Add to counters that are kept over all starts of the run."""
        known: Counter[str] = Counter(json.loads(self.fact(key) or "{}"))
        known.update(counts)
        self.set_fact(key, json.dumps(known, ensure_ascii=False))

    # Finished steps

    def step(self, identity: str) -> str | None:
        """The output of a finished step, as its text."""
        row = self._database.row("SELECT output FROM steps WHERE identity = ?", (identity,))
        return None if row is None else str(row["output"])

    async def finish_step(self, identity: str, name: str, output: str) -> None:
        sql = "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)"
        await self._written(lambda c: _run(c, sql, (identity, name, output)))

    def steps(self) -> dict[str, str]:
        """Name → output of every finished step."""
        rows = self._database.rows("SELECT name, output FROM steps ORDER BY rowid")
        return {row["name"]: row["output"] for row in rows}

    # The corpus

    def open_books(
        self,
        documents: Iterable[tuple[Document, Sequence[Root]]],
        rejections: Sequence[Rejection],
        cut: str,
    ) -> None:
        """Write down what the corpus holds, unless these are the books that are open already.

        documents  each in order, with the root contexts it was cut into. A context that is
                   finished stays as it is.
        cut        names all of it; while it is the one of the open books, nothing is read

        One transaction, into which the documents are drawn one by one: whatever happens meanwhile
        leaves the books as they were, and an error in drawing a document is raised.
        """
        if self.fact("cut") == cut:
            return

        def insert(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM documents")
            c.execute("DELETE FROM contexts WHERE state IN ('pending', 'rejected')")
            found, position = len(rejections), 0
            c.executemany(
                "INSERT INTO documents VALUES (?, ?, '', 0, ?, ?, ?)",
                (
                    (r.id, r.text, State.FAILED if r.failed else State.REJECTED, r.reason, r.detail)
                    for r in rejections
                ),
            )
            for document, roots in documents:
                _insert_document(c, document, roots, position)
                found, position = found + 1, position + len(roots)
            _run(c, "INSERT OR REPLACE INTO meta VALUES ('documents', ?)", (str(found),))
            _run(c, "INSERT OR REPLACE INTO meta VALUES ('cut', ?)", (cut,))

        self._database.write(insert).result()

    def pending(self) -> Iterator[tuple[Context, int]]:
        """Root contexts that are still to be augmented, in order, each with its quota."""
        for row in self._contexts("= 'pending'"):
            yield root_of(row), row["quota"]

    def roots(self) -> Iterator[Context]:
        """Every root context that is or was to be augmented, in order."""
        return (root_of(row) for row in self._contexts("!= 'rejected'"))

    def count_roots(self) -> int:
        """How many root contexts are or were to be augmented."""
        row = self._database.row("SELECT COUNT(*) FROM contexts WHERE state != 'rejected'")
        return 0 if row is None else int(row[0])

    def languages(self) -> set[str]:
        """The languages of the root contexts that are or were to be augmented."""
        sql = "SELECT DISTINCT language FROM contexts WHERE state != 'rejected'"
        return {row["language"] for row in self._database.rows(sql)}

    def _contexts(self, state: str) -> Iterator[sqlite3.Row]:
        """The contexts of a state in order, a page at a time.

        No page is held open while its contexts are worked on: an open reader would keep the
        writer from ever moving its log into the database.
        """
        sql = (
            f"SELECT * FROM contexts WHERE state {state} AND position > ? "  # noqa: S608
            f"ORDER BY position LIMIT {PAGE}"
        )
        page = list(self._database.rows(sql, (-1,)))
        while page:
            yield from page
            page = list(self._database.rows(sql, (page[-1]["position"],)))

    def why_no_context(self) -> str:
        """What kept every root context from being worked on; empty where one was."""
        if self.count_roots():
            return ""
        told = self._database.rows(
            "SELECT COUNT(*) AS n, COALESCE(NULLIF(detail, ''), reason) AS why FROM contexts "
            "GROUP BY why ORDER BY n DESC, MIN(position) LIMIT 3"
        )
        return "; ".join(f"{row['n']} contexts: {row['why']}" for row in told)

    def why_failed(self) -> str:
        """What failed most often, with an example; empty where nothing did."""
        found = [
            (row["n"], row["reason"], row["detail"])
            for table in ("contexts", "nodes", "answers", "drafts")
            for row in self._database.rows(
                f"SELECT COUNT(*) AS n, reason, MIN(detail) AS detail FROM {table} "  # noqa: S608
                "WHERE state = 'failed' GROUP BY reason"
            )
        ]
        if not found:
            return ""
        number, reason, detail = max(found)
        return f"{number} times {reason}, as in: {' '.join(detail.split())[:LONGEST_EXAMPLE]}"

    def left_out(self) -> Iterator[tuple[str, str]]:
        """Documents and root contexts that were not worked on: where, and why."""
        for row in self._database.rows(
            "SELECT * FROM documents WHERE state != 'kept' ORDER BY name"
        ):
            yield row["name"], row["detail"] or row["reason"]
        sql = "SELECT * FROM contexts WHERE state IN ('rejected', 'failed') ORDER BY position"
        for row in self._database.rows(sql):
            place = f"{row['document']} [{row['start']}:{row['end']}]"
            yield place, row["detail"] or row["reason"]

    # Results

    def reopen_unless(self, scorer: str) -> None:
        """Take up finished contexts again if they were ranked by another scorer than this.

        A scorer is fitted anew when its pilot changes, as after a try-out with --limit; the
        journal holds every reply, so that going over them again asks nothing.
        """
        if self.fact("scorer") == scorer:
            return

        def reopen(c: sqlite3.Connection) -> None:
            _reopen(c, "SELECT id FROM contexts WHERE state != 'rejected'")
            _run(c, "INSERT OR REPLACE INTO meta VALUES ('scorer', ?)", (scorer,))

        self._database.write(reopen).result()

    def may_go_well(self) -> bool:
        """Whether something failed that may go well another time.

        That is what the server stumbled over, and what nobody expected.
        """
        return self._database.row(MAY_GO_WELL) is not None

    def reopen_failed(self) -> None:
        """Take up contexts again in which something failed that may go well another time.

        What came of them stays until it is replaced. The journal holds the replies to all the
        rest, and what was refused or never usable stays out by itself only where nothing else in
        its context failed.
        """

        def reopen(c: sqlite3.Connection) -> None:
            c.executemany(REOPEN, c.execute(MAY_GO_WELL).fetchall())

        self._database.write(reopen).result()

    async def finish_context(self, result: Augmented) -> None:
        """Write everything that came of one context, at once."""
        root = result.context.id

        def insert(c: sqlite3.Connection) -> None:
            for table in OF_A_ROOT:
                c.execute(f"DELETE FROM {table} WHERE root_id = ?", (root,))  # noqa: S608
            c.executemany(
                "INSERT INTO nodes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [node_row(root, node) for node in result.nodes],
            )
            c.executemany(
                "INSERT INTO questions VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                [question_row(root, judged) for judged in result.questions],
            )
            c.executemany(
                "INSERT INTO answers VALUES (?,?,?,?,?,?,?,?,?)",
                [answer_row(root, answer) for answer in result.answers],
            )
            c.executemany(
                "INSERT INTO drafts VALUES (?,?,?,?,?,?,?,?)",
                [row for answer in result.answers for row in draft_rows(root, answer)],
            )
            verdict = result.verdict
            c.execute(
                "UPDATE contexts SET passes = ?, state = ?, reason = ?, detail = ? WHERE id = ?",
                (result.passes, verdict.state, verdict.reason, verdict.detail, root),
            )

        await self._written(insert)

    def reject_repeats(self, repeats: Iterable[tuple[Asked, Asked]]) -> None:
        """Reject the pairs whose question repeats another root's, and no others for that.

        repeats  each with the question that it repeats
        """

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE answers SET state = 'kept', reason = '', detail = '' "
                "WHERE reason = 'repeated_elsewhere'"
            )
            c.executemany(
                "UPDATE answers SET state = 'rejected', reason = 'repeated_elsewhere', detail = ? "
                "WHERE root_id = ? AND question_id = ?",
                ((f"to question {kept.id}", a.root_id, a.id) for a, kept in repeats),
            )

        self._database.write(write).result()

    def keep_unknown(self, chosen: Iterable[Asked]) -> None:
        """Keep these of the unanswered questions, and no others."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "UPDATE answers SET state = 'rejected', reason = 'unanswerable' "
                "WHERE reason = 'unknown'"
            )
            c.executemany(
                "UPDATE answers SET state = 'kept', reason = 'unknown' "
                "WHERE root_id = ? AND question_id = ?",
                ((asked.root_id, asked.id) for asked in chosen),
            )

        self._database.write(write).result()

    async def _written(self, change: Write) -> None:
        await self._database.written(change)


def _run(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> None:
    connection.execute(sql, parameters)


def _reopen(connection: sqlite3.Connection, roots: str) -> None:
    """Make the root contexts that a query names pending, with nothing left of what came of them."""
    found = connection.execute(roots).fetchall()
    for table in OF_A_ROOT:
        connection.executemany(f"DELETE FROM {table} WHERE root_id = ?", found)  # noqa: S608
    connection.executemany(
        "UPDATE contexts SET state = 'pending', reason = '', detail = '', passes = 0 WHERE id = ?",
        found,
    )


def _insert_document(
    connection: sqlite3.Connection, document: Document, roots: Sequence[Root], position: int
) -> None:
    """Write a document with its root contexts, the first of them at `position`."""
    _run(
        connection,
        "INSERT INTO documents VALUES (?, ?, ?, ?, 'kept', '', '')",
        (document.id, document.name, document.language, len(roots)),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO contexts VALUES (?,?,?,?,?,?,?,?,?,?,0,?,?,?)",
        (context_row(root, at) for at, root in enumerate(roots, position)),
    )
