"""The whole program on one page: from a corpus to a dataset.

    documents → root contexts → (scorer, examples) → augment every context → dataset

`augment` tells what happens to one context, `fitting` and `prepare` what comes before the first,
`assemble` which strategies a run uses. The store remembers, so that a run that was stopped anywhere
goes on from there.
"""

from __future__ import annotations

import asyncio
import time

from augcon.admission import cut_id, cut_roots
from augcon.answer import Responder
from augcon.assemble import (
    assemble_checking,
    assemble_classifier,
    assemble_tree,
    assemble_unknown,
    demand_comparer,
    library_of,
    longest_request,
    principle_tokens,
)
from augcon.augment import Stages, augment
from augcon.config import Settings
from augcon.corpus import Corpus
from augcon.engine import each
from augcon.errors import BudgetSpentError
from augcon.export import write_dataset, write_examples
from augcon.fitting import choose_pilot, prepare_scorer
from augcon.forecast import ASSUMED, Served, expect
from augcon.llm.budget import Budget, Spent
from augcon.llm.models import Models, open_models
from augcon.prepare import prepare_responder
from augcon.records import Augmented, Context, failed
from augcon.report import write_report
from augcon.scorer import Scorer
from augcon.scorers import scorer_id
from augcon.select import choose_unknown, find_repeats, most_unknown
from augcon.store import Run
from augcon.store.database import store_errors
from augcon.together import single_fault
from augcon.watch import Watch

__all__ = ["generate", "open_books"]


async def generate(corpus: Corpus, settings: Settings, run: Run, watch: Watch) -> None:
    """Bring the run to its end. What is finished is not done again.

    Raises RunError where it cannot go on; everything that was done is kept.
    """
    started = time.monotonic()
    open_books(corpus, settings, run)
    watch.contexts = run.ledger.count_roots()
    try:
        if next(run.ledger.pending(), None) is not None or run.ledger.may_go_well():
            if run.ledger.fact("forecast") is None:
                _expect(settings, run, watch, ASSUMED)
            watch.budget = _budget(settings, run)
            watch.calls_before = watch.budget.spent.calls
            _demand_agreement(watch.budget, run, watch)
            await _with_models(settings, run, watch, watch.budget)
    except ExceptionGroup as faults:
        fault = single_fault(faults)
        if isinstance(fault, BudgetSpentError):  # what was paid for can be used
            _write_out(run, settings)
            raise BudgetSpentError(f"{fault} {_so_far(run)}") from faults
        raise fault from faults
    finally:
        run.ledger.add_to_fact("seconds", time.monotonic() - started)
        run.ledger.add_to_fact("calls_replayed", watch.meter.replayed)
        run.ledger.add_counts("models", watch.meter.models)
        run.ledger.add_counts("asked", watch.meter.asked)
    run.ledger.set_fact("finished", "yes")
    _write_out(run, settings)


def _so_far(run: Run) -> str:
    books = run.books()
    contexts = books.stages["contexts"]
    told = f"{contexts.kept} of {contexts.kept + contexts.pending} root contexts are finished"
    return f"{told}; their {books.pairs} pairs are written."


def _write_out(run: Run, settings: Settings) -> None:
    run.database.settle()  # a context may have been finished as the run was stopped
    ledger, similarity = run.ledger, settings.selection.similarity
    across = settings.selection.across == "corpus"
    ledger.reject_repeats(find_repeats(ledger.asked(), similarity) if across else [])
    most = most_unknown(ledger.count_answered(), settings.answers.unknown_share)
    unanswered = list(ledger.unanswered()) if most else []
    ledger.keep_unknown(choose_unknown(unanswered, ledger.asked(), similarity, most, settings.seed))
    write_dataset(run.ledger.pairs(), run.folder / "dataset" / "train.jsonl")
    write_report(run)


