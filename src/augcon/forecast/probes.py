"""A few probe calls, asked as a run would ask them, and the rates that they tell.

For each probe a root context is divided, then a short stretch of it, as most nodes of a tree are
short, and the question about the stretch is answered. Two lengths of the same call tell apart
what it takes in any case and what it takes for a unit of text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from augcon.answer import FixedExamples, Responder
from augcon.assemble import (
    assemble_generator,
    assemble_tree,
    demand_comparer,
    library_of,
    principle_tokens,
)
from augcon.config import Settings
from augcon.corpus import count_units, sentence_spans
from augcon.errors import ItemError, ModelError
from augcon.forecast.rates import Rates, Served, Sizes
from augcon.llm.base import Model, Reply, Request, Usage
from augcon.llm.budget import Budget, Spent
from augcon.llm.call import MemoryJournal, Meter
from augcon.llm.models import Models, open_models
from augcon.prompts import Form
from augcon.prompts.library import LANGUAGES, prompt_language
from augcon.records import Context, Question
from augcon.sections import Split
from augcon.together import single_fault
from augcon.tree import Divider

__all__ = ["Probed", "draw_probes", "probe_server"]

STRETCH = 2.0  # λ; a node of the tree is seldom much longer


@dataclass(frozen=True, slots=True)
class Probed:
    """What the server was found to be, and what it took to find out, its abilities included."""

    served: Served
    contexts: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class _Note:
    """One reply: the units of the text it was about, its tokens, and its seconds."""

    units: int
    usage: Usage
    seconds: float


@dataclass(frozen=True, slots=True)
class _Probe:
    """The replies about one root. `part` is None where the root is a short one itself."""

    language: str
    whole: _Note
    part: _Note | None
    answer: _Note
    question_units: int
    tries: float


@dataclass(slots=True)
class _Clocked:
    """A model that notes tokens and seconds of each of its replies."""

    model: Model
    notes: list[tuple[Usage, float]]

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        started = time.monotonic()
        reply = await self.model.ask(request)
        self.notes.append((reply.usage, time.monotonic() - started))
        return reply

    async def close(self) -> None:
        await self.model.close()


@dataclass(slots=True)
class _Asker:
    """The two calls of a run, with what each of them took."""

    divider: Divider
    responder: Responder
    notes: list[tuple[Usage, float]] = field(default_factory=list)
    calls: int = 0

    async def divide(self, node: Context) -> tuple[str, _Note]:
        division = await self.divider.divide(node, 0)
        return division.question, self._noted(node)

    async def answer(self, node: Context, question: str) -> _Note:
        await self.responder.respond(Question.of(node, question, 0))
        return self._noted(node)

    def _noted(self, node: Context) -> _Note:
        self.calls += 1
        return _Note(node.units, *self.notes[-1])


def draw_probes(roots: Iterable[Context], number: int) -> list[Context]:
    """So many roots from all over the corpus, of every prompt language if there are enough.

    By their ids, which are hashes: a random draw that the same corpus always repeats.
    """
    first: dict[str, list[Context]] = {language: [] for language in LANGUAGES}
    for root in roots:
        drawn = first[prompt_language(root.language)]
        drawn.append(root)
        drawn.sort(key=lambda r: r.id)
        del drawn[number:]
    ahead = [drawn[0] for drawn in first.values() if drawn]
    rest = [root for drawn in first.values() for root in drawn[1:]]
    return [*ahead, *sorted(rest, key=lambda r: r.id)][:number]


async def probe_server(settings: Settings, roots: Sequence[Context]) -> Probed:
    """Ask about these roots.

    Raises ModelError where the server cannot be used at all, and SettingsError where it cannot do
    what the settings ask for.
    """
    budget = Budget()
    try:
        async with open_models(
            *(settings.model, MemoryJournal(), settings.seed, _done_now, Meter()),
            *(_silently, 0, budget, principle_tokens(settings)),
        ) as models:
            demand_comparer(settings, models)
            probes = await _probed(settings, models, roots)
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults
    form: Form = "json" if models.schema else "marked"
    rates, embeddings = _rates(settings, probes, form), models.embedder is not None
    served = Served.found(schema=models.schema, embeddings=embeddings, rates=rates)
    return Probed(_timed(served, probes), len(probes), budget.spent)


async def _done_now(name: str, do: Callable[[], Awaitable[str]], *inputs: str) -> str:
    return await do()


def _silently(label: str, done: int, total: int) -> None:
    """A server loads nothing here that could be shown."""


async def _probed(settings: Settings, models: Models, roots: Sequence[Context]) -> list[_Probe]:
    """A root that the model gives nothing usable about is left out, unless it is every one."""
    refused: list[ItemError] = []

    async def one(root: Context) -> _Probe | None:
        try:
            return await _asked_about(root, _asker(settings, models), settings.tree.min_units)
        except ItemError as error:
            refused.append(error)
            return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(root)) for root in roots]
    probes = [probe for task in tasks if (probe := task.result()) is not None]
    if refused and not probes:
        raise ModelError(f"no probe could be used: {refused[0]}. `--probes 0` asks nothing")
    return probes


def _asker(settings: Settings, models: Models) -> _Asker:
    """One for each probe, so that its last note is that of its last call."""
    notes: list[tuple[Usage, float]] = []
    generator = models.generator
    clocked = replace(
        generator,
        model=_Clocked(generator.model, notes),
        others=[_Clocked(model, notes) for model in generator.others],
    )
    models, library = replace(models, generator=clocked), library_of(settings)
    # A mended sentence would be noted in place of the division; its calls are assumed.
    plain = settings.tree.model_copy(update={"decontextualise": False})
    settings = settings.model_copy(update={"tree": plain})
    shown = {lang: library.triplets(lang)[: settings.answers.shown] for lang in LANGUAGES}
    return _Asker(
        assemble_tree(settings, models, library).divider,
        assemble_generator(settings, models, library, FixedExamples(shown)),
        notes,
    )


async def _asked_about(root: Context, ask: _Asker, min_units: int) -> _Probe:
    node, part = root, None
    question, whole = await ask.divide(root)
    if (stretch := _stretch(root, round(STRETCH * min_units))) is not None:
        question, part = await ask.divide(node := stretch)
    answer = await ask.answer(node, question)
    language = prompt_language(root.language)
    tries = len(ask.notes) / ask.calls
    return _Probe(language, whole, part, answer, count_units(question), tries)


def _stretch(root: Context, units: int) -> Context | None:
    """The first sentences of a root that hold so many units; None where they are half of it."""
    for span in sentence_spans(root.text, root.language):
        text = root.text[: span.end].strip()
        if (held := count_units(text)) >= units:
            is_short = 2 * held <= root.units
            return root.child(text, held, root.start, root.start + span.end) if is_short else None
    return None


def _rates(settings: Settings, probes: Sequence[_Probe], form: Form) -> Mapping[str, Rates]:
    by_language: dict[str, list[_Probe]] = {}
    for probe in probes:
        by_language.setdefault(probe.language, []).append(probe)
    library = library_of(settings)
    return {
        language: _learned(
            some, Sizes.of(settings, library, language, form), language, settings.split
        )
        for language, some in by_language.items()
    }


def _learned(
    probes: Sequence[_Probe], sizes: Sizes, language: str, split: Split = "rewrite"
) -> Rates:
    """A line through each call's tokens by the units of its text."""
    assumed = Rates.assumed(language, split)
    context = _slope(probes, lambda n: n.usage.prompt_tokens, _units) or assumed.context
    parts = _slope(probes, lambda n: n.usage.completion_tokens, _units) or assumed.parts
    shorter = [probe.part or probe.whole for probe in probes]
    around = _mean(n.usage.prompt_tokens - context * n.units for n in shorter)
    return Rates(
        context=context,
        ours=max(0.0, around) / sizes.tree,
        divided=max(0.0, _mean(n.usage.completion_tokens - parts * n.units for n in shorter)),
        parts=parts,
        question=context * _mean(probe.question_units for probe in probes),
        answer=_mean(probe.answer.usage.completion_tokens for probe in probes),
    )


