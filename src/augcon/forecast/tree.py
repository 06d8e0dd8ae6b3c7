"""What the trees of one root should take, in all their passes, and what its pairs should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from augcon.config import Settings
from augcon.forecast.rates import sentence_units
from augcon.records import Context, Granularity
from augcon.sections import SelectionSettings
from augcon.tree import expected_nodes, nodes_asked

__all__ = ["ExpectedTree", "expect_tree"]

# Where no sentence is cut, n units in sentences of s give 2n / s - 1 nodes at most: as many as with
# a λ of s / (2 ln 2).
CUTS_SENTENCES = ("rewrite", "recursive")
SHORTEST_PART = 0.72


@dataclass(frozen=True, slots=True)
class ExpectedTree:
    """Of one root.

    nodes   that the first pass asks about
    passes over the root
    asked   nodes in all of them
    units   of a node, in the mean
    pairs   by granularity, summing to the quota
    """

    nodes: float
    passes: int
    asked: float
    units: float
    pairs: Mapping[Granularity, float]


def expect_tree(root: Context, quota: int, found: float, settings: Settings) -> ExpectedTree:
    """found: questions for a node asked."""
    least, most = _shortest(root, settings), settings.tree.max_passes
    nodes, depth = nodes_asked(root.units, least), math.log2(max(2.0, root.units / least))
    kinds = expected_nodes(root.units, least)
    if mix := settings.selection.mix.shares:
        passes, asked, pairs = _mixed(kinds, quota, found, mix, settings.selection, most)
    else:
        wanted = quota * settings.selection.overgenerate / (nodes * found)
        passes = min(most, max(1, math.ceil(wanted)))
        asked = nodes * passes
        pairs = {kind: quota * number / nodes for kind, number in kinds.items()}
    units = min(root.units, root.units * (depth + 0.5) / nodes)
    return ExpectedTree(nodes, passes, asked, units, pairs)


def _shortest(root: Context, settings: Settings) -> float:
    """Units of the shortest node that is asked about."""
    least: float = settings.tree.min_units
    if settings.split in CUTS_SENTENCES:
        return least
    return max(least, SHORTEST_PART * sentence_units(root.language))


def _mixed(
    kinds: Mapping[Granularity, float],
    quota: int,
    found: float,
    mix: Mapping[Granularity, float],
    selection: SelectionSettings,
    most: int,
) -> tuple[int, float, dict[Granularity, float]]:
    """The passes, each of which asks for what is short and what is coarser; the nodes asked in all
    of them; and the pairs: what a kind cannot fill goes to what is left of the others."""
    have = dict.fromkeys(kinds, 0.0)
    asked, passes = 0.0, 0
    finest: Granularity | None = Granularity.DETAIL
    while finest and passes < most:
        for kind, number in kinds.items():
            if kind.fineness <= finest.fineness:
                have[kind] += found * number
                asked += number
        passes += 1
        short = [k for k in kinds if 0 < have[k] < selection.overgenerate * quota * mix[k]]
        if not short and sum(have.values()) < quota:
            short = [kind for kind in kinds if have[kind]]
        finest = max(short, key=lambda kind: kind.fineness, default=None)
    pairs = {kind: min(have[kind], quota * mix[kind]) for kind in kinds}
    left = {kind: have[kind] - pairs[kind] for kind in kinds}
    missing = quota - sum(pairs.values())
    supply = sum(left.values()) or 1.0
    return passes, asked, {kind: pairs[kind] + missing * left[kind] / supply for kind in kinds}
