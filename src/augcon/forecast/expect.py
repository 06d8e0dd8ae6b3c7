"""What a run over some root contexts should ask, from their lengths alone.

The tree is taken as balanced (`augcon.tree.granularity`), and tokens at the rates of
`augcon.forecast.rates`. The numbers are for deciding whether to start, not for a bill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from augcon.answer import answers_of_search
from augcon.assemble import PROMPTED, is_embedded, library_of
from augcon.config import Settings
from augcon.forecast.rates import (
    ASSUMED,
    CLAIM_TOKENS,
    GRADE_TOKENS,
    GRANULARITY_TOKENS,
    VERDICT_TOKENS,
    Rates,
    Served,
    Sizes,
    sentence_units,
)
from augcon.forecast.tree import ExpectedTree, expect_tree
from augcon.llm.encode import LONGEST
from augcon.prompts import Library
from augcon.prompts.library import prompt_language
from augcon.prompts.size import prompt_tokens
from augcon.records import Context, Granularity
from augcon.scorer import Spoiling, draw_pilot, read_card
from augcon.sections import Split
from augcon.select import quota_of
from augcon.store.outlook import Asking, Forecast

__all__ = ["expect"]

# Shares of the questions, assumed: whose answer is found wanting and asked for once more; that are
# doubted for it; that turn out to have no answer.
REVISED, DOUBTED, UNANSWERABLE = 0.05, 0.03, 0.02

# Of the embedded model, as counted on examples/: questions and draws for a node asked, and texts
# read by the reader or the encoder for each node and each answer.
SMALL_YIELD = 0.55
SMALL_DRAWS = 1.05
SMALL_READINGS, SMALL_BORDERS = 2.5, 1.5  # the latter where borders are scored
SMALL_QUESTION_TOKENS = 14  # the server counts one candidate of each draw
SMALL_ANSWER_PROMPT = 80  # the question, and the closest sentences
SMALL_ANSWER_TOKENS = 40
SMALL_WEAK_PROMPT = 200
SMALL_WEAK_QUESTION = 30
SCORE_TOKENS = 1  # a digit
LETTERS_OF_WORD = 6.0  # with the space after it

# Shares of sentences that refer back, in SQuAD's contexts and in those of CMRC and DRCD, and what
# goes around a mended one in a reply.
DANGLING, DANGLING_ZH = 0.31, 0.14
REPLY_KEYS = 10


@dataclass(slots=True)
class _Kind:
    """Calls of one kind, and their tokens."""

    calls: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0

    def add(self, calls: float, prompt: float, completion: float) -> None:
        self.calls += calls
        self.prompt += calls * prompt
        self.completion += calls * completion

    def told(self, of_contexts: float, tries: float) -> Asking:
        return Asking(
            calls=round(tries * self.calls),
            before=round(tries * (self.calls - of_contexts)),
            prompt_tokens=round(tries * self.prompt),
            completion_tokens=round(tries * self.completion),
        )


@dataclass(slots=True)
class _Sum:
    contexts: int = 0
    units: int = 0
    asked: float = 0.0
    pairs: int = 0
    granularity: dict[Granularity, float] = field(default_factory=dict)
    texts: _Kind = field(default_factory=_Kind)
    vectors: _Kind = field(default_factory=_Kind)

    def add_pairs(self, pairs: Mapping[Granularity, float]) -> None:
        for kind, number in pairs.items():
            self.granularity[kind] = self.granularity.get(kind, 0.0) + number


@dataclass(frozen=True, slots=True)
class _Language:
    """What calls about texts of one language take."""

    rates: Rates
    sizes: Sizes


def expect(roots: Iterable[Context], settings: Settings, served: Served = ASSUMED) -> Forecast:
    """Forecast a run over these root contexts. They are gone through once; the pilot is kept."""
    library = library_of(settings)
    total = _Sum()
    ask_root = (_small if is_embedded(settings) else _ordinary)(total, settings, library, served)
    languages: set[str] = set()

    def each_asked() -> Iterator[Context]:
        for root in roots:
            total.contexts += 1
            total.units += root.units
            languages.add(prompt_language(root.language))
            ask_root(root)
            yield root

    chosen = settings.scorer
    pilot = draw_pilot(each_asked(), chosen.pairs, chosen.pilot_share, settings.tree.min_units)
    texts, vectors = total.texts.calls, total.vectors.calls
    if _is_fitted(settings, served):
        _ask_contrasts(total, pilot, settings, library, served)
    if not is_embedded(settings):
        for language in sorted(languages):
            known = _language(settings, library, served, language)
            _ask_examples(total, settings, language, known)
            _ask_audit(total, settings, known)
    return Forecast(
        contexts=total.contexts,
        units=total.units,
        asked=total.asked,
        pairs=total.pairs,
        granularity={kind: round(n) for kind, n in total.granularity.items()},
        texts=total.texts.told(texts, served.tries),
        vectors=total.vectors.told(vectors, 1.0),
    )


def _language(settings: Settings, library: Library, served: Served, language: str) -> _Language:
    split: Split = "middle" if is_embedded(settings) else settings.split  # it sees no numbers
    rates = served.rates_for(prompt_language(language), split)
    return _Language(rates, Sizes.of(settings, library, language, served.form))


def _ordinary(
    total: _Sum, settings: Settings, library: Library, served: Served
) -> Callable[[Context], None]:
    """How to add the tree of one root in all its passes, the ranking, and the answers."""

    @cache
    def known(language: str) -> _Language:
        return _language(settings, library, served, language)

    classified = settings.selection.granularity == "model"
    nearest = settings.answers.by_meaning
    embedded, judged = _is_embedded_for(settings, served), _kind(settings) == "judge"

    def ask(root: Context) -> None:
        language = known(prompt_language(root.language))
        rates, sizes = language.rates, language.sizes
        quota = quota_of(root.units, settings.selection.units_per_pair)
        tree = expect_tree(root, quota, 1.0, settings)
        asked, text = tree.asked, rates.context * tree.units
        total.asked += asked + quota
        total.pairs += quota
        total.add_pairs(tree.pairs)
        total.texts.add(
            asked, rates.ours * sizes.tree + text, rates.divided + rates.parts * tree.units
        )
        answered = rates.ours * sizes.answer + text + rates.question
        total.texts.add(quota * settings.answers.samples, answered, rates.answer)
        if nearest:
            _embed(total, quota, tree.units, text + rates.question, root.language)
        _ask_again(total, settings, language, quota, text)
        _ask_unanswered(total, settings, language, quota, root, text)
        if classified:
            prompt = rates.ours * sizes.granularity + rates.context * root.units + rates.question
            total.texts.add(asked, prompt, GRANULARITY_TOKENS)
        if embedded:
            total.vectors.add(asked, text + rates.question, 0)
        if judged:
            total.texts.add(asked, rates.ours * sizes.score + text + rates.question, SCORE_TOKENS)
        _ask_for_parts(total, root, tree, language, settings)

    return ask


def _ask_for_parts(
    total: _Sum, root: Context, tree: ExpectedTree, language: _Language, settings: Settings
) -> None:
    """What the parts take beside the call that asks the question. What is computed is the same in
    every pass, and asked once."""
    rates, sizes = language.rates, language.sizes
    sentence = sentence_units(root.language)
    if settings.split == "semantic":
        total.vectors.add(root.units / sentence, rates.ours * sentence, 0)
    if settings.tree.decontextualise:
        second_parts = (tree.nodes - 1) / 2 * (tree.passes if settings.split in PROMPTED else 1)
        mended = rates.ours * sentence + REPLY_KEYS
        share = DANGLING_ZH if root.language.startswith("zh") else DANGLING
        total.texts.add(
            share * second_parts, rates.ours * (sizes.mend + tree.units + sentence), mended
        )


def _ask_again(
    total: _Sum, settings: Settings, language: _Language, answers: int, text: float
) -> None:
    """Answers that are revised, and those that the model verifies sentence by sentence; questions
    that it is asked about because their answer failed. With more samples fewer are revised; how
    many fewer nobody knows before, and they are few.

    answers  of all samples of a question one
    text     tokens of the context of an answer
    """
    rates, sizes = language.rates, language.sizes
    shown = text + rates.question + rates.answer
    revised = REVISED * answers
    total.texts.add(revised, rates.ours * sizes.revise + shown + CLAIM_TOKENS, rates.answer)
    if settings.answers.verify == "model":
        _verify(total, language, answers * settings.answers.samples + revised, text)
        doubted = rates.ours * sizes.answerable + text + rates.question
        total.texts.add(DOUBTED * answers, doubted, VERDICT_TOKENS)


def _ask_unanswered(
    total: _Sum, settings: Settings, language: _Language, answers: int, root: Context, text: float
) -> None:
    """The check of the whole root, and the reply, where it is to be said what is not known."""
    if settings.answers.unknown_share:
        rates, sizes = language.rates, language.sizes
        whole = rates.context * root.units
        asked = UNANSWERABLE * answers
        total.texts.add(
            asked, rates.ours * sizes.answerable + whole + rates.question, VERDICT_TOKENS
        )
        total.texts.add(asked, rates.ours * sizes.unknown + text + rates.question, CLAIM_TOKENS)


def _verify(total: _Sum, language: _Language, answers: float, text: float) -> None:
    """Every claim of so many answers, each from a context of `text` tokens."""
    rates, sizes = language.rates, language.sizes
    claims = answers * max(1.0, rates.answer / CLAIM_TOKENS)
    shown = text + rates.question + rates.answer + CLAIM_TOKENS
    total.texts.add(claims, rates.ours * sizes.verify + shown, VERDICT_TOKENS)


def _small(
    total: _Sum, settings: Settings, library: Library, served: Served
) -> Callable[[Context], None]:
    """How to add a root of the embedded model's."""
    prompt = prompt_tokens(library.prompt("tuned_question", "en"))
    readings = SMALL_READINGS + (SMALL_BORDERS if settings.split == "boundary" else 0.0)
    embedded, judged = _is_embedded_for(settings, served), _kind(settings) == "judge"

    def ask(root: Context) -> None:
        quota = quota_of(root.units, settings.selection.units_per_pair)
        tree = expect_tree(root, quota, SMALL_YIELD, settings)
        node = Rates.assumed(root.language).context * tree.units
        asked = tree.asked
        total.asked += asked + quota
        total.pairs += quota
        total.add_pairs(tree.pairs)
        total.texts.add(SMALL_DRAWS * asked, prompt + node, SMALL_QUESTION_TOKENS)
        if settings.answers.embedded == "written":
            total.texts.add(quota, prompt + node + SMALL_ANSWER_PROMPT, SMALL_ANSWER_TOKENS)
        total.vectors.add(readings * (tree.nodes + quota), node / 2, 0)
        if embedded:
            total.vectors.add(SMALL_YIELD * asked, node + SMALL_QUESTION_TOKENS, 0)
        if judged:
            rubric = prompt_tokens(library.prompt("score", "en")) + SMALL_QUESTION_TOKENS
            total.texts.add(SMALL_YIELD * asked, rubric + node, SCORE_TOKENS)

    return ask


