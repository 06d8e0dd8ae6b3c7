"""How often the tree's checks are wrong about what people wrote, and what they catch of faults.

    python -m benchmarks.checks --data FOLDER [--show N]

data  a folder with *.jsonl files anywhere below it; in each line a "question", its "context", its
      "answers" and the "lang" of all three, "en" or "zh" or of these ("zh-Hant")
show  so many of the rejected questions of each set

Prints JSON:

questions        for each file, of the questions that people wrote: how many, and the percentage
                 that is rejected for each reason. `context`: as they are. `sentence`: the context
                 is only the sentence that holds the answer, as short as a leaf of a tree
question_faults  by language, the percentage that is caught of questions with a fault put in: two
                 joined to one; a turn that speaks of the text put in front; one about a text of
                 the other language; a sentence in its place; the sentence itself made a yes-or-no
                 question; an example of the prompts, with a word exchanged in the longer ones
splits           for each file, of root contexts of at most 500 units cut in two at a border of
                 sentences, the percentage that is rejected: `contiguous`, or `assigned`, each
                 sentence to a part drawn for it
split_faults     by file, the percentage that is caught of splits with a fault put in: a sentence
                 of ordinary length that is there once is lost; one is exchanged for one of
                 another text; one is in both parts; a third of the context in both; a part of
                 another text
places           by file, the percentage of single sentences of another text that have no place
milliseconds     of CPU for a split's check, mean over all
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from augcon.corpus import cut_contexts, sentence_spans
from augcon.prompts import Library
from augcon.records import Context, Document, Verdict
from augcon.rouge import tokens
from augcon.tree.checks import LEAST_EXPLAINED, SHORT_SENTENCE, check_parts
from augcon.tree.soundness import Shown, check_question
from augcon.tree.spans import locate

LONGEST = 5000  # characters of a context that is split or searched for an answer's sentence
LONGEST_ROOT = 500  # units
PRECISION = 0.7
TURNS = {
    "en": (
        "According to the passage, {}",
        "Based on the text, {}",
        "As the article says, {}",
        "In this paragraph, {}",
        "In the above excerpt, {}",
        "From what the author says, {}",
    ),
    "zh": (
        "根据短文，{}",
        "文中提到，{}",
        "按照上述内容，{}",
        "作者认为，{}",
        "在这段文字中，{}",
        "從本文來看，{}",
        "根據材料，{}",
    ),
}
TRUE = {"en": "Is it true that {}?", "zh": "{}，是吗？"}
BETWEEN = {"en": " ", "zh": ""}
Row = dict[str, str]
Parts = tuple[list[str], list[str]]


def read_rows(path: Path) -> list[Row]:
    """The questions of a file, each with its context, its language and its answer's sentence."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)
        language = str(raw.get("lang")).partition("-")[0]
        if language in TURNS and raw.get("question") and raw.get("context"):
            row = {key: raw[key].strip() for key in ("question", "context")}
            row["language"] = language
            row["sentence"] = _answering(row, (raw.get("answers") or [""])[0])
            found.append(row)
    return found


def _answering(row: Row, answer: str) -> str:
    text = row["context"]
    at = text.find(answer) if answer and len(text) <= LONGEST else -1
    spans = sentence_spans(text, row["language"]) if at >= 0 else []
    return next((text[s.start : s.end] for s in spans if s.start <= at < s.end), "")


class Checks:
    """Counts verdicts by a name, and keeps what was rejected."""

    def __init__(self) -> None:
        self.shown = {name: Shown.by(Library().question_prompts(name)) for name in TURNS}
        self.reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.rejected: defaultdict[str, list[str]] = defaultdict(list)

    def question(self, name: str, text: str, context: str, language: str) -> None:
        verdict = check_question(text, context, language, self.shown[language])
        self._count(name, verdict, text)

    def split(self, name: str, parent: Context, parts: Parts) -> None:
        between = BETWEEN.get(parent.language, " ")
        joined = [between.join(part) for part in parts]
        self._count(name, check_parts(parent, joined, PRECISION), parent.text)

    def _count(self, name: str, verdict: Verdict, text: str) -> None:
        self.reasons[name][verdict.reason] += 1
        if not verdict.kept:
            self.rejected[name].append(f"{verdict.reason} {verdict.detail!r}: {text}")

    def percentages(self, name: str) -> dict[str, float]:
        """How many there were, and the percentage of them for each reason."""
        number = self.reasons[name].total()
        shares = {r: round(100 * n / number, 2) for r, n in self.reasons[name].items() if r}
        return {"number": number, **shares}

    def caught(self, name: str) -> float:
        reasons = self.reasons[name]
        return round(100 * (1 - reasons[""] / reasons.total()), 1)


def questions(sets: dict[str, list[Row]], checks: Checks) -> None:
    for name, rows in sets.items():
        for row in rows:
            checks.question(f"{name} context", row["question"], row["context"], row["language"])
            if row["sentence"]:
                told = row["question"], row["sentence"], row["language"]
                checks.question(f"{name} sentence", *told)


