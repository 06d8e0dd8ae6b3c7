"""How well answers that their context does not support are told from those that it does.

    python -m benchmarks.verification DATA [--fit] [--model NAME [--base-url URL] [--rows 60]
                                         [--config FILE]]

DATA   the folder with `ratings/` and `dev/` (see SOURCES.md there)
fit    also print the weights of the lexical score, fitted anew on the half that they come from
model  also ask this model, "embedded" or a server's, about the first so many rows by hash

People judged whether a context supports a claim (expertqa_claim_support, wice_claims), a summary
(summedits) or an answer (halueval_qa, apart, because the length nearly gives its label away), and
whether it answers a question (clapnq_answerability). The weights were fitted on the rows of
expertqa and wice whose group (question or title) hashes to an even number; "held_out" are the
others, so that no question or article is in both. Prints JSON:

lexical       for each set, all rows and held out: area under the ROC curve of the score with a
              95 % interval (bootstrap over groups), accuracy, and the share of supported and of
              unsupported rows that are rejected at the default thresholds, seconds per thousand
within_question   of expertqa: the same area over pairs of claims on one question, which one person
              judged; and how well the other labels of a question, without a look at the claim,
              tell its label
model, both   on the sampled rows: the model's grade alone, and after the words as a run does it;
              calls, tokens and seconds per thousand rows
false_alarms  share of answers that people wrote which each check would reject
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from augcon.answer import AnswerableCheck, LexicalVerifier, ModelVerifier, check_answer
from augcon.answer.lexical import MEASURES, Passage, is_verbatim, lexical_support, measures
from augcon.answer.verify import claim_spans, rejection
from augcon.config import load_settings
from augcon.corpus import count_units
from augcon.errors import ItemError
from augcon.llm.budget import Budget
from augcon.llm.call import MemoryJournal, Meter
from augcon.llm.models import Models, open_models
from augcon.prompts import Asker, Library
from augcon.records import Context, Document, Question, Verification, content_id
from augcon.sections import ModelSettings

FITTED_ON = ("expertqa_claim_support", "wice_claims")
JUDGED = (*FITTED_ON, "summedits", "halueval_qa")
WRITTEN_BY_PEOPLE = ("clapnq_longform", "expertqa_longform", "multifieldqa_zh")
RESAMPLES = 1000
REQUEST_TOKENS = 4096

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """A judged answer. `group` is what its neighbours share: a question, or an article."""

    id: str
    group: str
    question: Question
    answer: str
    label: int

    @property
    def held_out(self) -> bool:
        return int(content_id("half", self.group), 16) % 2 == 1


@dataclass(frozen=True, slots=True)
class Told:
    """What a check made of some rows: scores (n_rows,), and which of them pass."""

    scores: Floats
    passes: npt.NDArray[np.bool_]


def read_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked_about(context: str, question: str, language: str = "en") -> Question:
    document = Document.of("context", context, language)
    units = count_units(context)
    return Question.of(Context.root(document, 0, len(context), units, language), question, 0)


def judged_rows(data: Path, name: str) -> list[Row]:
    rows = []
    for raw in read_lines(data / "ratings" / f"{name}.jsonl"):
        question = str(raw.get("question") or "")
        group = question or str(raw.get("title") or raw["id"])
        asked = asked_about(str(raw["context"]), question)
        rows.append(Row(str(raw["id"]), group, asked, str(raw["answer"]), int(str(raw["label"]))))
    return rows


def area(labels: Sequence[int] | Numbers, scores: Sequence[float] | Floats) -> float:
    return float(roc_auc_score(labels, scores))


def interval(rows: Sequence[Row], scores: Floats) -> list[float]:
    """Of the area, 95 %, whole groups drawn with replacement."""
    draw = random.Random(0)
    members: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        members[row.group].append(place)
    groups = list(members.values())
    labels = np.array([row.label for row in rows])
    areas = []
    for _ in range(RESAMPLES):
        drawn = [place for group in draw.choices(groups, k=len(groups)) for place in group]
        if 0 < labels[drawn].sum() < len(drawn):
            areas.append(area(labels[drawn], scores[drawn]))
    return [round(float(edge), 3) for edge in np.quantile(areas, (0.025, 0.975))]


def summary(rows: Sequence[Row], told: Told) -> dict[str, object]:
    labels = np.array([row.label for row in rows])
    return {
        "rows": len(rows),
        "area": round(area(labels, told.scores), 3),
        "interval": interval(rows, told.scores),
        "accuracy": round(float((told.passes == (labels == 1)).mean()), 3),
        "supported_rejected": round(float((~told.passes)[labels == 1].mean()), 3),
        "unsupported_rejected": round(float((~told.passes)[labels == 0].mean()), 3),
    }


def part(rows: Sequence[Row], told: Told, wanted: Callable[[Row], bool]) -> dict[str, object]:
    chosen = [place for place, row in enumerate(rows) if wanted(row)]
    return summary(
        [rows[place] for place in chosen], Told(told.scores[chosen], told.passes[chosen])
    )


async def by_words(rows: Sequence[Row]) -> Told:
    found = [await LexicalVerifier().verify(row.question, row.answer) for row in rows]
    return gathered(rows, found)


def gathered(rows: Sequence[Row], found: Sequence[Verification]) -> Told:
    passes = [rejection(v, row.answer).kept for v, row in zip(found, rows, strict=True)]
    return Told(np.array([v.score for v in found]), np.array(passes))


async def lexical(data: Path) -> dict[str, object]:
    told: dict[str, object] = {}
    for name in JUDGED:
        rows = judged_rows(data, name)
        began = time.process_time()
        found = await by_words(rows)
        seconds = time.process_time() - began
        told[name] = {
            "all": summary(rows, found),
            "held_out": part(rows, found, lambda row: row.held_out),
            "length_alone": round(
                area([r.label for r in rows], [-float(len(r.answer)) for r in rows]), 3
            ),
            "cpu_seconds_per_thousand": round(1000 * seconds / len(rows), 2),
        }
        if name == "expertqa_claim_support":
            told["within_question"] = within_question(rows, found.scores)
    told["clapnq_answerability"] = answerability(data)
    return told


def asked_rows(data: Path) -> list[Row]:
    """Questions with the label whether their context answers them; the question is the claim."""
    rows = []
    for raw in read_lines(data / "ratings" / "clapnq_answerability.jsonl"):
        question, context = str(raw["question"]), str(raw["context"])
        label = int(str(raw["answerable"]))
        rows.append(Row(str(raw["id"]), question, asked_about(context, ""), question, label))
    return rows


def named_in(row: Row) -> float:
    """The question as if it were a claim: are its words and names the context's?"""
    return lexical_support(row.answer, Passage(row.question.context.text, "", "en")).score


