"""How well a fitted scorer does on roots that it has not seen, and whether that beats chance.

A scorer is tested on contrast pairs: it is right where the better question gets the higher score,
and a coin is right in half of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from augcon.scorer.contrast import Contrast

__all__ = ["CHANCE", "Accuracy", "accuracy_by_kind", "chance_warning", "report_of", "tested_pairs"]

Z95 = 1.96
CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the better question got the higher score, with Wilson's 95 % interval."""

    right: int
    pairs: int

    @property
    def share(self) -> float:
        return self.right / self.pairs if self.pairs else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.pairs:
            return 0.0, 1.0
        n, p = self.pairs, self.share
        middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        return middle - half, middle + half

    @property
    def beats_chance(self) -> bool:
        """Whether a coin would hardly have done as well."""
        return self.interval[0] > CHANCE


def tested_pairs(contrasts: Sequence[Contrast], held_out: float) -> npt.NDArray[np.bool_]:
    """Which pairs a scorer is only tested on, (n_pairs,): those of a share of the roots.

    A root's pairs are all on one side. Where there is a single root, every fifth pair is tested.
    """
    roots = np.array([c.context.root_id for c in contrasts])
    names = sorted(set(roots))
    n_test = min(max(1, round(len(names) * held_out)), len(names) - 1)
    if not n_test:
        fifth: npt.NDArray[np.bool_] = np.arange(len(roots)) % 5 == 0
        return fifth
    return np.isin(roots, names[:n_test])


def accuracy_by_kind(
    contrasts: Sequence[Contrast], right: npt.NDArray[np.bool_]
) -> dict[str, Accuracy]:
    """The accuracy on the pairs of each kind of negative, and on "all"; right (n_pairs,)."""
    kinds = np.array([c.kind.value for c in contrasts])
    found = {
        str(kind): Accuracy(int(right[kinds == kind].sum()), int((kinds == kind).sum()))
        for kind in sorted(set(kinds))
    }
    return {**found, "all": Accuracy(int(right.sum()), len(right))}


def report_of(held_out: Mapping[str, Accuracy], trained_on: int) -> dict[str, object]:
    """A fit's report as it is kept: in the run's books, and with the scorer."""
    told = {
        kind: {**asdict(a), "share": a.share, "interval": a.interval}
        for kind, a in held_out.items()
    }
    return {"trained_on": trained_on, "held_out": told}


def chance_warning(accuracy: Accuracy, consequence: str) -> str:
    """What everybody who looks at the run should see; empty where the scorer beats chance."""
    if accuracy.beats_chance:
        return ""
    low, high = accuracy.interval
    return (
        f"the fitted scorer ranks {accuracy.right} of {accuracy.pairs} held-out pairs right "
        f"(95 % interval {low:.2f} to {high:.2f}), which is no better than chance: {consequence}"
    )
