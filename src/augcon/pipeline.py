"""The whole program on one page: from a corpus to a dataset.

    documents → root contexts → (scorer, examples) → augment every context → dataset

`augment` tells what happens to one context, `prepare` what comes before the first, `assemble`
which strategies a run uses. The store remembers, so that a run that was stopped anywhere goes on
from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from augcon.admission import cut_roots
from augcon.assemble import assemble_tree, library_of, longest_request
from augcon.augment import Stages, augment
from augcon.config import Settings
from augcon.corpus import Corpus
from augcon.engine import each
from augcon.export import write_dataset
from augcon.llm.call import Meter
from augcon.llm.models import Models, open_models
from augcon.prepare import prepare_responder, prepare_scorer
from augcon.records import Augmented, Context, failed
from augcon.report import write_report
from augcon.store import Run
from augcon.together import single_fault

__all__ = ["Watch", "generate", "open_books"]


@dataclass(slots=True)
class Watch:
    """What is going on, for whoever shows it; `stop` cancels it, from any thread."""

    meter: Meter = field(default_factory=Meter)
    step: str = ""
    contexts: int = 0
    contexts_done: int = 0
    done_here: int = 0
    model_ready: float = 0.0  # on the monotonic clock, as is the next
    augmenting_since: float = 0.0
    questions: int = 0
    pairs: int = 0
    download: Callable[[str, int, int], None] = lambda _label, _done, _total: None
    say: Callable[[str], None] = lambda _line: None
    stop: Callable[[], object] | None = None  # set while there is something to stop


async def generate(corpus: Corpus, settings: Settings, run: Run, watch: Watch) -> None:
    """Bring the run to its end. What is finished is not done again.

    Raises RunError where it cannot go on; everything that was done is kept.
    """
    started = time.monotonic()
    open_books(corpus, settings, run)
    watch.contexts = sum(1 for _ in run.ledger.roots())
    try:
        if next(run.ledger.pending(), None) is not None:
            await _with_models(settings, run, watch)
    except ExceptionGroup as faults:
        raise single_fault(faults) from faults
    finally:
        run.ledger.add_to_fact("seconds", time.monotonic() - started)
        run.ledger.add_to_fact("calls_replayed", watch.meter.replayed)
    write_dataset(run.ledger.pairs(), run.folder / "dataset" / "train.jsonl")
    run.ledger.set_fact("finished", "yes")
    write_report(run)


async def _with_models(settings: Settings, run: Run, watch: Watch) -> None:
    watch.step = "starting or reaching the model"
    async with open_models(
        settings.model,
        run.journal,
        settings.seed,
        run.remember,
        watch.meter,
        watch.download,
        longest_request(settings),
    ) as models:
        watch.model_ready = time.monotonic()
        stages = await _prepared(settings, models, run, watch)
        watch.step = "questions and answers"
        await _augment_all(stages, run, watch, models.contexts_at_once)


async def _prepared(settings: Settings, models: Models, run: Run, watch: Watch) -> Stages:
    library = library_of(settings)
    roots = list(run.ledger.roots())
    tree = assemble_tree(settings, models, library)
    watch.step = "fitting the scorer on a pilot"
    scorer, scorer_id = await prepare_scorer(settings, models, tree, roots, run.remember)
    run.ledger.reopen_unless(scorer_id)
    watch.step = "choosing examples for the answers"
    responder = await prepare_responder(settings, models, library, roots, run.remember)
    return Stages(tree, scorer, responder, settings.selection, settings.tree.max_passes)


async def _augment_all(stages: Stages, run: Run, watch: Watch, width: int) -> None:
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

    pending = list(run.ledger.pending())
    watch.contexts_done = watch.contexts - len(pending)
    so_far = run.books().stages
    watch.questions, watch.pairs = so_far["questions"].kept, so_far["answers"].kept
    watch.augmenting_since = time.monotonic()
    await each(pending, work, give_up, width)


def open_books(corpus: Corpus, settings: Settings, run: Run) -> None:
    """Cut the corpus into root contexts and write down which of them are to be worked on."""
    cut = cut_roots(corpus, settings)
    run.ledger.open_books(
        [(document, len(roots)) for document, roots in cut],
        corpus.rejected,
        [(root.context, root.quota, root.verdict) for _, roots in cut for root in roots],
    )