def _ask_contrasts(
    total: _Sum, pilot: list[Context], settings: Settings, library: Library, served: Served
) -> None:
    """Worse questions about nodes of the pilot, and their hidden states."""
    trees = [(root, expect_tree(root, 1, 1.0, settings)) for root in pilot]
    nodes = sum(tree.nodes for _, tree in trees)
    drawn = min(1.0, settings.scorer.pairs / max(1.0, nodes))
    embedded = _is_embedded_for(settings, served)
    negatives = settings.scorer.negatives

    @cache
    def known(name: str) -> _Language:
        return _language(settings, library, served, name)

    for root, tree in trees:
        language = known(prompt_language(root.language))
        rates, weak, asked = language.rates, language.sizes.weak, drawn * tree.nodes
        text = rates.context * tree.units
        if negatives != "weakened":
            total.vectors.add(len(Spoiling) * asked, text + rates.question, 0)
        for kind in weak if negatives != "spoilt" else ():
            if is_embedded(settings):
                total.texts.add(asked, SMALL_WEAK_PROMPT + text, SMALL_WEAK_QUESTION)
            else:
                total.texts.add(asked, rates.ours * weak[kind] + text, rates.divided)
            if embedded:
                total.vectors.add(asked, text + rates.question, 0)


def _ask_examples(total: _Sum, settings: Settings, name: str, language: _Language) -> None:
    """What choosing the few-shot examples takes: annotated questions answered and graded, or
    embedded."""
    rates, sizes, answers = language.rates, language.sizes, settings.answers
    if answers.shown == 0:
        return
    if answers.choose == "nearest":
        _embed(total, sizes.annotated, sizes.example, rates.ours * sizes.example, name)
    tried = {
        "search": answers_of_search(
            sizes.annotated, answers.shots, answers.search_trials, answers.search_budget
        ),
        "bootstrapped": min(sizes.annotated, answers.search_budget),
    }.get(answers.choose, 0)
    total.texts.add(tried, rates.ours * (sizes.answer + sizes.example), rates.answer)
    judged = rates.ours * sizes.judge + rates.question + 2 * rates.answer
    total.texts.add(tried, judged, GRADE_TOKENS)
    if answers.choose == "bootstrapped" and answers.verify == "model":
        _verify(total, language, tried, rates.ours * sizes.example)


