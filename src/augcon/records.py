"""The records that flow through a run: document → context → question → pair.

Every record has an id made from its content and its parent's id, so that joins never depend on
a position or on the order in which replies came. Lengths are in units: one CJK character is one
unit, one word of any other script is one unit. Spans are half-open character offsets into
`Document.text`, which is the file's text as decoded, with line ends as a single line feed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from augcon.claims import BY_ROOT, Claim, ClaimVerdict, Verification

__all__ = [
    "BY_ROOT",
    "NOT_ASKED",
    "UNANSWERABLE",
    "UNSCORED",
    "Answer",
    "Asked",
    "Augmented",
    "Claim",
    "ClaimVerdict",
    "Context",
    "Document",
    "Draft",
    "Granularity",
    "Judged",
    "Node",
    "Pair",
    "Question",
    "Rejection",
    "Root",
    "State",
    "Triplet",
    "Verdict",
    "Verification",
    "content_id",
]


UNSCORED = float("-inf")  # the score of a question that the scorer could not score
UNANSWERABLE = "unanswerable"  # why a question that its context does not answer was rejected
NOT_ASKED = ("below_min_units", "share_full")  # why a node was left alone, for no fault of its own


def content_id(*parts: str | int) -> str:
    """Sixteen hex digits (64 bits of BLAKE2b) that name this content and nothing else.

    Parts are length-prefixed before hashing, so ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        encoded = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """One readable file of the corpus. `name` is its path relative to the corpus' root."""

    id: str
    name: str
    text: str
    language: str  # ISO 639-1, "en" or "zh" among others

    @classmethod
    def of(cls, name: str, text: str, language: str) -> Document:
        return cls(content_id("document", name, text), name, text, language)


@dataclass(frozen=True, slots=True)
class Context:
    """A stretch of a document, or a rewriting of one: a node of a Context-Split-Tree.

    `text` is what the model reads. For a verbatim context it equals the document's text from
    `start` to `end`; for a rewritten child the span says which source text it came from, and
    `explained` which share of the text's tokens is found there.
    A root has `depth` 0, `parent_id` None and `root_id` equal to its own id.
    """

    id: str
    document_id: str
    document: str
    root_id: str
    parent_id: str | None
    depth: int
    text: str
    units: int
    language: str
    start: int
    end: int
    explained: float = 1.0

    @classmethod
    def root(cls, document: Document, start: int, end: int, units: int, language: str) -> Context:
        text = document.text[start:end]
        own_id = content_id("context", document.id, start, end)
        return cls(
            id=own_id,
            document_id=document.id,
            document=document.name,
            root_id=own_id,
            parent_id=None,
            depth=0,
            text=text,
            units=units,
            language=language,
            start=start,
            end=end,
        )

    def child(self, text: str, units: int, start: int, end: int, explained: float = 1.0) -> Context:
        return Context(
            id=content_id("context", self.id, start, end, text),
            document_id=self.document_id,
            document=self.document,
            root_id=self.root_id,
            parent_id=self.id,
            depth=self.depth + 1,
            text=text,
            units=units,
            language=self.language,
            start=start,
            end=end,
            explained=explained,
        )


class Granularity(StrEnum):
    """The paper's three kinds of question, the coarsest first.

    macro    about a text's theme, its whole course, its purpose
    concept  about one notion, relation or part of it
    detail   about a single fact
    """

    MACRO = "macro"
    CONCEPT = "concept"
    DETAIL = "detail"

    @property
    def fineness(self) -> int:
        return list(Granularity).index(self)


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the whole of one context, from pass number `pass_number` over its root.

    granularity  of a context that stands alone a question is macro: it is about all there is
    no_score     why there is no score, where `score` is UNSCORED
    unclassed    why there is no granularity, where the model was to say it and did not
    """

    id: str
    context: Context
    text: str
    pass_number: int
    score: float = 0.0
    no_score: str = ""
    granularity: Granularity = Granularity.MACRO
    unclassed: str = ""

    @classmethod
    def of(
        cls,
        context: Context,
        text: str,
        pass_number: int,
        granularity: Granularity = Granularity.MACRO,
    ) -> Question:
        own_id = content_id("question", context.id, text)
        return cls(own_id, context, text, pass_number, granularity=granularity)


class State(StrEnum):
    """Where an item of the books stands."""

    NONE = "none"  # it was never in this stage
    PENDING = "pending"
    KEPT = "kept"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an item, and why. `failed` could not be processed; `rejected` was judged."""

    state: State = State.KEPT
    reason: str = ""
    detail: str = ""

    @property
    def kept(self) -> bool:
        return self.state is State.KEPT


def rejected(reason: str, detail: str = "") -> Verdict:
    return Verdict(State.REJECTED, reason, detail)


def failed(reason: str, detail: str = "") -> Verdict:
    return Verdict(State.FAILED, reason, detail)


@dataclass(frozen=True, slots=True)
class Root:
    """A root context, how many pairs it should give, and whether it is to be worked on."""

    context: Context
    quota: int
    verdict: Verdict

    @property
    def admitted(self) -> bool:
        return self.verdict.state is State.PENDING


@dataclass(frozen=True, slots=True)
class Node:
    """One visit to a context by one pass of the tree: was it asked about, was it split."""

    context: Context
    pass_number: int
    verdict: Verdict
    split: Verdict
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A question after ranking and filtering. `place` is its rank among its root's questions."""

    question: Question
    place: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that was asked for. `text` is empty where the model gave nothing usable.

    verification  its check against the context; None where there was none
    number        of all that were asked for its question
    """

    text: str
    verdict: Verdict
    verification: Verification | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What stage 3 made of a chosen question; `text` is empty where the model gave none.

    verification  its check against the context; None where there was none
    drafts        the others that were asked for, each with why it is not the answer
    asked         how many were asked for, this one included
    """

    question: Question
    text: str
    verdict: Verdict
    verification: Verification | None = None
    drafts: tuple[Draft, ...] = ()
    asked: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that has its answer, as it is weighed against those of other root contexts."""

    id: str
    root_id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Augmented:
    """Everything that came of one root context, kept and dropped alike."""

    context: Context
    quota: int
    passes: int
    nodes: tuple[Node, ...] = ()
    questions: tuple[Judged, ...] = ()
    answers: tuple[Answer, ...] = ()
    verdict: Verdict = Verdict()


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the dataset: question and answer, with where they come from.

    explained  the share of the context's tokens that its span of the document holds
    drafts     answers that were written for the question and are not its answer
    unknown    the answer says that what is asked is not known
    """

    id: str
    question: str
    answer: str
    context: str
    language: str
    granularity: str
    depth: int
    score: float
    document: str
    start: int
    end: int
    context_id: str
    root_id: str
    explained: float = 1.0
    verification: Verification | None = None
    drafts: tuple[Draft, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that was dropped or failed, kept with its reason.

    `failed` tells an item that could not be processed from one that was judged and dropped.
    """

    id: str
    stage: str
    reason: str
    text: str
    detail: str = ""
    parent_id: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Triplet:
    """A human-annotated (context, question, answer), a candidate few-shot example of stage 3.

    source  the name of the context's document, for principles that ask for it; may be empty
    """

    id: str
    context: str
    question: str
    answer: str
    language: str
    source: str = ""

    @classmethod
    def of(
        cls, context: str, question: str, answer: str, language: str, source: str = ""
    ) -> Triplet:
        known = ("triplet", context, question, answer)
        own_id = content_id(*known, source) if source else content_id(*known)
        return cls(own_id, context, question, answer, language, source)
