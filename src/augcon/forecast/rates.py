"""What the calls of a run take at a server: assumed, or learned from a few probe calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from augcon.assemble import tree_prompt
from augcon.config import Settings
from augcon.corpus import count_units
from augcon.prompts import Form, Library, Prompt, Weakening
from augcon.prompts.size import tokens_per_unit
from augcon.sections import Split

__all__ = ["ASSUMED", "Rates", "Served", "Sizes", "sentence_units"]

QUESTION_TOKENS = 30
ANSWER_TOKENS = 90
GRADE_TOKENS = 60
REPLY_OVERHEAD = {"rewrite": 25, "boundary": 15, "assign": 15}  # keys and quotation marks
ONE_KEY = 8
NUMBER_TOKENS = 4  # of a sentence's, in a prompt; one sentence in two is told in a reply
SENTENCE_UNITS, ZH_SENTENCE_UNITS = 24.0, 38.0  # the mean of SQuAD's and CMRC's contexts
GRANULARITY_TOKENS = 10
CLAIM_TOKENS = 30  # a sentence of an answer
VERDICT_TOKENS = 60  # with the sentence that it rests on
TOKENS_PER_SECOND = 40.0  # of one call at a hosted or GPU server


@dataclass(frozen=True, slots=True)
class Rates:
    """What the calls about texts of one language take, in tokens.

    context   of a prompt, for a unit of the text that is asked about
    ours      of a prompt, for a unit of our own words around it
    divided   of a reply that divides a node, beside its parts
    parts     of that reply, for a unit of the node
    question  of a question, in a prompt
    answer    of a reply that answers
    """

    context: float
    ours: float
    divided: float
    parts: float
    question: float = QUESTION_TOKENS
    answer: float = ANSWER_TOKENS

    @classmethod
    def assumed(cls, language: str, split: Split = "rewrite") -> Rates:
        rate = tokens_per_unit(language)
        numbers = 1 / sentence_units(language)  # sentences, for a unit
        shown = rate + NUMBER_TOKENS * numbers if split in ("boundary", "assign") else rate
        parts = {"rewrite": rate, "assign": numbers}.get(split, 0.0)
        divided = QUESTION_TOKENS + REPLY_OVERHEAD.get(split, ONE_KEY)
        return cls(context=shown, ours=rate, divided=divided, parts=parts)


@dataclass(frozen=True, slots=True)
class Served:
    """What is taken to be true of a server.

    form          of its replies
    embeddings    whether it serves any
    rates         by prompt language; a language that is not here has the assumed ones
    tries         how often a call is asked until its reply can be used
    call_seconds  of a call, beside what it writes
    """

    form: Form = "json"
    embeddings: bool = True
    rates: Mapping[str, Rates] = field(default_factory=dict)
    tries: float = 1.0
    call_seconds: float = 0.0
    tokens_per_second: float = TOKENS_PER_SECOND

    @classmethod
    def found(
        cls, *, schema: bool, embeddings: bool, rates: Mapping[str, Rates] | None = None
    ) -> Served:
        """A server of which it is known whether it takes schemas and serves embeddings."""
        return cls("json" if schema else "marked", embeddings, rates or {})

    def rates_for(self, language: str, split: Split = "rewrite") -> Rates:
        return self.rates.get(language) or Rates.assumed(language, split)

    def seconds(self, calls: float, completion_tokens: float) -> float:
        """Of these calls one after the other."""
        return calls * self.call_seconds + completion_tokens / self.tokens_per_second


ASSUMED = Served()


@dataclass(frozen=True, slots=True)
class Sizes:
    """Units of the prompts in one language around their items, with the few-shot examples.

    weak       of the weakened prompts, by kind
    annotated  how many annotated examples there are, and the mean units of one
    audit      of asking about one of them, with the principles; 0 where they are not asked about
    """

    tree: float
    weak: Mapping[Weakening, float]
    answer: float
    revise: float
    verify: float
    answerable: float
    unknown: float
    judge: float
    mend: float
    granularity: float
    score: float
    annotated: int
    example: float
    audit: float = 0.0

    @classmethod
    def of(cls, settings: Settings, library: Library, language: str, form: Form) -> Sizes:
        tree = tree_prompt(settings, library, language)
        triplets = library.triplets(language)
        shown = tuple(
            {"context": t.context, "source": t.source, "question": t.question, "answer": t.answer}
            for t in triplets
        )
        answer = library.answering("answer", language).with_examples(shown)
        revise = library.answering("revise", language)
        verify = library.prompt("verify", language)
        answerable = library.prompt("answerable", language)
        unknown = library.prompt("unknown", language)
        unknown = unknown.filled(principles=library.principles(language))
        judge, score = (library.prompt(name, language) for name in ("judge", "score"))
        mend = library.prompt("decontextualise", language)
        granularity = library.prompt("granularity", language)
        texts = [text for example in shown for text in example.values()]
        return cls(
            tree=_units_around(tree, form, len(tree.examples)),
            weak={kind: _units_of_weak(tree, kind, form) for kind in Weakening},
            answer=_units_around(answer, form, settings.answers.shown),
            revise=_units_around(revise, form, len(revise.examples)),
            verify=_units_around(verify, form, len(verify.examples)),
            answerable=_units_around(answerable, form, len(answerable.examples)),
            unknown=_units_around(unknown, form, len(unknown.examples)),
            judge=_units_around(judge, form, len(judge.examples)),
            mend=_units_around(mend, form, len(mend.examples)),
            granularity=_units_around(granularity, form, len(granularity.examples)),
            score=_units_around(score, "plain", len(score.examples)),
            annotated=len(shown),
            example=sum(map(count_units, texts)) / max(1, len(shown)),
            audit=_units_of_audit(library, language, form) if library.is_own(language) else 0.0,
        )


def sentence_units(language: str) -> float:
    """Of an ordinary sentence."""
    return ZH_SENTENCE_UNITS if language.startswith("zh") else SENTENCE_UNITS


def _units_of_weak(tree: Prompt, kind: Weakening, form: Form) -> float:
    """One example is drawn for each question, so that one of mean length stands for all of them."""
    weak = tree.weakened(kind, 0).with_examples(tree.examples).only("question")
    return _units_around(weak, form, len(tree.weakened(kind, 0).examples))


def _units_of_audit(library: Library, language: str, form: Form) -> float:
    prompt, principles = library.with_principles("audit", language)
    return _units_around(prompt, form, len(prompt.examples)) + count_units(principles)


def _units_around(prompt: Prompt, form: Form, shots: int) -> float:
    """Units of all but the item, with so many of the examples at their mean length."""
    bare, number = _units(prompt.with_examples(()), form), len(prompt.examples)
    return bare + (_units(prompt, form) - bare) * min(shots, number) / max(1, number)


def _units(prompt: Prompt, form: Form) -> int:
    empty = {field.key: "" for field in prompt.inputs}
    return sum(count_units(message.content) for message in prompt.messages(empty, form))
