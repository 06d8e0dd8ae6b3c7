"""How many of a root's pairs should be of each granularity, where the settings ask for a mix.

A root's quota is small, and ten pairs cannot be 25 % macro. So it is divided by systematic
rounding: the borders between the kinds, as they would fall on a line as long as the quota, are
moved by one offset and cut to whole numbers. Each root is then within one pair of the mix, and as
the offset is drawn from the root's id, roots together come to the mix itself, in any order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

from augcon.records import Granularity, Judged, content_id

__all__ = ["apportion", "finest_short", "n_placed"]

STEPS = 2**32


def apportion(quota: int, mix: Mapping[Granularity, float], root_id: str) -> dict[Granularity, int]:
    """The places of each kind among a root's `quota`; none for an empty mix.

    mix  shares that sum to 1
    """
    if not mix:
        return {}
    offset = int(content_id("mix", root_id), 16) % STEPS / STEPS
    kinds = [kind for kind in Granularity if mix.get(kind)]
    shares = accumulate(mix[kind] for kind in kinds)
    borders = [min(quota, math.floor(quota * share + offset)) for share in shares]
    borders[-1] = quota
    return {
        kind: border - before
        for kind, before, border in zip(kinds, [0, *borders], borders, strict=False)
    }


def n_placed(judged: Sequence[Judged], places: Mapping[Granularity, int]) -> int:
    """How many kept questions stand in a place of their own kind; all of them without places."""
    kept = Counter(j.question.granularity for j in judged if j.verdict.kept)
    if not places:
        return kept.total()
    return sum(min(kept[kind], number) for kind, number in places.items())


def finest_short(
    judged: Sequence[Judged],
    quota: int,
    places: Mapping[Granularity, int],
    overgenerate: float,
    possible: Collection[Granularity] = tuple(Granularity),
    lost: Collection[str] = (),
) -> Granularity | None:
    """The finest kind of which more questions are wanted; None where there are enough.

    possible  kinds that the root can give; no more is asked for the others
    lost      ids of questions that are kept and take no place

    There are enough once the quota is reached, every place is taken by its own kind, and
    `overgenerate` times as many were asked, of each kind where there are places.
    """
    standing = [j for j in judged if j.question.id not in lost]
    if not places:
        enough = n_placed(standing, places) >= quota and len(judged) >= overgenerate * quota
        return None if enough else Granularity.DETAIL
    asked = Counter(j.question.granularity for j in judged)
    kept = Counter(j.question.granularity for j in standing if j.verdict.kept)
    short = [
        kind
        for kind, number in places.items()
        if kind in possible and (kept[kind] < number or asked[kind] < overgenerate * number)
    ]
    if not short and kept.total() < quota:
        short = list(possible)
    return max(short, key=lambda kind: kind.fineness, default=None)
