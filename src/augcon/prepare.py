"""What stage 3 needs before its first answer: the few-shot examples, of every language.

How they are chosen (`answers.choose`) is a step that is remembered: its output is JSON text in the
run's database, with the examples themselves and the numbers that the report shows.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from augcon.answer import (
    FEWEST_TO_SEARCH,
    Bootstrap,
    Examples,
    FixedExamples,
    GenerateResponder,
    NearestExamples,
    Responder,
    Round,
    Search,
    Trial,
    Tried,
)
from augcon.assemble import (
    assemble_checking,
    assemble_generator,
    assemble_small_responder,
    comparer,
    is_embedded,
)
from augcon.audit import audit_examples
from augcon.config import Settings
from augcon.llm.budget import Spent
from augcon.llm.models import Models, Remember
from augcon.llm.tally import Tally
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.records import Triplet
from augcon.sections import STANDARD

__all__ = ["Chosen", "choose_examples", "prepare_responder"]

TOO_FEW = (
    "only {number} annotated, too few to search (it takes {fewest}): {taken} of them are used, "
    "in order"
)
ALL_SHOWN = "only {number} annotated, no more than are shown: all of them are used, in order"
NO_EXAMPLE = "no annotated example is in this language"
OTHER_ANSWERS = "no annotated example in this language has an answer in that of answers.language"
NO_OTHER_SET = (
    "no two sets could be compared, because the annotated examples share their contexts or "
    "questions: the first ones are used"
)
NONE_PASSED = "none of the model's own answers passed: the first annotated ones are used"
FOLLOWS_NONE = (
    "WARNING: the embedded model follows no principles and is shown no examples: its answers are "
    "sentences of their context"
)
HARDLY_CHECKED = (
    "WARNING: answers are in another language ({wanted}) than their texts ({others}), so that the "
    'words of the two say nothing: only numbers and names are checked. answers.verify = "model" '
    "checks them"
)
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

    say  is told where the examples are not what the settings ask for, what is wrong with those of
         the user's own, and where answers are hardly checked
    """
    if warning := _hardly_checked(settings, languages):
        say(warning)
    await audit_examples(settings, models, library, languages, remember, say)
    if is_embedded(settings):
        if settings.answers.principles != STANDARD or settings.answers.examples is not None:
            say(FOLLOWS_NONE)
        return assemble_small_responder(settings, models, library)
    annotated = {
        language: library.triplets(language)
        for language in sorted({prompt_language(language) for language in languages})
    }
    fixed: dict[str, Sequence[Triplet]] = {}
    for language, some in annotated.items():
        choosing = partial(choose_examples, settings, models, library, some, language)
        output = json.loads(await remember(f"examples-{language}", partial(_as_json, choosing)))
        if output["why"]:
            say(f"few-shot examples ({language}): {output['why']}")
        fixed[language] = tuple(Triplet(**one) for one in output["examples"])
    examples = await _shown(settings, models, annotated, fixed)
    return assemble_generator(settings, models, library, examples)


def _hardly_checked(settings: Settings, languages: Collection[str]) -> str:
    answers = settings.answers
    others = sorted(language for language in languages if language != answers.language)
    if answers.verify != "lexical" or answers.language == "context" or not others:
        return ""
    return HARDLY_CHECKED.format(wanted=answers.language, others=", ".join(others))


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
    chosen = await _Choosing(settings, counted, library, annotated, language).chosen()
    return replace(chosen, cost=tally.spent)


async def _as_json(choosing: Callable[[], Awaitable[Chosen]]) -> str:
    return json.dumps(asdict(await choosing()), ensure_ascii=False)


async def _shown(
    settings: Settings,
    models: Models,
    annotated: Mapping[str, Sequence[Triplet]],
    fixed: Mapping[str, Sequence[Triplet]],
) -> Examples:
    answers = settings.answers
    if not answers.by_meaning:
        return FixedExamples(fixed)
    return await NearestExamples.over(comparer(models), annotated, answers.shots)


@dataclass(frozen=True, slots=True)
class _Choosing:
    """How `answers.choose` is carried out for a language."""

    settings: Settings
    models: Models
    library: Library
    annotated: Sequence[Triplet]
    language: str

    @property
    def first(self) -> Chosen:
        """What is used where nothing better can be told."""
        taken = tuple(self.annotated[: self.settings.answers.shots])
        return Chosen("first", self.ids, taken)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(triplet.id for triplet in self.annotated)

    async def chosen(self) -> Chosen:
        answers = self.settings.answers
        if why := self._why_none():
            return Chosen("none", self.ids, why=ZERO_SHOT.format(why=why))
        if answers.choose == "nearest":
            by_language = {self.language: self.annotated}
            await NearestExamples.over(comparer(self.models), by_language, answers.shots)
            return Chosen("nearest", self.ids)
        if answers.choose == "bootstrapped":
            return await self._bootstrapped()
        if answers.choose == "search":
            return await self._searched()
        return self.first

    def _why_none(self) -> str:
        if self.settings.answers.choose == "none":
            return 'answers.choose = "none"'
        if self.settings.answers.shots == 0:
            return "answers.shots = 0"
        if self.annotated:
            return ""
        any_answer = replace(self.library, answers_in="context")
        return OTHER_ANSWERS if any_answer.triplets(self.language) else NO_EXAMPLE

    async def _searched(self) -> Chosen:
        answers, number = self.settings.answers, len(self.annotated)
        if FEWEST_TO_SEARCH <= number <= answers.shots:
            return replace(self.first, why=ALL_SHOWN.format(number=number))
        if number < FEWEST_TO_SEARCH:
            taken = "all" if number <= answers.shots else f"the first {answers.shots}"
            why = TOO_FEW.format(number=number, fewest=FEWEST_TO_SEARCH, taken=taken)
            return replace(self.first, why=why)
        search = Search(
            self._bare(),
            *(answers.shots, answers.search_trials, answers.search_budget, self.settings.seed),
        )
        found = await search.run(self.annotated, self.language)
        if not found.trials:
            return replace(self.first, why=NO_OTHER_SET)
        by_id = {triplet.id: triplet for triplet in self.annotated}
        best = tuple(by_id[name] for name in found.trials[0].examples)
        return Chosen("search", self.ids, best, trials=found.trials, curve=found.curve)

    async def _bootstrapped(self) -> Chosen:
        answers = self.settings.answers
        bootstrap = Bootstrap(
            self._bare(),
            assemble_checking(self.settings, self.models, self.library),
            *(answers.shots, answers.search_budget, self.settings.seed),
        )
        tried = tuple(await bootstrap.run(self.annotated, self.language))
        own = tuple(one.example for one in tried if one.example is not None)[: answers.shots]
        if not own:
            return replace(self.first, why=NONE_PASSED, tried=tried)
        return Chosen("bootstrapped", self.ids, own, tried=tried)

    def _bare(self) -> GenerateResponder:
        """What answers with the examples that it is given for each question."""
        return assemble_generator(self.settings, self.models, self.library, FixedExamples({}))
