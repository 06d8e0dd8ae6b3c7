"""A run's trees and pairs, as text to read: where did this come from?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from augcon.errors import OutputError
from augcon.records import BY_ROOT, Context, Pair, Verdict, Verification
from augcon.store import Run
from augcon.store.results import TreeRow

__all__ = ["show"]

PREVIEW = 90


def show(out: str | os.PathLike[str], item: str = "") -> str:
    """A root's tree, or a pair with its source, by id (a unique beginning will do).

    Without an id: every root context with the number of its pairs. Raises OutputError for an id
    that is not there.
    """
    run = Run.read(Path(out))
    try:
        return "\n".join(_roots(run) if not item else _item(run, item))
    finally:
        run.close()


def _roots(run: Run) -> Iterator[str]:
    yield "root context      pairs  where"
    for root, pairs in run.ledger.root_pairs():
        where = f"{root.document} [{root.start}:{root.end}]"
        yield f"{root.id}  {pairs:>5}  {where}  {_preview(root.text)}"
    if left_out := list(run.ledger.left_out()):
        yield ""
        yield "left out"
        yield from (f"  {where}: {why}" for where, why in left_out)
    yield ""
    yield "`augcon show OUT ID` shows a root's tree, or a pair with its source."


def _item(run: Run, item: str) -> Iterator[str]:
    pairs = list(run.ledger.pairs(item))
    roots = [root for root, _ in run.ledger.root_pairs() if root.id.startswith(item)]
    found = len(pairs) + len(roots)
    if found != 1:
        number = "no" if found == 0 else str(found)
        raise OutputError(
            f"{run.folder}: {number} pairs or root contexts begin with {item!r}; "
            f"see `augcon show {run.folder}`"
        )
    return _pair(run, pairs[0]) if pairs else _tree(run, roots[0])


def _pair(run: Run, pair: Pair) -> Iterator[str]:
    yield f"pair      {pair.id}"
    yield f"question  {pair.question}"
    yield f"answer    {pair.answer}"
    yield f"kind      {pair.granularity}, depth {pair.depth}, score {pair.score:.3f}"
    if pair.unknown:
        yield "unknown   the answer says that this is not known"
    yield f"source    {pair.document}, characters {pair.start} to {pair.end}"
    yield f"tree      {pair.root_id}"
    if pair.verification is not None:
        yield from _verified(pair, pair.verification)
    for draft in pair.drafts:
        yield f"draft     {_why(draft.verdict)}"
        if draft.text:
            yield f"  {draft.text}"
    source = run.ledger.source(pair.root_id, pair.start, pair.end)
    if source != pair.context:
        yield f"\nsource text:\n{source}"
        yield f"\ncontext, as the model wrote it ({_explained(pair.explained)}):\n{pair.context}"
    else:
        yield f"\nsource text:\n{source}"


def _verified(pair: Pair, verification: Verification) -> Iterator[str]:
    """Each claim of the answer, with what the context has for it."""
    if verification.method == BY_ROOT:
        yield "verified  the model found nothing in its whole root context that answers it"
        return
    yield f"verified  {verification.method}, score {verification.score:.2f}"
    for claim in verification.claims:
        yield f"  {claim.verdict} ({claim.score:.2f})  {pair.answer[claim.start : claim.end]}"
        evidence = pair.context[claim.evidence_start : claim.evidence_end]
        if evidence:
            yield f"    {_preview(evidence)}"


def _tree(run: Run, root: Context) -> Iterator[str]:
    yield f"{root.document}, characters {root.start} to {root.end}, {root.units} units"
    for row in run.ledger.tree(root.id):
        indent = "  " * row.depth
        rewritten = f", {_explained(row.explained)}" if row.explained < 1 else ""
        yield f"{indent}[{row.start}:{row.end}] {row.units} units{rewritten}{_said(row)}"
        if row.rejected_question:
            yield f"{indent}  ? {row.rejected_question}"
        if row.question:
            yield f"{indent}  ? {row.question}  ({_became(row)})"
        if row.rejected_answer:
            yield f"{indent}    answered: {_preview(row.rejected_answer)}"


def _became(row: TreeRow) -> str:
    """What became of the row's question."""
    if row.pair_id and row.answer_reason:
        return f"{row.pair_id}, {row.answer_reason}"
    return row.pair_id or row.question_reason or row.answer_reason


def _why(verdict: Verdict) -> str:
    told = f" ({_preview(verdict.detail)})" if verdict.detail else ""
    return f"{verdict.reason}{told}"


def _explained(share: float) -> str:
    return f"{share:.0%} of it in the source"


def _said(row: TreeRow) -> str:
    of_split = row.split_reason or row.split_detail  # a detail alone: what was mended, or not
    return "".join(f" · {reason}" for reason in (row.reason, of_split) if reason)


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else f"{line[:PREVIEW]}…"
