"""How much of its root a question is about: macro, concept or detail.

A question is about the whole of its node, so the node's share of the root tells its kind. A share
alone would call the only question about a single sentence macro where that sentence is a root of
its own, so that a length is asked for too: what holds no more than a sentence or two gives a
detail, whatever it is a share of, and a macro question needs at least a paragraph. The lengths are
fixed and no multiples of λ: a question does not become another because a setting changed.
"""

from __future__ import annotations

import math

from augcon.records import Context, Granularity

__all__ = ["expected_nodes", "granularity_of", "nodes_asked"]

MACRO_SHARE = 0.5
CONCEPT_SHARE = 0.15
MACRO_UNITS = 100  # a paragraph: five English sentences at their median length, three Chinese
CONCEPT_UNITS = 40  # two English sentences, one Chinese

LEAST = {
    Granularity.MACRO: (MACRO_SHARE, MACRO_UNITS),
    Granularity.CONCEPT: (CONCEPT_SHARE, CONCEPT_UNITS),
}


def granularity_of(context: Context, root: Context) -> Granularity:
    """What a question about all of `context` is.

    The share is the smaller one of two: of the characters that the span covers, and of the units
    that the text holds. A text put together from here and there spans much and holds little.
    """
    covered = (context.end - context.start) / (root.end - root.start)
    share = min(covered, context.units / root.units)
    for kind, (least_share, least_units) in LEAST.items():
        if share >= least_share and context.units >= least_units:
            return kind
    return Granularity.DETAIL


def nodes_asked(units: float, least: float) -> float:
    """About how many nodes of one pass over a root hold so many units; at least one.

    The tree is taken as balanced: halving n units again and again until m is passed gives
    n / (m ln 2) - 1 nodes, the mean over where the last halving lands.
    """
    return max(1.0, units / (least * math.log(2)) - 1)


def expected_nodes(units: float, min_units: float) -> dict[Granularity, float]:
    """About how many nodes of each kind one pass over a root asks about."""
    counted = 0.0
    found = {}
    for kind in Granularity:
        share, length = LEAST.get(kind, (0.0, 0))
        least = max(share * units, length, min_units)
        coarser_or_equal = nodes_asked(units, least) if units >= least else 0.0
        found[kind] = max(0.0, coarser_or_equal - counted)
        counted = max(counted, coarser_or_equal)
    return found
