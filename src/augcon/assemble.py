"""Which strategy of each stage a run uses, by its settings and its model.

This is the one place that knows that the embedded model has ways of its own; the stages know
only their own interface, and the pipeline knows none of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from augcon.answer import (
    AnswerableCheck,
    Checking,
    Examples,
    GenerateResponder,
    LexicalVerifier,
    ModelVerifier,
    Responder,
    Terms,
    Unanswered,
    UnknownReplies,
    Verifier,
)
from augcon.config import Settings
from augcon.corpus import count_units, sentence_spans
from augcon.errors import SettingsError
from augcon.llm.base import Sampling
from augcon.llm.call import Caller
from augcon.llm.models import Models
from augcon.prompts import Asker, Exchange, Library, Prompt
from augcon.prompts.library import LANGUAGES
from augcon.prompts.size import prompt_tokens, tokens_per_unit
from augcon.scorer import JudgeScorer
from augcon.sections import Split
from augcon.select import Classifier
from augcon.tree import Divider, QuestionCheck, RewriteDivider, Tree
from augcon.tree.decontextualise import DecontextualisingDivider
from augcon.tree.numbered import AssignDivider, CutDivider
from augcon.tree.prompted import PromptedDivider, PromptedQuestions
from augcon.tree.split import ComputedDivider, Questions, Splitter

__all__ = [
    "EXAMPLE_UNITS",
    "NO_EMBEDDINGS",
    "NO_NEAREST",
    "PROMPTED",
    "assemble_asker",
    "assemble_checking",
    "assemble_classifier",
    "assemble_generator",
    "assemble_judge",
    "assemble_small_responder",
    "assemble_terms",
    "assemble_tree",
    "assemble_unknown",
    "comparer",
    "demand_comparer",
    "is_embedded",
    "library_of",
    "longest_request",
    "principle_tokens",
    "readable_languages",
    "tree_prompt",
]

READ_BY_EMBEDDED = frozenset({"en"})
PAPER_TEMPERATURE = 0.85  # of questions, as in the released code
EXAMPLE_UNITS = 150  # of an annotated example
TOKENIZER_MARGIN = 1.5
SMALL_TEMPERATURE = 0.5  # of the embedded model's, which drift at a higher one
PROMPTED: Mapping[Split, type[PromptedDivider]] = {
    "rewrite": RewriteDivider,
    "boundary": CutDivider,
    "assign": AssignDivider,
}
NO_EMBEDDINGS = (
    'tree.split = "semantic" needs embeddings, and the server serves none: name a model that it '
    "does serve them of as model.embeddings, or choose another tree.split"
)
NO_NEAREST = (
    'answers.choose = "nearest" needs embeddings, and the server serves none: name a model that it '
    "does serve them of as model.embeddings, or choose another answers.choose"
)


def demand_comparer(settings: Settings, models: Models) -> None:
    """Raise SettingsError where examples are to be compared by meaning, and nothing can."""
    if settings.answers.by_meaning:
        comparer(models)


def comparer(models: Models) -> Caller:
    """What embeds the examples. Raises SettingsError where nothing can."""
    if models.comparer is None:
        raise SettingsError(NO_NEAREST)
    return models.comparer


def library_of(settings: Settings) -> Library:
    """The prompt files that the settings name."""
    answers = settings.answers
    return Library(settings.prompts, answers.principles, answers.examples, answers.language)


def is_embedded(settings: Settings) -> bool:
    """Whether the model is the embedded one, which is too small for the ordinary strategies."""
    return settings.model.kind == "embedded"


def readable_languages(settings: Settings) -> frozenset[str] | None:
    """The languages that the run's strategies can read; None for every language."""
    return READ_BY_EMBEDDED if is_embedded(settings) else None


def assemble_tree(settings: Settings, models: Models, library: Library) -> Tree:
    """Stage 1."""
    return Tree(
        _divider(settings, models, library),
        settings.tree.min_units,
        settings.tree.child_precision,
        QuestionCheck.of(library),
    )


def tree_prompt(settings: Settings, library: Library, language: str) -> Prompt:
    """What a model that writes is asked at a node; the question alone, where parts are computed."""
    prompted = PROMPTED.get(settings.split)
    name = prompted.prompt_name if prompted else PromptedQuestions.prompt_name
    prompt = library.prompt(name, language)
    return prompt if prompted else prompt.only("question")


def _divider(settings: Settings, models: Models, library: Library) -> Divider:
    """Question and parts in one call where the model is asked for both; else each by its own."""
    split = settings.split
    if is_embedded(settings):
        return ComputedDivider(
            _small_questions(settings, models, library),
            _splitter(settings, models),
            READ_BY_EMBEDDED,
        )
    temperature = settings.tree.temperature
    asker, max_tokens = assemble_asker(settings, models), settings.model.max_tokens
    sampling = Sampling(
        PAPER_TEMPERATURE if temperature is None else temperature, max_tokens=max_tokens
    )
    divider: Divider
    if (prompted := PROMPTED.get(split)) is not None:
        divider = prompted(asker, library, sampling)
    else:
        questions = PromptedQuestions(asker, library, sampling)
        divider = ComputedDivider(questions, _splitter(settings, models))
    if not settings.tree.decontextualise:
        return divider
    greedy = Sampling(max_tokens=max_tokens)
    return DecontextualisingDivider(divider, asker, library, greedy, settings.tree.min_units)


