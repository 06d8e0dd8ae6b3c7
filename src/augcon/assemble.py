"""Which strategy of each stage a run uses, by its settings and its model.

This is the one place that knows that the embedded model has ways of its own; the stages know
only their own interface, and the pipeline knows none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from augcon.answer import GenerateResponder, Responder
from augcon.config import EMBEDDED, Settings
from augcon.corpus import sentence_spans
from augcon.errors import SettingsError
from augcon.llm.base import Sampling
from augcon.llm.models import Models
from augcon.prompts import Asker, Library
from augcon.records import Triplet
from augcon.tree import Divider, RewriteDivider, Tree

__all__ = [
    "assemble_generator",
    "assemble_tree",
    "assemble_window",
    "is_embedded",
    "library_of",
    "readable_languages",
]

READ_BY_EMBEDDED = frozenset({"en"})
PAPER_TEMPERATURE = 0.85  # of questions, as in the released code
SMALL_TEMPERATURE = 0.5  # of the embedded model's, which drift at a higher one


def library_of(settings: Settings) -> Library:
    """The prompt files that the settings name."""
    answers = settings.answers
    return Library(settings.prompts, answers.principles, answers.examples)


def is_embedded(settings: Settings) -> bool:
    """Whether the model is the embedded one, which is too small for the ordinary strategies."""
    return settings.model.name == EMBEDDED


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

        prompt = library.prompt("small_question", "en")
        return BoundaryDivider(
            models.generator,
            models.embedder,
            models.encoder,
            sentence_spans,
            prompt,
            temperature=SMALL_TEMPERATURE if temperature is None else temperature,
        )
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


def assemble_window(models: Models) -> Responder:
    """Stage 3 by choosing sentences of the context."""
    from augcon.answer.window import WindowResponder

    if models.encoder is None:
        raise SettingsError("answers.method: 'window' needs the embedded model's encoder")
    return WindowResponder(models.encoder, sentence_spans)


def _asker(settings: Settings, models: Models) -> Asker:
    return Asker(models.generator, "json" if models.schema else "marked", settings.model.endpoint)
