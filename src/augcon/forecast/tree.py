"""What the trees of one root should take, in all their passes, and what its pairs should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from augcon.config import SelectionSettings, Settings
from augcon.records import Context, Granularity
from augcon.tree import expected_nodes, nodes_asked

__all__ = ["ExpectedTree", "expect_tree"]


@dataclass(frozen=True, slots=True)
class ExpectedTree:
    """Of one root.

    nodes  that the first pass asks about
    asked  nodes in all passes
    units  of a node, in the mean
    pairs  by granularity, summing to the quota
    """

    nodes: float
    asked: float
    units: float
    pairs: Mapping[Granularity, float]


def expect_tree(root: Context, quota: int, found: float, settings: Settings) -> ExpectedTree:
    """found: questions for a node asked."""
    least, most = settings.tree.min_units, settings.tree.max_passes
    nodes, depth = nodes_asked(root.units, least), math.log2(max(2.0, root.units / least))
    kinds = expected_nodes(root.units, least)
    if mix := settings.selection.mix.shares:
        asked, pairs = _mixed(kinds, quota, found, mix, settings.selection, most)
    else:
        wanted = quota * settings.selection.overgenerate / (nodes * found)
        asked = nodes * min(most, max(1, math.ceil(wanted)))
        pairs = {kind: quota * number / nodes for kind, number in kinds.items()}
    units = min(root.units, root.units * (depth + 0.5) / nodes)
    return ExpectedTree(nodes, asked, units, pairs)


def _mixed(
    kinds: Mapping[Granularity, float],
    quota: int,
    found: float,
    mix: Mapping[Granularity, float],
    selection: SelectionSettings,
    most: int,
) -> tuple[float, dict[Granularity, float]]:
    """The nodes asked in all passes, each of which asks for what is short and what is coarser,
    and the pairs: what a kind cannot fill goes to what is left of the others."""
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
    return asked, {kind: pairs[kind] + missing * left[kind] / supply for kind in kinds}
