"""Records as rows of the database, and some of them back again; columns as in schema.sql."""

from __future__ import annotations

import json
import sqlite3

from augcon.records import (
    Answer,
    Context,
    Draft,
    Judged,
    Node,
    Root,
    State,
    Verdict,
    Verification,
    content_id,
)

__all__ = [
    "answer_row",
    "context_row",
    "draft_rows",
    "drafts_of",
    "node_row",
    "question_row",
    "root_of",
    "verification_of",
]


def context_row(root: Root, position: int) -> tuple[object, ...]:
    c, v = root.context, root.verdict
    return (
        *(c.id, position, c.document_id, c.document, c.start, c.end, c.units, c.language, c.text),
        *(root.quota, v.state, v.reason, v.detail),
    )


def root_of(row: sqlite3.Row) -> Context:
    return Context(
        id=row["id"],
        document_id=row["document_id"],
        document=row["document"],
        root_id=row["id"],
        parent_id=None,
        depth=0,
        text=row["text"],
        units=row["units"],
        language=row["language"],
        start=row["start"],
        end=row["end"],
    )


def node_row(root: str, node: Node) -> tuple[object, ...]:
    c, v, split = node.context, node.verdict, node.split
    return (
        *(root, node.pass_number, c.id, c.parent_id, c.depth, c.start, c.end, c.units, c.text),
        *(v.state, v.reason, v.detail, split.state, split.reason, split.detail, c.explained),
    )


def question_row(root: str, judged: Judged) -> tuple[object, ...]:
    q, v = judged.question, judged.verdict
    return (
        *(root, q.pass_number, q.id, q.context.id, q.text, q.granularity, q.score, judged.place),
        *(v.state, v.reason, v.detail),
    )


def answer_row(root: str, answer: Answer) -> tuple[object, ...]:
    v = answer.verdict
    pair_id = content_id("pair", answer.question.id, answer.text)
    return (
        *(root, answer.question.id, pair_id, answer.text),
        *(v.state, v.reason, v.detail),
        *(_checked(answer.verification), answer.asked),
    )


def draft_rows(root: str, answer: Answer) -> list[tuple[object, ...]]:
    return [
        (
            *(root, answer.question.id, draft.number, draft.text),
            *(draft.verdict.state, draft.verdict.reason, draft.verdict.detail),
            _checked(draft.verification),
        )
        for draft in answer.drafts
    ]


def drafts_of(rows: str) -> tuple[Draft, ...]:
    """Drafts in order, from JSON: text, state, reason, detail, verification, number of each."""
    drafts = (
        Draft(text, Verdict(State(state), reason, detail), verification_of(checked), number)
        for text, state, reason, detail, checked, number in json.loads(rows)
    )
    return tuple(sorted(drafts, key=lambda draft: draft.number))


def verification_of(column: str) -> Verification | None:
    return Verification.from_json(json.loads(column)) if column else None


def _checked(verification: Verification | None) -> str:
    return json.dumps(verification.as_json(), ensure_ascii=False) if verification else ""
