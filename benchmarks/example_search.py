"""Do answers get better by the few-shot examples that are chosen for them, and what does it take?

    python -m benchmarks.example_search DATA --model NAME --base-url URL [--config FILE]
    python -m benchmarks.example_search DATA [--model embedded | PATH.gguf]
        [--seeds 5] [--pool 12] [--held-out 12] [--languages en zh] [--shots 4] [--units 120]
        [--trials 8] [--budget 48]

DATA   the folder with `dev/` (see SOURCES.md there): questions that people answered in sentences of
       their own, clapnq_longform (English) and multifieldqa_zh (Chinese)
units  contexts are cut to the sentences around the answer, so many words or characters at most

Each seed draws a pool to choose examples from and as many other texts held out. For every way to
choose (`answers.choose`: none, first, search, nearest, bootstrapped) the held-out questions are
answered with what was chosen from the pool, and each answer is scored against the person's:

grade    the model's own, 1 to 5; the one that the search goes by
rouge    ROUGE-L F1; which no choice but the search's ties looks at
f1       F1 of the tokens, in any order

Prints JSON, for each language: the means over all seeds; `to_first`, the difference to the first
examples as they come on the same questions, with 95 % intervals (bootstrap over seeds, then over
questions of each); what choosing took, for a seed; the share of answers or grades that could not be
had, which count as the worst; and the search's curve for each seed (answers graded, grade of the
best set).

The embedded model is asked here with the ordinary prompts, which are more than it is made for: it
shows that the measurement works and what a very small model makes of examples. It reads English, in
a window of 2,048 tokens: give --shots 2.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.verification import asked_plainly

from augcon.answer import Examples, FixedExamples, NearestExamples
from augcon.answer.grade import UNGRADED, Grader
from augcon.assemble import assemble_generator, readable_languages
from augcon.config import Settings, load_settings
from augcon.corpus import count_units, sentence_spans
from augcon.errors import ItemError, SettingsError
from augcon.llm.budget import Budget
from augcon.llm.call import MemoryJournal, Meter, seed_of
from augcon.llm.models import Models, open_models
from augcon.prepare import Chosen, choose_examples
from augcon.prompts import Library
from augcon.records import Triplet
from augcon.rouge import rouge_l, tokens
from augcon.together import together

SETS = {"en": "clapnq_longform", "zh": "multifieldqa_zh"}
ARMS = ("none", "first", "search", "nearest", "bootstrapped")
BASE = "first"
MEASURES = ("grade", "rouge", "f1")
RESAMPLES = 2000
REQUEST_TOKENS = 8192
SMALL_REPLY = 256  # tokens, of the embedded model
LEAST_HELD = 0.5  # of the answer's tokens, by the sentences that are left of its context

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """One held-out answer; `had` is whether there was an answer with a grade."""

    grade: float
    rouge: float
    f1: float
    had: bool


@dataclass(frozen=True, slots=True)
class Arm:
    """What one way to choose came to: scores by seed, in the order of the held-out questions."""

    scores: Sequence[Sequence[Scored]]
    chosen: Sequence[Chosen]

    def values(self, measure: str) -> list[Floats]:
        return [np.array([getattr(one, measure) for one in seed]) for seed in self.scores]

    def told(self, base: Arm) -> dict[str, object]:
        costs = [one.cost for one in self.chosen]
        curves = [
            [(r.answers, round(r.grade, 3)) for r in one.curve] for one in self.chosen if one.curve
        ]
        return {
            "mean": {m: round(float(np.concatenate(self.values(m)).mean()), 3) for m in MEASURES},
            "to_first": {m: difference(self.values(m), base.values(m)) for m in MEASURES},
            "not_had": round(1 - float(np.concatenate(self.values("had")).mean()), 3),
            "chosen": dict(Counter(one.how for one in self.chosen)),
            "calls": round(sum(c.calls for c in costs) / len(costs), 1),
            "tokens": round(sum(c.tokens for c in costs) / len(costs)),
            **({"curves": curves} if curves else {}),
        }


def difference(values: Sequence[Floats], base: Sequence[Floats]) -> list[float]:
    """The mean difference on the same questions, and its 95 % interval."""
    apart = [ours - theirs for ours, theirs in zip(values, base, strict=True)]
    draw = np.random.default_rng(0)
    means = [
        float(
            np.mean(
                [
                    draw.choice(apart[seed], len(apart[seed])).mean()
                    for seed in draw.integers(len(apart), size=len(apart))
                ]
            )
        )
        for _ in range(RESAMPLES)
    ]
    mean = float(np.mean([one.mean() for one in apart]))
    return [round(x, 3) for x in (mean, *np.quantile(means, (0.025, 0.975)).tolist())]


def token_f1(answer: str, reference: str) -> float:
    said, wanted = Counter(tokens(answer)), Counter(tokens(reference))
    common = (said & wanted).total()
    return 2 * common / max(1, said.total() + wanted.total())


def read_items(data: Path, language: str, units: int) -> list[Triplet]:
    """One annotated item for each text, its context cut to the sentences around the answer."""
    path, items = data / "dev" / f"{SETS[language]}.jsonl", dict[str, Triplet]()
    for line in path.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)
        answer = str(raw["answers"][0]).strip()
        context = cut(raw["context"], raw["question"], answer, language, units)
        if context and raw["context"] not in items:
            items[raw["context"]] = Triplet.of(context, raw["question"].strip(), answer, language)
    return list(items.values())


def cut(context: str, question: str, answer: str, language: str, units: int) -> str:
    """The neighbouring sentences that hold most of the answer, then of the question; "" where too
    little of the answer is in any."""
    spans = sentence_spans(context, language)
    best, most = "", (0.0, 0.0)
    for first in range(len(spans)):
        last = first
        while last + 1 < len(spans) and (
            count_units(context[spans[first].start : spans[last + 1].end]) <= units
        ):
            last += 1
        text = context[spans[first].start : spans[last].end].strip()
        held = rouge_l(text, answer).recall, rouge_l(text, question).recall
        if held > most and count_units(text) <= units:
            best, most = text, held
    return best if most[0] >= LEAST_HELD else ""


@dataclass(frozen=True, slots=True)
class Bench:
    """The models with what does not change between the arms."""

    given: argparse.Namespace
    models: Models
    library: Library

    async def language(self, language: str) -> dict[str, object]:
        items = read_items(self.given.data, language, self.given.units)
        needed = self.given.pool + self.given.held_out
        if len(items) < needed:
            raise SettingsError(f"{SETS[language]}: {len(items)} texts, and {needed} are needed")
        names = [a for a in ARMS if a != "nearest" or self.models.comparer]

        async def one(seed: int) -> list[tuple[Sequence[Scored], Chosen]]:
            drawn = random.Random(seed_of("example_search", language, seed)).sample(items, needed)
            pool, held_out, made = drawn[: self.given.pool], drawn[self.given.pool :], []
            for name in names:
                began = time.monotonic()
                made.append(await self.measure(name, seed, pool, held_out, language))
                say(f"{language}, seed {seed}, {name}: {time.monotonic() - began:.0f} s")
            return made

        seeds = await together(one(seed) for seed in range(self.given.seeds))
        arms = {
            name: Arm(*zip(*of_arm, strict=True))
            for name, of_arm in zip(names, zip(*seeds, strict=True), strict=True)
        }
        return {
            "texts": len(items),
            **{name: arm.told(arms[BASE]) for name, arm in arms.items()},
        }

    async def measure(
        self,
        name: str,
        seed: int,
        pool: Sequence[Triplet],
        held_out: Sequence[Triplet],
        language: str,
    ) -> tuple[Sequence[Scored], Chosen]:
        settings = settings_of(self.given, name, seed)
        chosen = await choose_examples(settings, self.models, self.library, pool, language)
        examples = await self.examples(settings, chosen, pool, language)
        scores = await together(self.score(settings, examples, t, language) for t in held_out)
        return scores, chosen

    async def examples(
        self, settings: Settings, chosen: Chosen, pool: Sequence[Triplet], language: str
    ) -> Examples:
        encoder = self.models.comparer
        if chosen.how == "nearest" and encoder is not None:
            return await NearestExamples.over(encoder, {language: pool}, settings.answers.shots)
        return FixedExamples({language: chosen.examples})

    async def score(
        self, settings: Settings, examples: Examples, item: Triplet, language: str
    ) -> Scored:
        responder = assemble_generator(settings, self.models, self.library, examples)
        grader = Grader(responder.asker, self.library, settings.seed)
        seed = seed_of("held out", settings.seed, item.id)
        try:
            shots = await examples.of(item.context, item.question, language)
            answer = await responder.answer(item.context, item.question, language, shots, seed)
            grade = await grader.grade(item, answer, language)
        except ItemError:
            return Scored(UNGRADED.grade, 0.0, 0.0, False)
        return Scored(grade.grade, grade.agreement, token_f1(answer, item.answer), True)


def settings_of(given: argparse.Namespace, choose: str = BASE, seed: int = 0) -> Settings:
    told: dict[str, object] = {
        "seed": seed,
        "model.name": given.model,
        "answers.choose": choose,
        "answers.shots": given.shots,
        "answers.search_trials": given.trials,
        "answers.search_budget": given.budget,
    }
    if given.base_url:
        told["model.base_urls"] = (given.base_url,)
    if given.model == "embedded":
        told["model.max_tokens"] = SMALL_REPLY
    return load_settings(given.config, told)


async def measured(given: argparse.Namespace) -> dict[str, Any]:
    settings, meter = settings_of(given), Meter()
    readable = readable_languages(settings)
    opened = open_models(
        *(settings.model, MemoryJournal(), 0, _done_now, meter, lambda *_: None),
        *(REQUEST_TOKENS, Budget()),
    )
    began = time.monotonic()
    async with opened as models:
        bench = Bench(given, asked_plainly(settings.model, models), Library())
        told = {
            language: await bench.language(language)
            for language in given.languages
            if readable is None or language in readable
        }
    return {
        "model": given.model,
        **{name: getattr(given, name) for name in ("seeds", "pool", "held_out", "shots", "units")},
        **told,
        "calls": meter.calls,
        "seconds": round(time.monotonic() - began),
    }


async def _done_now(name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
    return await do()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def read_command_line(said: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--config", type=Path, help="other settings, as for augcon run")
    parser.add_argument("--languages", nargs="+", choices=tuple(SETS), default=list(SETS))
    for name, default in (("seeds", 5), ("pool", 12), ("held-out", 12), ("units", 120)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("shots", 4), ("trials", 8), ("budget", 48)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args(said)


def main(said: Sequence[str] | None = None) -> dict[str, Any]:
    told = asyncio.run(measured(read_command_line(said)))
    print(json.dumps(told, indent=1, ensure_ascii=False))
    return told


if __name__ == "__main__":
    main()
