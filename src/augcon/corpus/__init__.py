"""Files in, root contexts out: reading, languages, sentences, and the cuts between contexts.

`read_corpus` turns paths into documents, and `cut_contexts` a document into its root contexts.
Everything here is plain text and offsets; no model is asked and nothing goes over the network.
"""

from augcon.corpus.contexts import cut_contexts
from augcon.corpus.language import detect_language
from augcon.corpus.readers import Corpus, read_corpus
from augcon.corpus.sentences import sentence_spans
from augcon.corpus.spans import SentenceSplitter, Span
from augcon.corpus.units import count_units

__all__ = [
    "Corpus",
    "SentenceSplitter",
    "Span",
    "count_units",
    "cut_contexts",
    "detect_language",
    "read_corpus",
    "sentence_spans",
]