def question_faults(rows: Sequence[Row], checks: Checks, draw: random.Random) -> None:
    other = {language: [r for r in rows if r["language"] != language] for language in TURNS}
    marked = {
        language: [r for r in rows if r["language"] == language and r["question"][-1] in "?？"]
        for language in TURNS
    }
    for row in rows:
        question, context, language = row["question"], row["context"], row["language"]
        made = {
            "two": f"{question} {draw.choice(marked[language])['question']}",
            "about the text": draw.choice(TURNS[language]).format(question),
            "another language": draw.choice(other[language])["question"],
        }
        if question[-1] not in "?？":
            del made["two"]  # where one ends and the other begins is then hard to see
        for fault, text in made.items():
            checks.question(f"{language} {fault}", text, context, language)
        if row["sentence"]:
            sentence = row["sentence"].rstrip(".。")
            checks.question(f"{language} no question", f"{sentence}.", context, language)
            true = TRUE[language].format(sentence)
            checks.question(f"{language} tells all", true, row["sentence"], language)
    for language, shown in checks.shown.items():
        for row in draw.sample([r for r in rows if r["language"] == language], 20):
            for _, example in shown.examples:
                copied = _reworded(example, language, draw)
                checks.question(f"{language} copied", copied, row["context"], language)


def _reworded(question: str, language: str, draw: random.Random) -> str:
    if language == "zh" or len(words := question.split()) < 15:
        return question
    words[draw.randrange(1, len(words) - 1)] = "really"
    return " ".join(words)


def splits(name: str, rows: Sequence[Row], checks: Checks, draw: random.Random) -> Iterator[float]:
    """Count the verdicts on true and spoilt splits; yields the seconds of each context's."""
    language = rows[0]["language"]
    texts = dict.fromkeys(row["context"] for row in rows if len(row["context"]) <= LONGEST)
    documents = [Document.of(name, text, language) for text in texts]
    roots = [root for d in documents for root in cut_contexts(d, LONGEST_ROOT, 100)]
    cut = [[r.text[s.start : s.end] for s in sentence_spans(r.text, r.language)] for r in roots]
    many = [(root, found) for root, found in zip(roots, cut, strict=True) if len(found) > 2]
    for parent, sentences in many:
        other = draw.choice([others for _, others in many if others is not sentences])
        made = dict(_made(sentences, other, draw))
        began = time.process_time()
        for kind, parts in made.items():
            if all(parts):
                checks.split(f"{name} {kind}", parent, parts)
        yield (time.process_time() - began) / len(made)
        foreign = draw.choice(other)
        if len(tokens(foreign)) >= SHORT_SENTENCE:
            placed = locate(foreign, parent.text).explained >= LEAST_EXPLAINED
            checks.reasons[f"{name} foreign sentence"]["" if placed else "part_not_placed"] += 1


def _made(
    sentences: list[str], other: list[str], draw: random.Random
) -> Iterator[tuple[str, Parts]]:
    at = draw.randrange(1, len(sentences))
    first, second = sentences[:at], sentences[at:]
    yield "contiguous", (first, second)
    chosen = [draw.random() < 0.5 for _ in sentences]
    drawn = list(zip(sentences, chosen, strict=True))
    yield "assigned", ([s for s, one in drawn if one], [s for s, one in drawn if not one])
    yield "one in both", (first, [first[-1], *second])
    third = len(sentences) // 3
    yield "a third in both", (sentences[: len(sentences) - third], sentences[third or 1 :])
    yield "foreign part", (first, other)
    ordinary = [
        n
        for n, s in enumerate(sentences)
        if len(tokens(s)) >= SHORT_SENTENCE and not any(s in t for t in sentences if t is not s)
    ]
    if ordinary:
        lost = draw.choice(ordinary)
        kept = [s for n, s in enumerate(first) if n != lost]
        yield "lost", (kept, [s for n, s in enumerate(second, at) if n != lost])
        swapped = [*sentences[:lost], draw.choice(other), *sentences[lost + 1 :]]
        yield "exchanged", (swapped[:at], swapped[at:])


TRUE_SPLITS = ("contiguous", "assigned")
SPLIT_FAULTS = ("lost", "exchanged", "one in both", "a third in both", "foreign part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    draw, checks = random.Random(0), Checks()
    read = {path.stem: read_rows(path) for path in sorted(given.data.rglob("*.jsonl"))}
    sets = {name: rows for name, rows in read.items() if rows}
    questions(sets, checks)
    by_hand = list(checks.reasons)
    question_faults([row for rows in sets.values() for row in rows], checks, draw)
    faults = [name for name in checks.reasons if name not in by_hand]
    seconds = [s for name, rows in sets.items() for s in splits(name, rows, checks, draw)]
    told = {
        "questions": {name: checks.percentages(name) for name in by_hand},
        "question_faults": {name: checks.caught(name) for name in faults},
        "splits": {n: {k: checks.caught(f"{n} {k}") for k in TRUE_SPLITS} for n in sets},
        "split_faults": {n: {k: checks.caught(f"{n} {k}") for k in SPLIT_FAULTS} for n in sets},
        "places": {n: checks.caught(f"{n} foreign sentence") for n in sets},
        "milliseconds": round(1000 * sum(seconds) / len(seconds), 2),
    }
    if given.show:
        told["rejected"] = {name: checks.rejected[name][: given.show] for name in by_hand}
    print(json.dumps(told, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