def _small_questions(settings: Settings, models: Models, library: Library) -> Questions:
    """The embedded model's."""
    from augcon.tree.questions import QuestionWriter

    if models.embedder is None or models.encoder is None:
        raise SettingsError("the embedded model's questions need its reader and its encoder")
    temperature = settings.tree.temperature
    return QuestionWriter(
        models.generator,
        models.embedder,
        models.encoder,
        sentence_spans,
        Exchange.of(library),
        library.prompt("small_question", "en"),
        temperature=SMALL_TEMPERATURE if temperature is None else temperature,
    )


def _splitter(settings: Settings, models: Models) -> Splitter:
    """Who computes the parts, where no prompted call tells them."""
    from augcon.tree.boundary import BoundarySplitter
    from augcon.tree.splitters import MiddleSplitter, RecursiveSplitter, SemanticSplitter

    split = settings.split
    if split == "middle":
        return MiddleSplitter()
    if split == "recursive":
        return RecursiveSplitter()
    encoder = models.comparer
    if encoder is None:
        raise SettingsError(NO_EMBEDDINGS)
    if split == "boundary" and models.embedder is not None:
        return BoundarySplitter(models.embedder, encoder, sentence_spans)
    return SemanticSplitter(encoder)


def assemble_classifier(settings: Settings, models: Models, library: Library) -> Classifier | None:
    """What says the granularity of questions; None where their nodes tell it."""
    if settings.selection.granularity == "span":
        return None
    sampling = Sampling(temperature=0.0, max_tokens=settings.model.max_tokens)
    return Classifier(assemble_asker(settings, models), library, sampling)


def assemble_generator(
    settings: Settings, models: Models, library: Library, examples: Examples
) -> GenerateResponder:
    """Stage 3 by a model that writes, with these few-shot examples."""
    sampling = Sampling(settings.answers.temperature, max_tokens=settings.model.max_tokens)
    return GenerateResponder(
        assemble_asker(settings, models),
        library,
        examples,
        sampling,
        sample_temperature=settings.answers.sample_temperature,
    )


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
    terms = assemble_terms(settings, library)
    verifier: Verifier | None = None
    unanswered = Unanswered()
    if settings.answers.verify == "lexical":
        verifier = LexicalVerifier(terms)
    elif settings.answers.verify == "model":
        verifier = ModelVerifier(assemble_asker(settings, models), library, terms)
        unanswered = Unanswered(AnswerableCheck(assemble_asker(settings, models), library))
    return Checking(
        *(verifier, settings.answers.mention_source, settings.answers.samples, unanswered, terms)
    )


def assemble_unknown(settings: Settings, models: Models, library: Library) -> UnknownReplies | None:
    """What replies to questions that no context answers; None where no such pair is wanted."""
    if not settings.answers.unknown_share:
        return None
    asker = assemble_asker(settings, models)
    sampling = Sampling(settings.answers.temperature, max_tokens=settings.model.max_tokens)
    check = AnswerableCheck(asker, library)
    terms = assemble_terms(settings, library)
    return UnknownReplies(
        *(check, asker, library, sampling, settings.answers.mention_source, terms)
    )


def assemble_terms(settings: Settings, library: Library) -> Terms:
    """What the settings ask of every answer. The embedded model is told no principles."""
    if is_embedded(settings):
        return Terms()
    principles = {language: library.principles(language) for language in LANGUAGES}
    return Terms(principles, settings.answers.language)


def assemble_judge(
    settings: Settings, models: Models, library: Library, *, logprobs: bool
) -> JudgeScorer:
    """Stage 2 by asking the model. Of the embedded models, the one that was not tuned to ask."""
    untuned = models.embedder if is_embedded(settings) else None
    return JudgeScorer(
        untuned or models.generator,
        library,
        logprobs,
        grammar=settings.model.kind != "server",
        endpoint=settings.model.endpoint,
        max_tokens=settings.model.max_tokens,
    )


def longest_request(settings: Settings) -> int:
    """About the tokens of the longest prompt with its reply, with room for a wasteful tokenizer."""
    library = library_of(settings)
    longest = 0.0
    for language in LANGUAGES:
        context = settings.tree.max_units * tokens_per_unit(language)
        asked = [tree_prompt(settings, library, language)]
        if settings.tree.decontextualise:
            asked.append(library.prompt("decontextualise", language))
        tree = max(map(prompt_tokens, asked))
        answer = library.answering("answer", language)
        shown = sorted(
            (count_units(t.context + t.question + t.answer) for t in library.triplets(language)),
            reverse=True,
        )
        shots = sum(shown[: settings.answers.shown]) * tokens_per_unit(language)
        longest = max(longest, tree + context, prompt_tokens(answer) + shots + context)
        kind = prompt_tokens(library.prompt("granularity", language))
        longest = max(longest, kind + context)
        others = (
            library.answering("revise", language),
            *(library.prompt(name, language) for name in ("verify", "answerable")),
        )
        for prompt in others:  # with an answer as long as its context
            longest = max(longest, prompt_tokens(prompt) + 2 * context)
        audit, principles = library.with_principles("audit", language)
        looked_at = (count_units(principles) + max(shown, default=0)) * tokens_per_unit(language)
        longest = max(longest, prompt_tokens(audit) + looked_at)
    return math.ceil(TOKENIZER_MARGIN * longest / 256) * 256 + settings.model.max_tokens


def principle_tokens(settings: Settings) -> int:
    """About the tokens of the principles, in the language where they are longest."""
    library = library_of(settings)
    return max(
        math.ceil(count_units(library.principles(language)) * tokens_per_unit(language))
        for language in LANGUAGES
    )


def assemble_asker(settings: Settings, models: Models) -> Asker:
    """What asks the model that writes, in the form that it takes."""
    return Asker(models.generator, "json" if models.schema else "marked", settings.model.endpoint)
