"""What the scorers' benchmark reads and tells: rated questions, and correlations with ratings."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, rankdata

from augcon.scorer import Item

SEED = 5
RESAMPLINGS = 400
FEWEST_ORDERING = 10
SIX = ("fluency", "clarity", "conciseness", "relevance", "consistency", "answerability")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rated:
    """A question with what people and the published metrics say of it."""

    item: Item
    people: dict[str, float]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A scorer's ranks (n_items,), and what a thousand scores cost."""

    ranks: Floats
    unscored: int = 0
    seconds: float | None = None
    tokens: float | None = None


def read_rated(path: Path, half: str, passages: int | None) -> list[Rated]:
    """The distinct questions of the passages of one half, a passage's questions in a row."""
    rows: dict[Item, list[dict[str, Any]]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        rows[Item(row["context"], row["question"])].append(row)
    texts = sorted({item.context for item in rows}, key=drawn)
    wanted = [text for text in texts if half == "all" or is_test(text) == (half == "test")]
    taken = set(wanted[:passages])
    found = [_rated(item, told) for item, told in rows.items() if item.context in taken]
    return sorted(found, key=lambda rated: drawn(rated.item.context))


def is_test(context: str) -> bool:
    """Whether a passage is of the half that nothing was chosen on."""
    return drawn(context) % 2 == 1


def drawn(context: str) -> int:
    return int(hashlib.blake2b(context.encode(), digest_size=8).hexdigest(), 16)


def _rated(item: Item, rows: Sequence[dict[str, Any]]) -> Rated:
    people = _means([row["scores"] for row in rows])
    people["overall"] = fmean(people[name] for name in SIX if name in people)
    return Rated(item, people, _means([row.get("auto_metrics", {}) for row in rows]))


def _means(told: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: fmean(each[name] for each in told) for name in told[0]}


def agreement(
    ranks: Floats, people: Floats, passages: npt.NDArray[np.int_]
) -> dict[str, list[float]]:
    """Each correlation with its 95 % interval: [value, lower, upper]."""
    rows = [np.flatnonzero(passages == one) for one in np.unique(passages)]
    ordering = [row for row in rows if np.ptp(people[row]) > 0]
    draw = np.random.default_rng(SEED)
    resampled = [draw.integers(len(rows), size=len(rows)) for _ in range(RESAMPLINGS)]
    told = {}
    for name, measure in (("spearman", spearman), ("kendall", kendall)):
        if len(ordering) >= FEWEST_ORDERING:
            inside = np.array([measure(ranks[row], people[row]) for row in ordering])
            means = [inside[draw.integers(len(inside), size=len(inside))].mean() for _ in resampled]
            told[f"within {name}"] = _told(float(inside.mean()), means)
        everything = [np.concatenate([rows[i] for i in picked]) for picked in resampled]
        pooled = [measure(ranks[every], people[every]) for every in everything]
        told[f"pooled {name}"] = _told(measure(ranks, people), pooled)
    return told


def _told(value: float, resampled: Sequence[float]) -> list[float]:
    return [round(float(v), 3) for v in (value, *np.percentile(resampled, [2.5, 97.5]))]


def spearman(one: Floats, other: Floats) -> float:
    """0 where either is constant, which orders nothing."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def kendall(one: Floats, other: Floats) -> float:
    """tau-b; 0 where either is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(kendalltau(one, other).statistic)


def compare(
    rated: Sequence[Rated], dimensions: Sequence[str], found: dict[str, Ranked]
) -> dict[str, dict[str, Any]]:
    """By scorer: every agreement by dimension, and the cost of a thousand questions."""
    names = sorted(rated[0].metrics)
    metrics = {n: Ranked(rankdata([one.metrics[n] for one in rated])) for n in names}
    passages = np.unique([one.item.context for one in rated], return_inverse=True)[1]
    people = {d: np.array([one.people[d] for one in rated]) for d in dimensions}
    return {
        name: {d: agreement(ranked.ranks, people[d], passages) for d in dimensions}
        | {"unscored": ranked.unscored, "seconds": ranked.seconds, "tokens": ranked.tokens}
        for name, ranked in (found | metrics).items()
    }


def table(told: dict[str, dict[str, Any]], dimensions: Sequence[str]) -> str:
    """Spearman's correlation of every scorer with its interval, by dimension."""
    rows = list(told.values())
    columns = [
        (dimension, kind)
        for dimension in dimensions
        for kind in ("within", "pooled")
        if f"{kind} spearman" in rows[0][dimension]
    ]
    titles = ["scorer", *(f"{d}, {kind}" for d, kind in columns), "unscored", "s", "tokens"]
    lines = [titles, ["---"] * len(titles)]
    for name, row in told.items():
        cells = [_shown(row[dimension][f"{kind} spearman"]) for dimension, kind in columns]
        cost = [("-" if c is None else f"{c:.0f}") for c in (row["seconds"], row["tokens"])]
        lines.append([name, *cells, str(row["unscored"]), *cost])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(told: Sequence[float]) -> str:
    value, low, high = told
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
