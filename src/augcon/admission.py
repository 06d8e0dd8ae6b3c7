"""Which root contexts of a corpus a run works on, and why it leaves out the others.

documents → root contexts, each with its quota and a verdict: pending or rejected
"""

from __future__ import annotations

from collections.abc import Iterator

from augcon.assemble import readable_languages
from augcon.config import Settings
from augcon.corpus import Corpus, cut_contexts
from augcon.records import Context, Document, Root, State, Verdict, content_id, rejected
from augcon.select import quota_of

__all__ = ["cut_id", "cut_roots"]


def cut_id(corpus: Corpus, settings: Settings) -> str:
    """Changes whenever `cut_roots`, or what was rejected before it, may come out otherwise."""
    decided_by = (
        *(settings.tree.max_units, settings.tree.min_units, settings.selection.units_per_pair),
        *(sorted(readable_languages(settings) or ["every"]), settings.limit),
    )
    told = ((r.id, r.text, r.reason, r.detail, r.failed) for r in corpus.rejected)
    return content_id("cut", corpus.id, repr(decided_by), *(repr(rejection) for rejection in told))


def cut_roots(corpus: Corpus, settings: Settings) -> Iterator[tuple[Document, list[Root]]]:
    """Every document in order with its root contexts, one document at a time."""
    tree, per_pair = settings.tree, settings.selection.units_per_pair
    accepted = 0
    for document in corpus:
        roots: list[Root] = []
        for context in cut_contexts(document, tree.max_units, tree.min_units):
            verdict = _verdict(context, accepted, settings)
            roots.append(Root(context, quota_of(context.units, per_pair), verdict))
            accepted += roots[-1].admitted
        yield document, roots


def _verdict(context: Context, accepted: int, settings: Settings) -> Verdict:
    readable = readable_languages(settings)
    if readable is not None and context.language not in readable:
        detail = f"{context.language}: the embedded model reads English only; use --base-url"
        return rejected("language_not_supported", detail)
    if context.units < settings.tree.min_units:
        return rejected("below_min_units", f"{context.units} units")
    if settings.limit is not None and accepted >= settings.limit:
        return rejected("beyond_limit", f"--limit {settings.limit}")
    return Verdict(State.PENDING)
