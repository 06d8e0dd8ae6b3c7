"""What came of a run, as it is read: its pairs, its trees, the questions that have their answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from augcon.records import BY_ROOT, Asked, Context, Pair
from augcon.store.database import Database
from augcon.store.rows import drafts_of, root_of, verification_of

__all__ = ["Results", "TreeRow"]

TREE = """
    SELECT n.pass AS pass_number, n.id, n.parent_id, n.depth, n.start, n."end" AS "end", n.units,
           n.explained, n.reason, n.split_reason,
           CASE n.state WHEN 'rejected' THEN n.detail ELSE '' END AS rejected_question,
           COALESCE(q.text, '') AS question, COALESCE(q.reason, '') AS question_reason,
           COALESCE(a.reason, '') AS answer_reason,
           CASE WHEN q.state = 'kept' AND a.state = 'kept' THEN a.pair_id ELSE '' END AS pair_id,
           n.split_detail,
           CASE WHEN a.state = 'kept' THEN '' ELSE COALESCE(a.text, '') END AS rejected_answer
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
           q.context_id, q.root_id, n.explained, a.verification, a.reason = 'unknown' AS unknown,
           (SELECT json_group_array(
                json_array(d.text, d.state, d.reason, d.detail, d.verification, d.number))
            FROM drafts d WHERE d.root_id = a.root_id AND d.question_id = a.question_id) AS drafts
    FROM contexts c
    CROSS JOIN questions q ON q.root_id = c.id AND q.state = 'kept'
    CROSS JOIN answers a ON a.root_id = c.id AND a.question_id = q.id AND a.state = 'kept'
    CROSS JOIN nodes n ON n.root_id = c.id AND n.pass = q.pass AND n.id = q.context_id
    {where}
    ORDER BY c.position, q.place
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


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A node as `augcon show` prints it, with its question and what became of that.

    explained          the share of the node's text that its span of the document holds
    rejected_question  one that might not stand, with what was found in it
    rejected_answer    the last one to a question that has no pair
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
    rejected_answer: str


class Results:
    """Reads what came of a run; writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def asked(self) -> Iterator[Asked]:
        """The questions that have an answer, those that were rejected as repeats included."""
        return (Asked(**dict(row)) for row in self._database.rows(ASKED))

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

    def pairs(self, pair_id: str = "") -> Iterator[Pair]:
        """The dataset, in the order of the corpus, best question of a context first."""
        where = "WHERE instr(a.pair_id, ?) = 1" if pair_id else ""
        parameters = (pair_id,) if pair_id else ()
        for row in self._database.rows(PAIRS.format(where=where), parameters):
            made = {
                "verification": verification_of(row["verification"]),
                "unknown": bool(row["unknown"]),
                "drafts": drafts_of(row["drafts"]),
            }
            yield Pair(**{**dict(row), **made})

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
