"""Which strategy of each stage a run uses, by its settings and its model.

This is the one place that knows that the embedded model has ways of its own; the stages know
only their own interface, and the pipeline knows none of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from augcon.answer import (
    Checking,
    GenerateResponder,
    LexicalVerifier,
    ModelVerifier,
    Responder,
    Verifier,
)
from augcon.config import Settings
from augcon.corpus import count_units, sentence_spans
from augcon.errors import SettingsError
from augcon.llm.base import Sampling
from augcon.llm.models import Models
from augcon.prompts import Asker, Exchange, Library
from augcon.prompts.library import LANGUAGES
from augcon.prompts.size import prompt_tokens, tokens_per_unit
from augcon.records import Triplet
from augcon.tree import Divider, RewriteDivider, Tree

__all__ = [
    "EXAMPLE_UNITS",
    "assemble_checking",
    "assemble_generator",
    "assemble_small_responder",
    "assemble_tree",
    "is_embedded",
    "library_of",
    "longest_request",
    "readable_languages",
]

READ_BY_EMBEDDED = frozenset({"en"})
PAPER_TEMPERATURE = 0.85  # of questions, as in the released code
EXAMPLE_UNITS = 150  # of an annotated example
TOKENIZER_MARGIN = 1.5
SMALL_TEMPERATURE = 0.5  # of the embedded model's, which drift at a higher one


def library_of(settings: Settings) -> Library:
    """The prompt files that the settings name."""
    answers = settings.answers
    return Library(settings.prompts, answers.principles, answers.examples)


def is_embedded(settings: Settings) -> bool:
    """Whether the model is the embedded one, which is too small for the ordinary strategies."""
    return settings.model.kind == "embedded"


def readable_languages(settings: Settings) -> frozenset[str] | None:
    """The languages that the run's strategies can read; None for every language."""
    return READ_BY_EMBEDDED if is_embedded(settings) else None


def assemble_tree(settings: Settings, models: Models, library: Library) -> Tree:
    """Stage 1."""
    return Tree(
        _divider(settings, models, library), settings.tree.min_units, settings.tree.child_precision
    )


def _divider(settings: Settings, models: Models, library: Library) -> Divider:
    temperature = settings.tree.temperature
    if is_embedded(settings) and models.embedder is not None and models.encoder is not None:
        from augcon.tree.boundary import BoundaryDivider
        from augcon.tree.questions import QuestionWriter

        questions = QuestionWriter(
            models.generator,
            models.embedder,
            models.encoder,
            sentence_spans,
            Exchange.of(library),
            library.prompt("small_question", "en"),
            temperature=SMALL_TEMPERATURE if temperature is None else temperature,
        )
        return BoundaryDivider(models.embedder, models.encoder, sentence_spans, questions)
    sampling = Sampling(
        PAPER_TEMPERATURE if temperature is None else temperature,
        max_tokens=settings.model.max_tokens,
    )
    return RewriteDivider(_asker(settings, models), library, sampling)


def assemble_generator(
    settings: Settings,
    models: Models,
    library: Library,
    examples: Mapping[str, Sequence[Triplet]],
) -> GenerateResponder:
    """Stage 3 by a model that writes, with these few-shot examples by language."""
    sampling = Sampling(settings.answers.temperature, max_tokens=settings.model.max_tokens)
    return GenerateResponder(_asker(settings, models), library, examples, sampling)


def assemble_small_responder(settings: Settings, models: Models, library: Library) -> Responder:
    """Stage 3 by the embedded model."""
    from augcon.answer.tuned import TunedResponder
    from augcon.answer.window import WindowResponder

    if models.encoder is None:
        raise SettingsError("the embedded model's answers need its encoder")
    if settings.answers.embedded == "window":
        return WindowResponder(models.encoder, sentence_spans)
    return TunedResponder(models.generator, models.encoder, sentence_spans, Exchange.of(library))


def assemble_checking(settings: Settings, models: Models, library: Library) -> Checking:
    """What stage 3's answers have to pass."""
    verifier: Verifier | None = None
    if settings.answers.verify == "lexical":
        verifier = LexicalVerifier()
    elif settings.answers.verify == "model":
        verifier = ModelVerifier(_asker(settings, models), library)
    return Checking(verifier, settings.answers.mention_source)


def longest_request(settings: Settings) -> int:
    """About the tokens of the longest prompt with its reply, with room for a wasteful tokenizer."""
    library = library_of(settings)
    longest = 0.0
    for language in LANGUAGES:
        context = settings.tree.max_units * tokens_per_unit(language)
        tree = prompt_tokens(library.prompt("tree", language))
        answer = library.prompt("answer", language)
        answer = answer.filled(principles=library.principles(language))
        shown = sorted(
            (count_units(t.context + t.question + t.answer) for t in library.triplets(language)),
            reverse=True,
        )
        shots = sum(shown[: settings.answers.shots]) * tokens_per_unit(language)
        longest = max(longest, tree + context, prompt_tokens(answer) + shots + context)
        for name in ("revise", "verify"):  # with an answer as long as its context
            longest = max(longest, prompt_tokens(library.prompt(name, language)) + 2 * context)
    return math.ceil(TOKENIZER_MARGIN * longest / 256) * 256 + settings.model.max_tokens


def _asker(settings: Settings, models: Models) -> Asker:
    return Asker(models.generator, "json" if models.schema else "marked", settings.model.endpoint)
