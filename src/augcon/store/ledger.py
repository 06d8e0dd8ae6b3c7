"""The run's results: what the corpus held, what came of each context, and the steps that are done.

Everything that came of one context is written in one transaction, so that a context is either
finished or untouched, wherever a run was killed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from augcon.records import (
    BY_ROOT,
    Asked,
    Augmented,
    Context,
    Document,
    Pair,
    Rejection,
    Root,
    State,
    Verification,
)
from augcon.store.database import Database, Write
from augcon.store.outlook import Forecast
from augcon.store.rows import answer_row, context_row, node_row, question_row, root_of

__all__ = ["Ledger", "TreeRow"]

TREE = """
    SELECT n.pass AS pass_number, n.id, n.parent_id, n.depth, n.start, n."end" AS "end", n.units,
           n.explained, n.reason, n.split_reason,
           CASE n.state WHEN 'rejected' THEN n.detail ELSE '' END AS rejected_question,
           COALESCE(q.text, '') AS question, COALESCE(q.reason, '') AS question_reason,
           COALESCE(a.reason, '') AS answer_reason,
           CASE WHEN q.state = 'kept' AND a.state = 'kept' THEN a.pair_id ELSE '' END AS pair_id,
           n.split_detail
    FROM nodes n
    LEFT JOIN questions q ON q.root_id = n.root_id AND q.pass = n.pass AND q.context_id = n.id
    LEFT JOIN answers a ON a.root_id = n.root_id AND a.question_id = q.id
    WHERE n.root_id = ?
    ORDER BY n.pass
"""

# A cross join is done in the order it is written in: root by root, so that pairs come at once and
# only those of one root are ever sorted.
PAIRS = """
    SELECT a.pair_id AS id, q.text AS question, a.text AS answer, n.text AS context,
           c.language, q.granularity, n.depth, q.score, c.document, n.start, n."end" AS "end",
           q.context_id, q.root_id, n.explained, a.verification, a.reason = 'unknown' AS unknown
    FROM contexts c
    CROSS JOIN questions q ON q.root_id = c.id AND q.state = 'kept'
    CROSS JOIN answers a ON a.root_id = c.id AND a.question_id = q.id AND a.state = 'kept'
    CROSS JOIN nodes n ON n.root_id = c.id AND n.pass = q.pass AND n.id = q.context_id
    {where}
    ORDER BY c.position, q.place
"""


REOPEN = "UPDATE contexts SET state = 'pending', reason = '', detail = '' WHERE id = ?"

# Root contexts in which something failed for a reason that may have passed.
MAY_GO_WELL = """
    SELECT id FROM contexts WHERE state = 'failed' AND reason = 'unexpected_error'
    UNION SELECT root_id FROM nodes WHERE state = 'failed' AND reason = 'server_fault'
    UNION SELECT root_id FROM questions WHERE state = 'failed' AND detail LIKE 'server_fault:%'
    UNION SELECT root_id FROM answers WHERE state = 'failed' AND reason = 'server_fault'
"""


ASKED = """
    SELECT q.id, q.root_id, q.text, q.score
    FROM answers a
    JOIN questions q ON q.root_id = a.root_id AND q.id = a.question_id AND q.state = 'kept'
    WHERE a.state = 'kept' AND a.reason != 'unknown' OR a.reason = 'repeated_elsewhere'
"""

# Questions that no context answers, and that have a reply which says so.
UNANSWERED = """
    SELECT q.id, q.root_id, q.text, q.score, a.verification
    FROM answers a
    JOIN questions q ON q.root_id = a.root_id AND q.id = a.question_id AND q.state = 'kept'
    WHERE a.reason IN ('unanswerable', 'unknown') AND a.verification != ''
"""


LONGEST_EXAMPLE = 300  # characters
PAGE = 64  # root contexts that are read at once


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A node as `augcon show` prints it, with its question and what became of that.

    explained          the share of the node's text that its span of the document holds
    rejected_question  one that might not stand, with what was found in it
    """

    pass_number: int
    id: str
    parent_id: str | None
    depth: int
    start: int
    end: int
    units: int
    explained: float
    reason: str
    split_reason: str
    rejected_question: str
    question: str
    question_reason: str
    answer_reason: str
    pair_id: str
    split_detail: str