def answerability(data: Path) -> dict[str, object]:
    rows = asked_rows(data)
    found = np.array([named_in(row) for row in rows])
    return {
        "rows": len(rows),
        "area": round(area([row.label for row in rows], found), 3),
        "interval": interval(rows, found),
    }


def within_question(rows: Sequence[Row], scores: Floats) -> dict[str, object]:
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[row.group].append(place)
    wins, pairs, others, labels = 0.0, 0, [], []
    for places in groups.values():
        good = [p for p in places if rows[p].label == 1]
        bad = [p for p in places if rows[p].label == 0]
        differences = scores[good][:, None] - scores[bad][None, :]
        wins += float((differences > 0).sum() + 0.5 * (differences == 0).sum())
        pairs += differences.size
        if len(places) > 1:
            labels += [rows[p].label for p in places]
            others += [(len(good) - rows[p].label) / (len(places) - 1) for p in places]
    return {
        "pairs": pairs,
        "area": round(wins / pairs, 3),
        "area_of_the_judges_other_labels": round(area(labels, others), 3),
    }


def fitted(data: Path) -> dict[str, object]:
    """The logistic regression on the even half of both sets, sets and labels weighing the same."""
    measured, labels, weights = [], [], []
    for name in FITTED_ON:
        rows = [row for row in judged_rows(data, name) if not row.held_out]
        counts = Counter(row.label for row in rows)
        for row in rows:
            passage = Passage(row.question.context.text, row.question.text, "en")
            missing = lexical_support(row.answer, passage).missing
            measured.append(measures(row.answer, passage, missing))
            labels.append(row.label)
            weights.append(1 / counts[row.label])
    scale = len(weights) / sum(weights)
    model = LogisticRegression().fit(measured, labels, [scale * w for w in weights])
    found = dict(zip(MEASURES, model.coef_[0].round(2).tolist(), strict=True))
    return {**found, "constant": round(float(model.intercept_[0]), 2), "rows": len(labels)}


def false_alarms(data: Path) -> dict[str, object]:
    told = {}
    for name in WRITTEN_BY_PEOPLE:
        reasons: Counter[str] = Counter()
        rows = read_lines(data / "dev" / f"{name}.jsonl")
        for raw in rows:
            language = str(raw["lang"])
            question = asked_about(str(raw["context"]), str(raw["question"]), language)
            answer = str(raw["answers"][0])  # type: ignore[index]
            reasons[check_answer(question, answer).reason] += 1
            found = asyncio.run(LexicalVerifier().verify(question, answer))
            reasons[rejection(found, answer).reason] += 1
        del reasons[""]
        shares = {reason: round(n / len(rows), 3) for reason, n in sorted(reasons.items())}
        told[name] = {"answers": len(rows), **shares}
    return told


@dataclass(slots=True)
class Judge:
    """A model that grades every claim of a row, whatever the words say."""

    verifier: ModelVerifier
    unusable: int = 0

    async def graded(self, row: Row) -> float:
        """The worst grade among the claims of a row; 0.5 where the model gave nothing usable."""
        caller, grades = self.verifier.asker.caller, []
        for span in claim_spans(row.answer, "en"):
            try:
                seed = caller.seed_for(row.id, span.start)
                claim = await self.verifier.judge(row.question, row.answer, span, seed)
            except ItemError:
                self.unusable += 1
                grades.append(0.5)
            else:
                grades.append(claim.score)
        return min(grades, default=0.0)


