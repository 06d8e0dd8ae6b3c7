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

import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from augcon.errors import ItemError, ScorerError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, Unusable
from augcon.scorer.accuracy import Accuracy, accuracy_by_kind, tested_pairs
from augcon.scorer.base import Item, Score
from augcon.scorer.contrast import Contrast
from augcon.scorer.heuristic import weigh
from augcon.scorer.saved import Card, write_card
from augcon.together import together

__all__ = ["FEWEST_PAIRS", "Accuracy", "Fit", "LinearScorer", "features", "fit", "load_linear"]

Vectors = npt.NDArray[np.float32]
FEWEST_PAIRS = 24  # below this, a head of hundreds of weights learns noise
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # inverse L2 penalties that are tried
HEURISTIC_WEIGHT = 30.0  # beside hidden numbers that differ by about 1
FOLDS = 4
LAYOUT = 1  # of `features`: a saved head goes with the layout that it was fitted on
WEIGHTS = "weights.npz"


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
    """Sc(C, q) = head · x(C, q); `base` names the model whose hidden states these are."""

    embed: Callable[[str, str], Coroutine[Any, Any, Vectors]]
    head: tuple[float, ...]
    base: str

    @property
    def kind(self) -> str:
        return "linear"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        """Each item's score, or why the model gave none."""
        return await together(self._score(item) for item in items)

    async def _score(self, item: Item) -> Score:
        try:
            found = await self.embed(item.context, item.question)
        except ItemError as error:
            return Score(why_none=f"{error.reason}: {error.detail}")
        return Score(float(np.asarray(self.head) @ found.astype(np.float64)))

    def save(self, folder: Path) -> None:
        np.savez(folder / WEIGHTS, head=np.asarray(self.head, dtype=np.float64))
        write_card(folder, Card(self.kind, self.base, hidden=len(self.head) - 1, layout=LAYOUT))


async def load_linear(folder: Path, card: Card, embedder: Caller | None) -> LinearScorer:
    """The scorer of a folder, with the model whose hidden states it reads.

    Raises ScorerError where that model is not the one it was fitted on.
    """
    if card.layout != LAYOUT:
        raise ScorerError(
            f"{folder}: reads its texts in another layout ({card.layout}, this augcon's is "
            f"{LAYOUT}); fit it anew"
        )
    fitted = f"{folder}: was fitted on the hidden states of {card.base!r}"
    if embedder is None:
        raise ScorerError(f"{fitted}, and no embeddings are served here; see --model, --base-url")
    if embedder.model.name != card.base:
        raise ScorerError(f"{fitted}, not of {embedder.model.name!r}; see --model, --base-url")
    embed = features(embedder)
    try:
        hidden = len(await embed("One.", "Which?")) - 1
    except ItemError as error:
        raise ScorerError(f"{fitted}, which gives none now: {error}") from error
    if hidden != card.hidden:
        raise ScorerError(f"{fitted} with {card.hidden} numbers, and this one gives {hidden}")
    return LinearScorer(embed, _read_head(folder, card), card.base)


def _read_head(folder: Path, card: Card) -> tuple[float, ...]:
    try:
        with np.load(folder / WEIGHTS, allow_pickle=False) as weights:
            head = weights["head"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ScorerError(f"{folder}: its {WEIGHTS} is damaged ({error})") from error
    if head.shape != (card.hidden + 1,) or not np.isfinite(head).all():
        raise ScorerError(f"{folder}: its {WEIGHTS} holds no {card.hidden + 1} weights")
    return tuple(head.tolist())


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
    test = tested_pairs(contrasts, held_out)
    scales = _scales(differences)
    scaled = differences.astype(np.float64) * scales
    strength = _best_strength(scaled[~test], roots[~test])
    right = scaled[test] @ _head(scaled[~test], strength) > 0
    tested = [contrast for contrast, out in zip(contrasts, test, strict=True) if out]
    accuracy = accuracy_by_kind(tested, right)
    head = _head(scaled, strength) * scales
    return Fit(tuple(head.tolist()), strength, int((~test).sum()), accuracy)


def _scales(differences: Vectors) -> npt.NDArray[np.float64]:
    """What each feature is multiplied with, (hidden + 1,): the more, the less it is penalised."""
    scales = np.full(differences.shape[1], 1.0 / (differences[:, :-1].std(axis=0).mean() or 1.0))
    scales[-1] = HEURISTIC_WEIGHT
    return scales


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