async def _with_models(settings: Settings, run: Run, watch: Watch, budget: Budget) -> None:
    watch.step = "starting or reaching the model"
    async with (
        open_models(
            settings.model,
            run.journal,
            settings.seed,
            run.remember,
            watch.meter,
            watch.download,
            longest_request(settings),
            budget,
            principle_tokens(settings),
        ) as models,
        asyncio.TaskGroup() as group,
    ):
        watch.model_ready, watch.places = time.monotonic(), models.generator.places
        run.ledger.reopen_failed()
        found = Served.found(schema=models.schema, embeddings=models.embedder is not None)
        _expect(settings, run, watch, found)
        stages = _prepared(settings, models, run, watch, group)
        if not models.ahead:
            await asyncio.wait([stages.scorer])
        await _augment_all(stages, run, watch, models)


def _prepared(
    settings: Settings, models: Models, run: Run, watch: Watch, group: asyncio.TaskGroup
) -> Stages:
    """The stages; scorer and responder are in the making, and the first trees need neither."""
    demand_comparer(settings, models)
    library = library_of(settings)
    tree = assemble_tree(settings, models, library)
    pilot = choose_pilot(settings, models, run.ledger.roots())
    run.ledger.reopen_unless(scorer_id(settings, pilot))
    watch.step = "fitting the scorer on a pilot" if pilot else "setting up the scorer"

    async def make_scorer() -> Scorer:
        folder = run.folder / "scorer"
        with store_errors(folder):
            made = await prepare_scorer(
                settings, models, library, tree, pilot, run.remember, folder
            )
        if warning := run.books().warning:
            watch.say(f"WARNING: {warning}")
        watch.go_on_to("questions and answers")
        return made

    async def make_responder() -> Responder:
        languages = run.ledger.languages()
        made = await prepare_responder(
            settings, models, library, languages, run.remember, watch.say
        )
        write_examples(run.ledger.steps(), run.folder / "examples")
        return made

    scorer = group.create_task(make_scorer())
    responder = group.create_task(make_responder())
    checking = assemble_checking(settings, models, library)
    classifier = assemble_classifier(settings, models, library)
    unknown = assemble_unknown(settings, models, library)
    selection, passes = settings.selection, settings.tree.max_passes
    return Stages(tree, scorer, responder, checking, selection, passes, classifier, unknown)


def _expect(settings: Settings, run: Run, watch: Watch, served: Served) -> None:
    """Write down what all of the run should ask, before it asks."""
    watch.forecast = expect(run.ledger.roots(), settings, served)
    run.ledger.expect(watch.forecast)


def _demand_agreement(budget: Budget, run: Run, watch: Watch) -> None:
    if budget.prices is None or budget.bounded:
        return
    outlook = run.books(budget.prices).forecast
    if outlook is not None:
        watch.agree(outlook.expected.beyond(outlook.so_far))


def _budget(settings: Settings, run: Run) -> Budget:
    """What is left of it, after all that earlier starts of the run have spent."""
    allowed, before = settings.budget, run.journal.totals()
    spent = Spent(before.calls, before.prompt_tokens, before.completion_tokens)
    return Budget(allowed.calls, allowed.tokens, allowed.cost, settings.model.prices, spent)


async def _augment_all(stages: Stages, run: Run, watch: Watch, models: Models) -> None:
    async def work(item: tuple[Context, int]) -> None:
        await finish(await augment(*item, stages))

    async def give_up(item: tuple[Context, int], error: Exception) -> None:
        verdict = failed("unexpected_error", f"{type(error).__name__}: {error}")
        await finish(Augmented(*item, 0, verdict=verdict))

    async def finish(result: Augmented) -> None:
        await run.ledger.finish_context(result)
        watch.contexts_done += 1
        watch.done_here += 1
        watch.questions += sum(q.verdict.kept for q in result.questions)
        watch.pairs += sum(a.verdict.kept for a in result.answers)
        watch.finished.add(result)

    books = run.books()
    so_far, watch.finished = books.stages, books.finished
    watch.contexts_done = watch.contexts - so_far["contexts"].pending
    watch.questions, watch.pairs = so_far["questions"].kept, so_far["answers"].kept
    watch.augmenting_since = time.monotonic()
    room = models.generator.places.room
    await each(run.ledger.pending(), work, give_up, models.contexts_at_once, room)


def open_books(corpus: Corpus, settings: Settings, run: Run) -> None:
    """Cut the corpus into root contexts and write down which of them are to be worked on."""
    run.ledger.open_books(cut_roots(corpus, settings), corpus.rejected, cut_id(corpus, settings))