async def by_model(given: argparse.Namespace) -> dict[str, object]:
    overrides: dict[str, object] = {"model.name": given.model, "answers.verify": "off"}
    if given.base_url:
        overrides["model.base_urls"] = (given.base_url,)
    settings, meter = load_settings(given.config, overrides).model, Meter()
    opened = open_models(
        *(settings, MemoryJournal(), 0, _done_now, meter, lambda *_: None),
        *(REQUEST_TOKENS, Budget()),
    )
    told: dict[str, object] = {}
    async with opened as served:
        models = asked_plainly(settings, served)
        judge = Judge(ModelVerifier(_asker(models), Library()))
        for name in JUDGED:
            rows = sample(judged_rows(given.data, name), given.rows)
            told[name] = await _sampled(rows, judge, meter)
        check = AnswerableCheck(_asker(models), Library())
        told["clapnq_answerability"] = await _answered(
            sample(asked_rows(given.data), given.rows), check, meter
        )
    return told


async def _answered(rows: list[Row], check: AnswerableCheck, meter: Meter) -> dict[str, object]:
    unusable, before = 0, (meter.calls, meter.prompt_tokens, meter.completion_tokens)
    began = time.monotonic()

    async def graded(row: Row) -> float:
        nonlocal unusable
        try:
            return (await check.look(row.question.context.text, row.answer, "en")).share
        except ItemError:
            unusable += 1
            return 0.5

    grades = np.array(await asyncio.gather(*(graded(row) for row in rows)))
    words = np.array([named_in(row) for row in rows])
    return {
        "lexical": {
            "area": round(area([row.label for row in rows], words), 3),
            "interval": interval(rows, words),
        },
        "model": summary(rows, Told(grades, grades > 0)),
        "unusable": unusable,
        "per_thousand": _per_thousand(meter, before, len(rows), time.monotonic() - began),
    }


def _per_thousand(
    meter: Meter, before: tuple[int, int, int], n_rows: int, seconds: float
) -> dict[str, int]:
    after = (meter.calls, meter.prompt_tokens, meter.completion_tokens)
    names = ("calls", "prompt_tokens", "completion_tokens")
    spent = (now - then for now, then in zip(after, before, strict=True))
    told = {name: round(1000 / n_rows * n) for name, n in zip(names, spent, strict=True)}
    return {**told, "seconds": round(1000 / n_rows * seconds)}


def sample(rows: list[Row], number: int) -> list[Row]:
    """Always the same ones, of the held-out half."""
    return sorted((r for r in rows if r.held_out), key=lambda r: content_id("sample", r.id))[
        :number
    ]


async def _sampled(rows: list[Row], judge: Judge, meter: Meter) -> dict[str, object]:
    before, unusable = (meter.calls, meter.prompt_tokens, meter.completion_tokens), judge.unusable
    began = time.monotonic()
    grades = np.array(await asyncio.gather(*(judge.graded(row) for row in rows)))
    spent = _per_thousand(meter, before, len(rows), time.monotonic() - began)
    words = await by_words(rows)
    both = np.where(words.passes, 1 + grades, 0) + words.scores / 2
    skipped = sum(_is_free(row) for row in rows)
    return {
        "lexical": summary(rows, words),
        "model": summary(rows, Told(grades, grades == 1)),
        "both": summary(rows, Told(both, words.passes & (grades == 1))),
        "unusable_claims": judge.unusable - unusable,
        "rows_without_a_call_in_a_run": round(
            float((~words.passes).mean()) + skipped / len(rows), 3
        ),
        "per_thousand": spent,
    }


def _is_free(row: Row) -> bool:
    passage = Passage(row.question.context.text, row.question.text, "en")
    spans = claim_spans(row.answer, "en")
    return all(is_verbatim(row.answer[span.start : span.end], passage) for span in spans)


def asked_plainly(settings: ModelSettings, models: Models) -> Models:
    """Of the embedded models, the one that was not tuned to ask; its server takes schemas."""
    if settings.kind != "embedded" or models.embedder is None:
        return models
    return replace(models, generator=models.embedder, schema=True)


def _asker(models: Models) -> Asker:
    return Asker(models.generator, "json" if models.schema else "marked")


async def _done_now(name: str, do: Callable[[], object], *inputs: str) -> str:
    return str(await do())  # type: ignore[misc]


def told_of(given: argparse.Namespace) -> Iterator[tuple[str, object]]:
    yield "lexical", asyncio.run(lexical(given.data))
    yield "false_alarms", false_alarms(given.data)
    if given.fit:
        yield "weights", fitted(given.data)
    if given.model:
        yield given.model, asyncio.run(by_model(given))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--model", default="")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--config", type=Path, help="other settings, as for augcon run")
    print(json.dumps(dict(told_of(parser.parse_args())), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
