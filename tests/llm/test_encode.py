"""The sentence encoder reads a long text in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from augcon.errors import ReplyError
from augcon.llm.base import Reply, Request
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.encode import LONGEST, encode
from augcon.llm.fake import FakeModel


def counting(request: Request) -> Reply:
    return Reply(embedding=(float(request.text.count("a")), float(len(request.text))))


async def test_every_text_gets_its_vector_in_order() -> None:
    model = FakeModel(counting)
    vectors = await encode(Caller(model, MemoryJournal()), ["aa", "b"])
    assert vectors.tolist() == [[2.0, 2.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"word{number}" for number in range(300)),
        "".join(f"x{number}" for number in range(400)),
        "".join(chr(0x4E00 + number) for number in range(1200)),
    ],
)
async def test_a_long_text_is_read_whole_in_pieces_that_the_encoder_can_hold(text: str) -> None:
    model = FakeModel(counting)
    (vector,) = await encode(Caller(model, MemoryJournal()), [text])
    pieces = [request.text for request in model.requests]
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= LONGEST
    lengths = np.array([len(piece) for piece in pieces])
    assert vector[1] == pytest.approx((lengths**2).sum() / lengths.sum())


async def test_a_failure_is_one_error_and_not_a_group() -> None:
    model = FakeModel(lambda request: Reply())
    with pytest.raises(ReplyError, match="no embedding"):
        await encode(Caller(model, MemoryJournal()), ["a", "b"])
