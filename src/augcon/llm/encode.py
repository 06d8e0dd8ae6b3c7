"""The meaning of a text as a vector, from a small sentence encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, Unusable
from augcon.together import together

__all__ = ["LONGEST", "encode"]

Vectors = npt.NDArray[np.float64]

# Of a piece, in characters: the encoder reads 512 tokens, and a token is a character at least.
# Hardly a sentence is longer.
LONGEST = 500


async def encode(encoder: Caller, texts: Sequence[str]) -> Vectors:
    """A vector for each text: (n_texts, hidden). A long text's is the mean over its pieces."""
    return np.stack(await together(_vector(encoder, text) for text in texts))


async def _vector(encoder: Caller, text: str) -> Vectors:
    pieces = list(_pieces(text))
    vectors = [await encoder.ask(Request("embedding", text=piece), _embedding) for piece in pieces]
    mean: Vectors = np.average(vectors, axis=0, weights=[len(piece) for piece in pieces])
    return mean


def _pieces(text: str) -> Iterator[str]:
    """Cut at the last space that fits, and anywhere where there is none."""
    while len(text) > LONGEST:
        cut = text.rfind(" ", 1, LONGEST) + 1 or LONGEST
        yield text[:cut]
        text = text[cut:]
    yield text or " "


def _embedding(reply: Reply) -> tuple[float, ...]:
    if not reply.embedding:
        raise Unusable("the reply holds no embedding")
    return reply.embedding
