"""What was tried to tell supported claims from others, each measure by itself.

    python -m benchmarks.verification_measures DATA [--encoder]

DATA     as of benchmarks.verification
encoder  also the embedded sentence encoder's similarities, five minutes on two cores

Prints JSON: for each judged set the area under the ROC curve of

held, nothing_missing   the two measures of the lexical score
idf_held     held, each word weighed by its rarity in the contexts of the set
window       the share of the content words that the best three neighbouring sentences hold
pairs        the share of neighbouring content words that are neighbours in the context too
rouge_l      ROUGE-L precision against the context
window_rouge_l   the best against three neighbouring sentences
about        how often the context has the words of the question and the claim: the mean of
             n / (n + 1)
words        how many content words the claim has (logarithm)
boosted      a gradient boosting machine on all of these, ten-fold over groups
closest, whole   cosine of the claim's vector to its closest sentence's and to their mean's
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.verification import FITTED_ON, JUDGED, REQUEST_TOKENS, Row, area, judged_rows
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from augcon.answer.lexical import Passage, content_stems, lexical_support, measures
from augcon.config import load_settings
from augcon.llm.budget import Budget
from augcon.llm.call import Caller, MemoryJournal, Meter
from augcon.llm.encode import encode
from augcon.llm.models import open_models
from augcon.rouge import rouge_l

NEIGHBOURS = 3


def measured(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Name → one number a row."""
    seen = Counter(word for row in rows for word in set(content_stems(row.question.context.text)))
    told: dict[str, list[float]] = {}
    for row in rows:
        for name, number in _of_row(row, seen, len(rows)).items():
            told.setdefault(name, []).append(number)
    return told


def _of_row(row: Row, seen: Counter[str], n_rows: int) -> dict[str, float]:
    context, claim = row.question.context.text, row.answer
    passage = Passage(context, row.question.text, "en")
    held, found = measures(claim, passage, lexical_support(claim, passage).missing)
    said, words = content_stems(claim), content_stems(context)
    rarity = {word: math.log((n_rows + 1) / (seen[word] + 1)) for word in said}
    total = sum(rarity[word] for word in said) or 1.0
    runs = [
        context[spans[0].start : spans[-1].end]
        for first in range(max(1, len(passage.spans) - NEIGHBOURS + 1))
        if (spans := passage.spans[first : first + NEIGHBOURS])
    ]
    beside = list(pairwise(said))
    known = set(pairwise(words))
    times = Counter(words)
    spoken = [*said, *content_stems(row.question.text)]
    n = max(1, len(said))
    return {
        "held": held,
        "nothing_missing": found,
        "idf_held": sum(rarity[word] for word in said if word in times) / total,
        "window": max((_share(said, set(content_stems(run))) for run in runs), default=0.0),
        "pairs": sum(pair in known for pair in beside) / max(1, len(beside)),
        "rouge_l": rouge_l(claim, context).precision,
        "window_rouge_l": max((rouge_l(claim, run).precision for run in runs), default=0.0),
        "about": sum(times[w] / (times[w] + 1) for w in spoken) / max(1, len(spoken)),
        "words": math.log(n),
    }


def _share(said: Sequence[str], held: set[str]) -> float:
    return sum(word in held for word in said) / max(1, len(said))


def boosted(rows: Sequence[Row], told: dict[str, list[float]]) -> float:
    labels = np.array([row.label for row in rows])
    machine = GradientBoostingClassifier(
        n_estimators=60, max_depth=2, learning_rate=0.05, subsample=0.7, random_state=0
    )
    table = np.array(list(told.values())).T
    odds = cross_val_predict(
        machine, table, labels, groups=[row.group for row in rows], cv=GroupKFold(10),
        method="predict_proba",
    )  # fmt: skip
    return area(labels, odds[:, 1])


async def similarities(encoder: Caller, rows: Sequence[Row]) -> dict[str, list[float]]:
    told: dict[str, list[float]] = {"closest": [], "whole": []}
    for row in rows:
        context = row.question.context.text
        spans = Passage(context, "", "en").spans
        texts = [row.answer, *(context[span.start : span.end] for span in spans)]
        claim, *said = (_unit(vector) for vector in await encode(encoder, texts))
        told["closest"].append(max((float(claim @ one) for one in said), default=0.0))
        told["whole"].append(float(claim @ _unit(np.mean(said, axis=0))) if said else 0.0)
    return told


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    unit: npt.NDArray[np.float64] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit


async def encoded(data: Path) -> dict[str, dict[str, float]]:
    settings = load_settings().model
    opened = open_models(
        *(settings, MemoryJournal(), 0, _done_now, Meter(), lambda *_: None),
        *(REQUEST_TOKENS, Budget()),
    )
    told = {}
    async with opened as models:
        assert models.encoder is not None
        for name in FITTED_ON:
            rows = judged_rows(data, name)
            found = await similarities(models.encoder, rows)
            told[name] = _areas(rows, found)
    return told


async def _done_now(name: str, do, *inputs: str) -> str:  # type: ignore[no-untyped-def]
    return str(await do())


def _areas(rows: Sequence[Row], told: dict[str, list[float]]) -> dict[str, float]:
    labels = [row.label for row in rows]
    return {name: round(area(labels, numbers), 3) for name, numbers in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", action="store_true")
    given = parser.parse_args()
    told = {}
    for name in JUDGED:
        rows = judged_rows(given.data, name)
        found = measured(rows)
        told[name] = {**_areas(rows, found), "boosted": round(boosted(rows, found), 3)}
    if given.encoder:
        for name, areas in asyncio.run(encoded(given.data)).items():
            told[name].update(areas)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
