"""Paths in, a corpus out: the documents that can be used, and every other file with its reason.

Plain text and Markdown are read as they are, mark-up included, for a model reads it well. The
trade-off: a file is refused for what a whole corpus could suffer from (binary data, nothing that
is a sentence, a second copy), and for nothing else; what is short or dull is left to later stages.
"""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augcon.corpus.charsets import decode
from augcon.corpus.files import find_files
from augcon.corpus.language import detect_language
from augcon.corpus.sentences import iter_sentences, sentence_ends_whole
from augcon.corpus.units import count_units
from augcon.errors import CorpusError
from augcon.records import Document, Rejection, content_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from augcon.corpus.files import FoundFile

__all__ = ["Corpus", "read_corpus"]

_SUFFIXES = (".markdown", ".md", ".txt")
_STAGE = "documents"
_FEWEST_UNITS_OF_A_SENTENCE = 3


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was read: documents and rejections, both sorted by name."""

    documents: tuple[Document, ...]
    rejected: tuple[Rejection, ...]

    @property
    def id(self) -> str:
        """Changes if and only if a document's name or text does."""
        return content_id("corpus", *(document.id for document in self.documents))


def read_corpus(paths: Sequence[Path]) -> Corpus:
    """Read the files given, and those in the folders given, into a corpus.

    Raises `CorpusError` if a path does not exist, a folder holds no file, or no document remains.
    """
    documents: list[Document] = []
    rejected: list[Rejection] = []
    name_by_text: dict[str, str] = {}
    for found in find_files(paths):
        result = _read(found, name_by_text)
        if isinstance(result, Document):
            documents.append(result)
        else:
            rejected.append(result)
    if not documents:
        raise CorpusError(_nothing_usable(paths, rejected))
    return Corpus(tuple(documents), tuple(rejected))


def _read(found: FoundFile, name_by_text: dict[str, str]) -> Document | Rejection:
    data = _data(found)
    return data if isinstance(data, Rejection) else _document(found.name, data, name_by_text)


def _data(found: FoundFile) -> bytes | Rejection:
    """The bytes of a file. What is no ordinary file is not opened: a pipe would never end."""
    if found.trouble:
        return _rejection(found.name, "unreadable", found.trouble, failed=True)
    suffix = found.path.suffix
    if suffix.lower() not in _SUFFIXES:
        detail = f"{suffix or 'no suffix'}: convert it to .txt or .md"
        return _rejection(found.name, "unsupported_format", detail)
    try:
        if not stat.S_ISREG(found.path.stat().st_mode):
            return _rejection(found.name, "unreadable", "not an ordinary file", failed=True)
        return found.path.read_bytes()
    except OSError as error:
        return _rejection(found.name, "unreadable", error.strerror or str(error), failed=True)


def _document(name: str, data: bytes, name_by_text: dict[str, str]) -> Document | Rejection:
    text = decode(data)
    if text is None:
        detail = "binary data, damaged UTF-8, or an encoding that is not known"
        return _rejection(name, "not_text", detail)
    if not text.strip():
        return _rejection(name, "empty", "nothing but white space")
    language = detect_language(text)
    if not _has_whole_sentence(text, language):
        detail = f"no sentence of {_FEWEST_UNITS_OF_A_SENTENCE} units or more with its full stop"
        return _rejection(name, "no_whole_sentence", detail)
    earlier = name_by_text.setdefault(content_id(text.strip()), name)
    if earlier != name:
        return _rejection(name, "duplicate_text", f"the same text as {earlier}")
    return Document.of(name, text, language)


def _has_whole_sentence(text: str, language: str) -> bool:
    sentences = (text[span.start : span.end] for span in iter_sentences(text, language))
    return any(
        sentence_ends_whole(sentence) and count_units(sentence) >= _FEWEST_UNITS_OF_A_SENTENCE
        for sentence in sentences
    )


def _rejection(name: str, reason: str, detail: str, *, failed: bool = False) -> Rejection:
    return Rejection(
        content_id("file", name), _STAGE, reason, text=name, detail=detail, failed=failed
    )


def _nothing_usable(paths: Sequence[Path], rejected: Sequence[Rejection]) -> str:
    where = ", ".join(str(path) for path in paths)
    counts = Counter(rejection.reason for rejection in rejected)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    files = "file" if len(rejected) == 1 else "files"
    return (
        f"no usable document in {where}: {len(rejected)} {files} rejected ({reasons}); "
        "give .txt or .md files in UTF-8 that hold whole sentences"
    )
