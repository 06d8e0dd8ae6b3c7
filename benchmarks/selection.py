"""How long it takes to choose a diverse set among many questions, beside the plain loop.

    python -m benchmarks.selection [--data FOLDER] [--sizes 10000,100000] [--seconds 30]

data     a folder with *.jsonl files anywhere below it, a "question" in each line; without it the
         sentences of the generated corpora of the tests stand in
sizes    numbers of questions, ascending
seconds  for each plain loop

The questions are made from real ones, always the same: a real one of which some words (none to
most) are exchanged for words drawn as often as they are used, two may be swapped and one put in,
and which may open as another does. There are no more words for more questions, which is the hard
case: in a real corpus new questions bring new words. All seconds are of CPU, on one core. Prints
JSON:

select_diverse  for each measure and size: seconds, tokens included, and how many are kept; and the
                growth exponent from each size to the next
plain_loops     each question against every kept one, until one is repeated: over a plain table of
                the longest common subsequence, and over the package `rouge-score` where it is
                installed. Up to the largest part of the questions that is done in time (doubled
                while there is time): seconds, pairs, and whether the same are kept. For the largest
                size: the pairs that it would compare, at least (every question that is kept with
                all kept before it), the hours for these at the same pace, and how many times the
                seconds of select_diverse that is
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from tests.small_corpora import chinese, english

from augcon import select_diverse
from augcon.rouge import HAN, tokens

THRESHOLD = 0.7
WANTED = {"seconds_for_100000": 15, "growth_exponent": 1.5, "times_as_fast_as_plain": 100}
FIRST_PART = 250  # questions of a plain loop

Precision = Callable[[str, str], float]


def real_questions(folder: Path) -> list[str]:
    """The different questions below a folder, in the order of their wording."""
    found = set()
    for path in folder.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            question = json.loads(line).get("question")
            if isinstance(question, str) and tokens(question):
                found.add(question)
    return sorted(found)


def generated_questions() -> list[str]:
    """Sentences that stand in for questions."""
    return sorted({*english(0, 4000).split(". "), *chinese(0, 2000).strip("。").split("。")})


def perturbed(real: Sequence[str], number: int) -> Iterator[str]:
    """So many questions in the wording of the real ones, of their languages in turn by share."""
    draw = random.Random(0)
    questions: dict[str, list[list[str]]] = {" ": [], "": []}  # by what stands between words
    for question in real:
        questions["" if re.search(f"[{HAN}]", question) else " "].append(tokens(question))
    words = {gap: [word for each in many for word in each] for gap, many in questions.items()}
    shares = [len(many) for many in questions.values()]
    for gap in draw.choices([*questions], shares, k=number):
        yield gap.join(_variant(draw, questions[gap], words[gap]))


def _variant(
    draw: random.Random, questions: Sequence[list[str]], words: Sequence[str]
) -> list[str]:
    exchanged = draw.choice((0.0, 0.15, 0.3, 0.5, 0.7))
    made = [
        draw.choice(words) if draw.random() < exchanged else word for word in draw.choice(questions)
    ]
    if draw.random() < 0.3:
        opening = draw.choice(questions)[:3]
        made[: len(opening)] = opening
    if draw.random() < 0.3:
        place = draw.randrange(len(made))
        made[place : place + 2] = reversed(made[place : place + 2])
    if draw.random() < 0.3:
        made.insert(draw.randrange(len(made) + 1), draw.choice(words))
    return made


def selected(questions: Sequence[str], sizes: Sequence[int], measure: str) -> dict[str, object]:
    told = {}
    for size in sizes:
        began = time.process_time()
        kept = select_diverse(questions[:size], THRESHOLD, measure)  # type: ignore[arg-type]
        told[size] = {"seconds": round(time.process_time() - began, 2), "kept": len(kept)}
    exponents = [
        round(math.log(told[more]["seconds"] / told[few]["seconds"]) / math.log(more / few), 2)
        for few, more in pairwise(sizes)
    ]
    return {"sizes": told, "growth_exponents": exponents}


def plain_loop(
    questions: Sequence[str], precision: Precision, deadline: float
) -> tuple[list[int], int] | None:
    """The kept ones and the number of pairs that were compared; None where time ran out."""
    kept: list[int] = []
    pairs = 0
    for place, question in enumerate(questions):
        for other in kept:
            pairs += 1
            if precision(question, questions[other]) >= THRESHOLD:
                break
        else:
            kept.append(place)
        if time.process_time() > deadline:
            return None
    return kept, pairs


def plain_precision(known: dict[str, list[str]]) -> Precision:
    """Over the textbook's table; the tokens of each question are made once."""

    def precision(candidate: str, reference: str) -> float:
        row = [0] * (len(known[reference]) + 1)
        for word in known[candidate]:
            diagonal = 0
            for place, other in enumerate(known[reference], 1):
                above = row[place]
                row[place] = diagonal + 1 if word == other else max(above, row[place - 1])
                diagonal = above
        return row[-1] / max(len(known[candidate]), 1)

    return precision


def published_precision() -> Precision:
    from rouge_score.rouge_scorer import RougeScorer

    class Tokenizer:
        def tokenize(self, text: str) -> list[str]:
            return tokens(text)

    scorer = RougeScorer(["rougeL"], tokenizer=Tokenizer())
    return lambda candidate, reference: scorer.score(reference, candidate)["rougeL"].precision


def compared(
    questions: Sequence[str], precision: Precision, seconds: float, ours: float
) -> dict[str, object]:
    """ours: seconds of select_diverse for all the questions."""
    told: dict[str, object] = {}
    pace = 0.0
    size, deadline = FIRST_PART, time.process_time() + seconds
    while True:
        size = min(size, len(questions))
        began = time.process_time()
        done = plain_loop(questions[:size], precision, deadline)
        if done is None:
            break
        took = time.process_time() - began
        kept, pairs = done
        pace = took / pairs
        same = kept == select_diverse(questions[:size], THRESHOLD)
        told = {"questions": size, "seconds": round(took, 2), "pairs": pairs, "same_kept": same}
        if size == len(questions):
            break
        size *= 2
    if not told:
        return {"questions": 0}
    n_kept = len(select_diverse(questions, THRESHOLD))
    least = n_kept * (n_kept - 1) // 2
    told["of_the_largest"] = {
        "pairs_at_least": least,
        "hours": round(pace * least / 3600, 2),
        "times_select_diverse": round(pace * least / ours),
    }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    real = real_questions(given.data) if given.data else []
    source = f"{len(real)} real questions" if real else "sentences of the generated corpora"
    sizes = [int(size) for size in given.sizes.split(",")]
    questions = list(perturbed(real or generated_questions(), sizes[-1]))
    precision = selected(questions, sizes, "precision")
    ours = precision["sizes"][sizes[-1]]["seconds"]  # type: ignore[index]
    known = {question: tokens(question) for question in questions}
    loops = {"table": compared(questions, plain_precision(known), given.seconds, ours)}
    if importlib.util.find_spec("rouge_score"):
        loops["rouge_score"] = compared(questions, published_precision(), given.seconds, ours)
    told = {
        "wanted": WANTED,
        "made_from": source,
        "select_diverse": {"precision": precision, "f1": selected(questions, sizes, "f1")},
        "plain_loops": loops,
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
