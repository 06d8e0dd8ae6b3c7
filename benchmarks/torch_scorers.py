"""How well the scorers on torch learn to tell a context's question from a neighbour's.

    python -m benchmarks.torch_scorers FILE.jsonl [--kind cross-encoder] [--pairs N]
        [--tested-pairs N] [--questions N] [--epochs N] [--max-tokens N] [--learning-rate X]
        [--batch N] [--base NAME]

FILE       lines with "title", "context" and "question" by people, such as SQuAD's
pairs      at most so many to learn from, of contexts drawn at random (all)
questions  of a context, at most (3)
the rest   as in `TorchOptions`; what the kind has by default where it is not given

Nothing is generated. The better question of a pair is one that people asked about its context, the
worse one was asked about another context of the same title: a hard mismatch, in the same words and
by the same people, so that neither style nor length gives it away. Every fourth title is held out:
its pairs are only tested on. The answer to be expected of a scorer that reads the question alone is
one half. Prints JSON: pairs, accuracy with Wilson's 95 % interval beside that of the heuristic
ranker on the same pairs, the curve of the training, and seconds (load, epochs and measuring).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from augcon.corpus.units import count_units
from augcon.prompts import Weakening
from augcon.records import Context, Document
from augcon.scorer import Accuracy, Contrast, HeuristicScorer
from augcon.scorer.base import Item
from augcon.scorer.torch_scorer import default_options, train_torch_scorer

HELD_OUT = 4  # every so manieth title
SPEED_ITEMS = 200


def mismatches(path: Path, per_context: int) -> dict[str, list[Contrast]]:
    """By title, the questions of every context against others of the title."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    asked: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        asked.setdefault(line["title"], {}).setdefault(line["context"], []).append(line["question"])
    draw = random.Random(0)
    told: dict[str, list[Contrast]] = {}
    for title, contexts in asked.items():
        for text, questions in contexts.items():
            others = [q for other, many in contexts.items() if other != text for q in many]
            if not others:
                continue
            document = Document.of(title, text, "en")
            context = Context.root(document, 0, len(text), count_units(text), "en")
            told.setdefault(title, []).extend(
                Contrast(context, question, draw.choice(others), Weakening.BOTH)
                for question in draw.sample(questions, min(per_context, len(questions)))
            )
    return told


def by_heuristic(tested: Sequence[Contrast]) -> Accuracy:
    items = [Item(c.context.text, text) for c in tested for text in (c.better, c.worse)]
    scores = [score.value for score in asyncio.run(HeuristicScorer().score(items))]
    pairs = zip(scores[::2], scores[1::2], strict=True)
    return Accuracy(sum(better > worse for better, worse in pairs), len(tested))


def told_of(accuracy: Accuracy) -> dict[str, object]:
    low, high = accuracy.interval
    return {
        "pairs": accuracy.pairs,
        "accuracy": round(accuracy.share, 3),
        "interval": [round(low, 3), round(high, 3)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--kind", choices=["cross-encoder", "lora"], default="cross-encoder")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--tested-pairs", type=int)
    parser.add_argument("--questions", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--base")
    given = parser.parse_args()
    titles = mismatches(given.file, given.questions)
    held = sorted(titles)[::HELD_OUT]
    tested = [pair for title in held for pair in titles[title]]
    learned = [pair for title, pairs in titles.items() if title not in held for pair in pairs]
    draw = random.Random(1)
    draw.shuffle(learned)
    draw.shuffle(tested)
    tested, learned = tested[: given.tested_pairs], learned[: given.pairs]
    named = ("epochs", "max_tokens", "learning_rate", "batch", "base")
    changed = {name: getattr(given, name) for name in named if getattr(given, name) is not None}
    options = replace(default_options(given.kind), **changed)
    began, worked = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        scorer = train_torch_scorer(given.kind, learned, tested, options, Path(folder))
        took, work = time.monotonic() - began, time.process_time() - worked
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    items = [Item(pair.context.text, pair.better) for pair in tested[:SPEED_ITEMS]]
    worked = time.process_time()
    scorer.score_here(items)
    history = scorer.history
    told = {
        "kind": given.kind,
        "trained_on": history.trained_on,
        "stopped_on": history.stopped_on,
        "cut": history.cut,
        "curve": [
            [e.number, round(e.training, 3), round(e.stopping or 0, 3)] for e in history.epochs
        ],
        "best_epoch": history.best,
        "tested": told_of(scorer.accuracy["all"]),
        "heuristic": told_of(by_heuristic(tested)),
        "seconds": round(took),
        "cpu_seconds": round(work),
        "cpu_seconds_for_1000_scores": round((time.process_time() - worked) / len(items) * 1000, 1),
        "folder_mb": round(size / 1e6, 1),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