def _embed(total: _Sum, questions: float, units: float, tokens: float, language: str) -> None:
    """So many questions and their contexts, which are embedded in pieces.

    units, tokens  of a context with its question
    """
    letters = units * (1 if language.startswith("zh") else LETTERS_OF_WORD)
    pieces = 1 + max(1.0, letters / LONGEST)
    total.vectors.add(questions * pieces, tokens / pieces, 0)


def _ask_audit(total: _Sum, settings: Settings, language: _Language) -> None:
    """Each annotated example of the user's own is asked about once, and verified as answers are."""
    rates, sizes = language.rates, language.sizes
    if not sizes.audit:
        return
    total.texts.add(sizes.annotated, rates.ours * (sizes.audit + sizes.example), VERDICT_TOKENS)
    if settings.answers.verify == "model":
        _verify(total, language, sizes.annotated, rates.ours * sizes.example)


def _is_fitted(settings: Settings, served: Served) -> bool:
    """Whether contrast pairs are asked for."""
    chosen = settings.scorer
    if chosen.folder is not None:
        return False
    return chosen.kind in ("lora", "cross-encoder") or _is_embedded_for(settings, served)


def _is_embedded_for(settings: Settings, served: Served) -> bool:
    """Whether the hidden state of every question is asked for."""
    kind = _kind(settings)
    wanted = kind in ("auto", "linear") and settings.model.embeddings != "off"
    return wanted and served.embeddings


def _kind(settings: Settings) -> str:
    folder = settings.scorer.folder
    return settings.scorer.kind if folder is None else read_card(folder).kind
