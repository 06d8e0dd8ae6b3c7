"""What stage 3 needs before its first answer: the best few-shot examples, of every language.

The search is a step that is remembered: its output is JSON text in the run's database, with the
numbers that the report shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial

from augcon.answer import FEWEST_TO_SEARCH, GenerateResponder, Responder, Search
from augcon.assemble import assemble_generator, assemble_small_responder, is_embedded
from augcon.audit import audit_examples
from augcon.config import Settings
from augcon.llm.models import Models, Remember
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.records import Triplet

__all__ = ["prepare_responder"]


async def prepare_responder(
    settings: Settings,
    models: Models,
    library: Library,
    languages: Collection[str],
    remember: Remember,
    say: Callable[[str], None] = lambda _line: None,
) -> Responder:
    """Stage 3, with E_R* for every language of the corpus where the model writes its answers.

    say  is told what is wrong with annotated examples of the user's own
    """
    await audit_examples(settings, models, library, languages, remember, say)
    if is_embedded(settings):
        return assemble_small_responder(settings, models, library)
    bare = assemble_generator(settings, models, library, {})
    examples = await _examples(settings, bare, library, languages, remember)
    return assemble_generator(settings, models, library, examples)


async def _examples(
    settings: Settings,
    generator: GenerateResponder,
    library: Library,
    languages: Collection[str],
    remember: Remember,
) -> Mapping[str, Sequence[Triplet]]:
    chosen: dict[str, Sequence[Triplet]] = {}
    for language in sorted({prompt_language(language) for language in languages}):
        annotated = library.triplets(language)
        step = f"examples-{language}"
        output = json.loads(
            await remember(step, partial(_searched, settings, generator, annotated, language))
        )
        by_id = {triplet.id: triplet for triplet in annotated}
        chosen[language] = tuple(by_id[name] for name in output["examples"])
    return chosen


async def _searched(
    settings: Settings, generator: GenerateResponder, annotated: Sequence[Triplet], language: str
) -> str:
    """The examples' ids in order, with every trial of the search, best first."""
    answers = settings.answers
    if len(annotated) < FEWEST_TO_SEARCH or answers.search_trials == 0:
        taken = [triplet.id for triplet in annotated[: answers.shots]]
        why = "search_trials = 0" if answers.search_trials == 0 else f"{len(annotated)} annotated"
        return json.dumps({"examples": taken, "searched": False, "why": why, "trials": []})
    search = Search(
        generator, answers.shots, answers.search_trials, answers.search_items, settings.seed
    )
    trials = await search.run(annotated, language)
    return json.dumps(
        {
            "examples": trials[0].examples,
            "searched": True,
            "why": "",
            "trials": [asdict(trial) for trial in trials],
        }
    )
