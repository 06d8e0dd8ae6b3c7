"""What stage 3 needs before its first answer: the few-shot examples, of every language.

How they are chosen (`answers.choose`) is a step that is remembered: its output is JSON text in the
run's database, with the examples themselves and the numbers that the report shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from augcon.answer import (
    FEWEST_TO_SEARCH,
    Bootstrap,
    Examples,
    FixedExamples,
    NearestExamples,
    Responder,
    Round,
    Search,
    Trial,
    Tried,
)
from augcon.assemble import (
    NO_NEAREST,
    assemble_checking,
    assemble_generator,
    assemble_small_responder,
    is_embedded,
)
from augcon.audit import audit_examples
from augcon.config import Settings
from augcon.errors import SettingsError
from augcon.llm.budget import Spent
from augcon.llm.call import Caller
from augcon.llm.models import Models, Remember
from augcon.llm.tally import Tally
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.records import Triplet

__all__ = ["Chosen", "choose_examples", "prepare_responder"]

NONE_YET = FixedExamples({})
TOO_FEW = (
    "only {number} annotated, too few to search (it takes {fewest}): {taken} of them are used, "
    "in order"
)
NO_OTHER_SET = (
    "no two sets could be compared, because the annotated examples share their contexts or "
    "questions: the first ones are used"
)
NONE_PASSED = "none of the model's own answers passed: the first annotated ones are used"
ZERO_SHOT = "{why}: answers are asked for without examples (zero-shot)"


@dataclass(frozen=True, slots=True)
class Chosen:
    """How the few-shot examples of a language were chosen, as the step writes it down.

    how        search, first, nearest, bootstrapped or none: what was done
    why        why it was this, where the settings ask for something else or for none; else ""
    annotated  the ids that there were to choose from, in their order
    examples   E_R*; empty for nearest, where each question has its own, and for none
    trials, curve  of a search
    tried      of bootstrapping
    cost       of choosing
    """

    how: str
    annotated: tuple[str, ...]
    examples: tuple[Triplet, ...] = ()
    why: str = ""
    trials: tuple[Trial, ...] = ()
    curve: tuple[Round, ...] = ()
    tried: tuple[Tried, ...] = ()
    cost: Spent = field(default_factory=Spent)


async def prepare_responder(
    settings: Settings,
    models: Models,
    library: Library,
    languages: Collection[str],
    remember: Remember,
    say: Callable[[str], None],
) -> Responder:
    """Stage 3, with few-shot examples for every language of the corpus where the model writes its
    answers.

    say  is told where the examples are not what the settings ask for, and what is wrong with those
         of the user's own
    """
    await audit_examples(settings, models, library, languages, remember, say)
    if is_embedded(settings):
        return assemble_small_responder(settings, models, library)
    annotated = {
        language: library.triplets(language)
        for language in sorted({prompt_language(language) for language in languages})
    }
    fixed: dict[str, Sequence[Triplet]] = {}
    for language, some in annotated.items():
        choose = partial(_remembered, settings, models, library, some, language)
        output = json.loads(await remember(f"examples-{language}", choose))
        if output["why"]:
            say(f"few-shot examples ({language}): {output['why']}")
        fixed[language] = tuple(Triplet(**one) for one in output["examples"])
    examples = await _shown(settings, models, annotated, fixed)
    return assemble_generator(settings, models, library, examples)


async def choose_examples(
    settings: Settings,
    models: Models,
    library: Library,
    annotated: Sequence[Triplet],
    language: str,
) -> Chosen:
    """The few-shot examples of a language among these annotated ones, and what choosing took."""
    tally = Tally(models.generator.journal)
    counted = replace(
        models,
        generator=tally.caller(models.generator),
        embedder=models.embedder and tally.caller(models.embedder),
        encoder=models.encoder and tally.caller(models.encoder),
    )
    chosen = await _chosen(settings, counted, library, annotated, language)
    return replace(chosen, cost=tally.spent)


async def _remembered(
    settings: Settings,
    models: Models,
    library: Library,
    annotated: Sequence[Triplet],
    language: str,
) -> str:
    chosen = await choose_examples(settings, models, library, annotated, language)
    return json.dumps(asdict(chosen), ensure_ascii=False)


async def _shown(
    settings: Settings,
    models: Models,
    annotated: Mapping[str, Sequence[Triplet]],
    fixed: Mapping[str, Sequence[Triplet]],
) -> Examples:
    answers = settings.answers
    if answers.choose != "nearest" or not answers.shown:
        return FixedExamples(fixed)
    return await NearestExamples.over(_encoder(models), annotated, answers.shots)


async def _chosen(
    settings: Settings,
    models: Models,
    library: Library,
    annotated: Sequence[Triplet],
    language: str,
) -> Chosen:
    answers, number = settings.answers, len(annotated)
    if why := _why_none(settings, number):
        return Chosen("none", _ids(annotated), why=ZERO_SHOT.format(why=why))
    first = Chosen("first", _ids(annotated), tuple(annotated[: answers.shots]))
    if answers.choose == "nearest":
        await NearestExamples.over(_encoder(models), {language: annotated}, answers.shots)
        return Chosen("nearest", _ids(annotated))
    if answers.choose == "bootstrapped":
        return await _bootstrapped(settings, models, library, annotated, language)
    if answers.choose == "search" and number < FEWEST_TO_SEARCH:
        taken = "all" if number <= answers.shots else f"the first {answers.shots}"
        why = TOO_FEW.format(number=number, fewest=FEWEST_TO_SEARCH, taken=taken)
        return replace(first, why=why)
    if answers.choose == "search":
        return await _searched(settings, models, library, annotated, language)
    return first


def _why_none(settings: Settings, annotated: int) -> str:
    if settings.answers.choose == "none":
        return 'answers.choose = "none"'
    if settings.answers.shots == 0:
        return "answers.shots = 0"
    return "" if annotated else "no annotated example is in this language"


async def _searched(
    settings: Settings,
    models: Models,
    library: Library,
    annotated: Sequence[Triplet],
    language: str,
) -> Chosen:
    answers, ids = settings.answers, _ids(annotated)
    search = Search(
        assemble_generator(settings, models, library, NONE_YET),
        *(answers.shots, answers.search_trials, answers.search_budget, settings.seed),
    )
    found = await search.run(annotated, language)
    if not found.trials:
        return Chosen("first", ids, tuple(annotated[: answers.shots]), NO_OTHER_SET)
    by_id = {triplet.id: triplet for triplet in annotated}
    best = tuple(by_id[name] for name in found.trials[0].examples)
    return Chosen("search", ids, best, trials=found.trials, curve=found.curve)


async def _bootstrapped(
    settings: Settings,
    models: Models,
    library: Library,
    annotated: Sequence[Triplet],
    language: str,
) -> Chosen:
    answers, ids = settings.answers, _ids(annotated)
    bootstrap = Bootstrap(
        assemble_generator(settings, models, library, NONE_YET),
        assemble_checking(settings, models, library),
        *(answers.shots, answers.search_budget, settings.seed),
    )
    tried = tuple(await bootstrap.run(annotated, language))
    own = tuple(one.example for one in tried if one.example is not None)[: answers.shots]
    if not own:
        first = tuple(annotated[: answers.shots])
        return Chosen("first", ids, first, NONE_PASSED, tried=tried)
    return Chosen("bootstrapped", ids, own, tried=tried)


def _ids(annotated: Sequence[Triplet]) -> tuple[str, ...]:
    return tuple(triplet.id for triplet in annotated)


def _encoder(models: Models) -> Caller:
    encoder = models.encoder or models.embedder
    if encoder is None:
        raise SettingsError(NO_NEAREST)
    return encoder
