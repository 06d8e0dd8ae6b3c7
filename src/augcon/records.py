"""The records that flow through a run: document → context → question → pair.

Every record has an id made from its content and its parent's id, so that joins never depend on
a position or on the order in which replies came. Lengths are in units: one CJK character is one
unit, one word of any other script is one unit. Spans are half-open character offsets into
`Document.text`, which is the file's text as decoded, with line ends as a single line feed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["Context", "Document", "Pair", "Question", "Rejection", "Triplet", "content_id"]


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
    `start` to `end`; for a rewritten child the span says which source text it came from.
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

    @classmethod
    def root(cls, document: Document, start: int, end: int, units: int, language: str) -> Context:
        text = document.text[start:end]
        id = content_id("context", document.id, start, end)
        return cls(id, document.id, document.name, id, None, 0, text, units, language, start, end)

    def child(self, text: str, units: int, start: int, end: int) -> Context:
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
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the whole of one context, from pass number `pass_number` over its root."""

    id: str
    context: Context
    text: str
    pass_number: int
    score: float = 0.0

    @classmethod
    def of(cls, context: Context, text: str, pass_number: int) -> Question:
        return cls(content_id("question", context.id, text), context, text, pass_number)


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with its answer: a line of the dataset."""

    id: str
    question: Question
    answer: str
    granularity: str  # "macro", "concept" or "detail"

    @classmethod
    def of(cls, question: Question, answer: str, granularity: str) -> Pair:
        return cls(content_id("pair", question.id, answer), question, answer, granularity)


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
    """A human-annotated (context, question, answer), a candidate few-shot example of stage 3."""

    id: str
    context: str
    question: str
    answer: str
    language: str

    @classmethod
    def of(cls, context: str, question: str, answer: str, language: str) -> Triplet:
        return cls(
            content_id("triplet", context, question, answer), context, question, answer, language
        )
