"""The contrastive scorer on a frozen base: a linear head on the last token's hidden state.

The paper's scorer is the base model with a linear head, trained with the pairwise logistic loss
L = -E[log σ(Sc(C, q+) - Sc(C, q-))] (section 3.2). With the base frozen, Sc(C, q) = w · x(C, q),
and the loss is logistic regression without intercept on differences x(C, q+) - x(C, q-): convex,
fitted in milliseconds, no torch.

x is the hidden state and, as its last number, what the heuristic says, which is hardly penalised:
the head learns what a hidden state has to add. Alone it learns from few pairs what they have in
common by chance (`docs/ranking.md`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from augcon.errors import ItemError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, Unusable
from augcon.records import UNSCORED, Question
from augcon.scorer.contrast import Contrast
from augcon.scorer.heuristic import weigh

__all__ = ["FEWEST_PAIRS", "Accuracy", "Fit", "LinearScorer", "features", "fit"]

Vectors = npt.NDArray[np.float32]
FEWEST_PAIRS = 24  # below this, a head of hundreds of weights learns noise
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # inverse L2 penalties that are tried
HEURISTIC_WEIGHT = 30.0  # beside hidden numbers that differ by about 1
FOLDS = 4
Z95 = 1.96


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


@dataclass(frozen=True, slots=True)
class Fit:
    """A head (hidden + 1,) and its accuracy on roots that it was not fitted on, by kind and in all.

    Its last number is the heuristic's weight. It goes with features as they come, unscaled.
    """

    head: tuple[float, ...]
    strength: float
    trained_on: int
    held_out: dict[str, Accuracy]


def features(caller: Caller) -> Callable[[str, str], Coroutine[Any, Any, Vectors]]:
    """x(C, q), (hidden + 1,): the hidden state that the server's embedding endpoint gives, and what
    the heuristic says."""

    def read(reply: Reply) -> Vectors:
        if not reply.embedding or not all(map(math.isfinite, reply.embedding)):
            raise Unusable("the server sent no embedding")
        return np.asarray(reply.embedding, dtype=np.float32)

    async def embed(context: str, question: str) -> Vectors:
        text = f"{context.strip()}\n\n{question.strip()}"
        hidden = await caller.ask(Request("embedding", text=text), read)
        return np.append(hidden, np.float32(weigh(context, question)))

    return embed


@dataclass(frozen=True, slots=True)
class LinearScorer:
    """Sc(C, q) = head · x(C, q)."""

    embed: Callable[[str, str], Coroutine[Any, Any, Vectors]]
    head: tuple[float, ...]

    async def score(self, questions: Sequence[Question]) -> list[Question]:
        """Each question with its score, or with why the model gave none."""
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._score(question)) for question in questions]
        return [task.result() for task in asked]

    async def _score(self, question: Question) -> Question:
        try:
            found = await self.embed(question.context.text, question.text)
        except ItemError as error:
            why = f"{error.reason}: {error.detail}"
            return replace(question, score=UNSCORED, no_score=why)
        return replace(question, score=float(np.asarray(self.head) @ found.astype(np.float64)))


def fit(contrasts: Sequence[Contrast], differences: Vectors, held_out: float) -> Fit:
    """Fit the head and measure it.

    differences  (n_pairs, hidden + 1): x(C, q+) - x(C, q-), in the order of `contrasts`
    held_out     share of the roots whose pairs are only tested on

    The L2 penalty is chosen by cross-validation over roots, on the training part alone. After
    the test the head is fitted once more, on all pairs.

    One thread, whatever the machine has: many make these small sums 40 times slower on busy
    cores, and add them up in another order, which could rank two questions otherwise.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return _fit(contrasts, differences, held_out)


def _fit(contrasts: Sequence[Contrast], differences: Vectors, held_out: float) -> Fit:
    roots = np.array([c.context.root_id for c in contrasts])
    names = sorted(set(roots))
    n_test = min(max(1, round(len(names) * held_out)), len(names) - 1)
    test = np.isin(roots, names[:n_test]) if n_test else _every_fifth(len(contrasts))
    scales = _scales(differences)
    scaled = differences.astype(np.float64) * scales
    strength = _best_strength(scaled[~test], roots[~test])
    tested = scaled[test] @ _head(scaled[~test], strength) > 0
    kinds = np.array([c.kind.value for c in contrasts])[test]
    accuracy = {
        kind: Accuracy(int(tested[kinds == kind].sum()), int((kinds == kind).sum()))
        for kind in sorted(set(kinds))
    }
    accuracy["all"] = Accuracy(int(tested.sum()), len(tested))
    head = _head(scaled, strength) * scales
    return Fit(tuple(head.tolist()), strength, int((~test).sum()), accuracy)


def _scales(differences: Vectors) -> npt.NDArray[np.float64]:
    """What each feature is multiplied with, (hidden + 1,): the more, the less it is penalised."""
    scales = np.full(differences.shape[1], 1.0 / (differences[:, :-1].std(axis=0).mean() or 1.0))
    scales[-1] = HEURISTIC_WEIGHT
    return scales


def _every_fifth(n: int) -> npt.NDArray[np.bool_]:
    """Where the pilot has a single root, its pairs are parted instead."""
    fifth: npt.NDArray[np.bool_] = np.arange(n) % 5 == 0
    return fifth


def _head(differences: npt.NDArray[np.float64], strength: float) -> npt.NDArray[np.float64]:
    """argmin over w of  mean of log(1 + exp(-w · d)) · strength · n  +  |w|² / 2."""
    from sklearn.linear_model import LogisticRegression

    mirrored = np.concatenate([differences, -differences])
    labels = np.repeat([1, 0], len(differences))
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=500)
    head: npt.NDArray[np.float64] = model.fit(mirrored, labels).coef_[0]
    return head


def _best_strength(differences: npt.NDArray[np.float64], roots: npt.NDArray[np.str_]) -> float:
    """The strength whose heads rank the most pairs of left-out roots rightly."""
    names = sorted(set(roots))
    groups = [names[i::FOLDS] for i in range(min(FOLDS, len(names)))]
    if len(groups) < 2:
        return STRENGTHS[len(STRENGTHS) // 2]

    def loss(strength: float) -> float:
        total = 0.0
        for group in groups:
            out = np.isin(roots, group)
            margins = differences[out] @ _head(differences[~out], strength)
            total += float(np.logaddexp(0.0, -margins).sum())
        return total

    return min(STRENGTHS, key=loss)