def _timed(served: Served, probes: Sequence[_Probe]) -> Served:
    """Seconds of a call by what it writes: a line again, or all of it for what is written."""
    if not probes:
        return served
    tries = _mean(probe.tries for probe in probes)
    notes = [n for p in probes for n in (p.whole, p.part, p.answer) if n is not None]
    a_token = _slope(probes, lambda n: n.seconds, lambda n: n.usage.completion_tokens)
    written = max(1, sum(n.usage.completion_tokens for n in notes))
    a_token = a_token or sum(n.seconds for n in notes) / written
    beside = _mean(n.seconds - a_token * n.usage.completion_tokens for n in notes)
    return replace(
        served,
        tries=tries,
        call_seconds=max(0.0, beside),
        tokens_per_second=1 / max(a_token, 1e-9),
    )


def _units(note: _Note) -> float:
    return note.units


def _slope(
    probes: Sequence[_Probe], y: Callable[[_Note], float], x: Callable[[_Note], float]
) -> float:
    """From the short stretches to the whole roots; 0 where it does not rise."""
    both = [(probe.whole, probe.part) for probe in probes if probe.part is not None]
    run = sum(x(whole) - x(part) for whole, part in both)
    rise = sum(y(whole) - y(part) for whole, part in both)
    return rise / run if run > 0 and rise > 0 else 0.0


def _mean(numbers: Iterable[float]) -> float:
    known = list(numbers)
    return sum(known) / len(known)