class Ledger:
    """Reads and writes everything of a run but its replies."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            for table in ("contexts", "nodes", "answers")
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
            for table in ("nodes", "questions", "answers"):
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
                "INSERT INTO answers VALUES (?,?,?,?,?,?,?,?)",
                [answer_row(root, answer) for answer in result.answers],
            )
            verdict = result.verdict
            c.execute(
                "UPDATE contexts SET passes = ?, state = ?, reason = ?, detail = ? WHERE id = ?",
                (result.passes, verdict.state, verdict.reason, verdict.detail, root),
            )

        await self._written(insert)

    def asked(self) -> Iterator[Asked]:
        """The questions that have an answer, those that were rejected as repeats included."""
        return (Asked(**dict(row)) for row in self._database.rows(ASKED))

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

    def count_answered(self) -> int:
        """How many pairs there are beside those whose reply says that something is not known."""
        sql = "SELECT COUNT(*) FROM answers WHERE state = 'kept' AND reason != 'unknown'"
        row = self._database.row(sql)
        return 0 if row is None else int(row[0])

    def unanswered(self) -> Iterator[Asked]:
        """The questions that have a reply which says that it is not known, kept or not."""
        for row in self._database.rows(UNANSWERED):
            if json.loads(row["verification"])["method"] == BY_ROOT:
                yield Asked(row["id"], row["root_id"], row["text"], row["score"])

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

    def pairs(self, pair_id: str = "") -> Iterator[Pair]:
        """The dataset, in the order of the corpus, best question of a context first."""
        where = "WHERE instr(a.pair_id, ?) = 1" if pair_id else ""
        parameters = (pair_id,) if pair_id else ()
        for row in self._database.rows(PAIRS.format(where=where), parameters):
            checked = row["verification"]
            verification = Verification.from_json(json.loads(checked)) if checked else None
            unknown = bool(row["unknown"])
            yield Pair(**{**dict(row), "verification": verification, "unknown": unknown})

    def root_pairs(self) -> Iterator[tuple[Context, int]]:
        """Every root context that is or was to be augmented, with the number of its pairs."""
        sql = (
            "SELECT c.*, (SELECT COUNT(*) FROM answers a WHERE a.root_id = c.id "
            "AND a.state = 'kept') AS pairs FROM contexts c WHERE c.state != 'rejected' "
            "ORDER BY c.position"
        )
        for row in self._database.rows(sql):
            yield root_of(row), row["pairs"]

    def tree(self, root_id: str) -> list[TreeRow]:
        """The nodes of every pass over a root, each pass as a walk from the root downwards."""
        rows = [TreeRow(**dict(row)) for row in self._database.rows(TREE, (root_id,))]
        children: dict[tuple[int, str | None], list[TreeRow]] = {}
        for row in sorted(rows, key=lambda r: (r.start, r.end)):
            children.setdefault((row.pass_number, row.parent_id), []).append(row)

        def walk(row: TreeRow) -> Iterator[TreeRow]:
            yield row
            for child in children.get((row.pass_number, row.id), ()):
                yield from walk(child)

        tops = [row for row in rows if row.parent_id is None]
        return [row for top in sorted(tops, key=lambda r: r.pass_number) for row in walk(top)]

    def source(self, root_id: str, start: int, end: int) -> str:
        """The document's text between two offsets inside a root context."""
        row = self._database.row("SELECT text, start FROM contexts WHERE id = ?", (root_id,))
        return "" if row is None else str(row["text"])[start - row["start"] : end - row["start"]]

    async def _written(self, change: Write) -> None:
        await self._database.written(change)


def _run(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> None:
    connection.execute(sql, parameters)


def _reopen(connection: sqlite3.Connection, roots: str) -> None:
    """Make the root contexts that a query names pending, with nothing left of what came of them."""
    found = connection.execute(roots).fetchall()
    for table in ("nodes", "questions", "answers"):
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
