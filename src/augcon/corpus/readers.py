"""Paths in, a corpus out: the documents that can be used, and every other file with its reason.

Plain text and Markdown are read as they are, mark-up included, for a model reads it well. The
trade-off: a file is refused for what a whole corpus could suffer from (binary data, nothing that
is a sentence, a second copy), and for nothing else; what is short or dull is left to later stages.

No text is kept: a corpus holds where its documents are, and reads them again when they are asked
for. So its size is that of its list of files, and a document is read twice, once to judge it and
once to cut it.
"""

from __future__ import annotations

import stat
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from augcon.corpus.charsets import decode
from augcon.corpus.files import find_files
from augcon.corpus.language import detect_language
from augcon.corpus.sentences import iter_sentences, sentence_ends_whole
from augcon.corpus.units import count_units
from augcon.errors import CorpusError
from augcon.records import Document, Rejection, content_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from augcon.corpus.files import FoundFile

__all__ = ["Corpus", "read_corpus"]

_SUFFIXES = (".markdown", ".md", ".txt")
_STAGE = "documents"
_FEWEST_UNITS_OF_A_SENTENCE = 3
_CHANGED = "changed while it was being read; give the command again once the documents are at rest"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document is, and what it was when it was judged.

    There are as many as documents: its path is a text, which takes a quarter of a `Path`.
    """

    path: str = field(compare=False)  # a corpus is the same wherever it lies
    name: str
    language: str
    document_id: str

    def read(self) -> Document:
        """The document once more. Raises `CorpusError` if it is no longer what it was."""
        try:
            text = decode(_bytes(Path(self.path)))
        except OSError as error:
            raise CorpusError(f"{self.path}: {_CHANGED} ({error.strerror or error})") from error
        document = Document.of(self.name, text or "", self.language)
        if document.id != self.document_id:
            raise CorpusError(f"{self.path}: {_CHANGED}")
        return document


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was found: documents, to be iterated over as often as wanted, and rejections.

    Both are sorted by name. Iterating reads the files again, one at a time, and raises
    `CorpusError` where one is no longer what it was, so that its id is true of what it gives.
    """

    sources: tuple[Source, ...]
    rejected: tuple[Rejection, ...]

    def __iter__(self) -> Iterator[Document]:
        return (source.read() for source in self.sources)

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self.sources)

    @property
    def id(self) -> str:
        """Changes if and only if a document's name or text does."""
        return content_id("corpus", *(source.document_id for source in self.sources))


def read_corpus(paths: Sequence[Path]) -> Corpus:
    """Judge the files given, and those in the folders given, as a corpus.

    Raises `CorpusError` if a path does not exist, a folder holds no file, or no document remains.
    """
    sources: list[Source] = []
    rejected: list[Rejection] = []
    name_by_text: dict[str, str] = {}
    for found in find_files(paths):
        result = _judged(found, name_by_text)
        if isinstance(result, Source):
            sources.append(result)
        else:
            rejected.append(result)
    if not sources:
        raise CorpusError(_nothing_usable(paths, rejected))
    return Corpus(tuple(sources), tuple(rejected))


def _judged(found: FoundFile, name_by_text: dict[str, str]) -> Source | Rejection:
    data = _data(found)
    if isinstance(data, Rejection):
        return data
    document = _document(found.name, data, name_by_text)
    if isinstance(document, Rejection):
        return document
    return Source(str(found.path), found.name, sys.intern(document.language), document.id)


def _data(found: FoundFile) -> bytes | Rejection:
    if found.trouble:
        return _rejection(found.name, "unreadable", found.trouble, failed=True)
    suffix = found.path.suffix
    if suffix.lower() not in _SUFFIXES:
        detail = f"{suffix or 'no suffix'}: convert it to .txt or .md"
        return _rejection(found.name, "unsupported_format", detail)
    try:
        return _bytes(found.path)
    except OSError as error:
        return _rejection(found.name, "unreadable", error.strerror or str(error), failed=True)


def _bytes(path: Path) -> bytes:
    """The bytes of a file. What is no ordinary file is not opened: a pipe would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not an ordinary file")
    return path.read_bytes()


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
