"""Which root contexts of a corpus a run works on, and why it leaves out the others.

documents → root contexts, each with its quota and a verdict: pending or rejected
"""

from __future__ import annotations

from dataclasses import dataclass

from augcon.assemble import readable_languages
from augcon.config import Settings
from augcon.corpus import Corpus, cut_contexts
from augcon.records import Context, Document, State, Verdict, rejected
from augcon.select import quota_of

__all__ = ["Root", "cut_roots"]


@dataclass(frozen=True, slots=True)
class Root:
    """A root context, how many pairs it should give, and whether it is to be worked on."""

    context: Context
    quota: int
    verdict: Verdict

    @property
    def admitted(self) -> bool:
        return self.verdict.state is State.PENDING


def cut_roots(corpus: Corpus, settings: Settings) -> list[tuple[Document, list[Root]]]:
    """Every root context of every document, in order."""
    tree, per_pair = settings.tree, settings.selection.units_per_pair
    cut: list[tuple[Document, list[Root]]] = []
    accepted = 0
    for document in corpus.documents:
        roots: list[Root] = []
        for context in cut_contexts(document, tree.max_units, tree.min_units):
            verdict = _verdict(context, accepted, settings)
            roots.append(Root(context, quota_of(context.units, per_pair), verdict))
            accepted += roots[-1].admitted
        cut.append((document, roots))
    return cut


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
