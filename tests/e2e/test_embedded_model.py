"""The embedded model for real: fetched (once), started, asked, and stopped in a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from augcon.answer.tuned import TunedResponder
from augcon.answer.window import WindowResponder
from augcon.corpus import sentence_spans
from augcon.errors import ModelError
from augcon.llm.base import Message, Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.embedded import EmbeddedServers, check_embedded
from augcon.llm.local import Endpoint
from augcon.llm.openai import OpenAIModel
from augcon.prompts import Exchange, Library, Weakening
from augcon.records import Context, Document, Question
from augcon.tree.boundary import BoundarySplitter
from augcon.tree.questions import QuestionWriter
from augcon.tree.split import ComputedDivider

pytestmark = [pytest.mark.embedded, pytest.mark.slow]

TEXT = (
    "Octopuses have three hearts. Two of them pump blood through the gills, and the third sends "
    "it to the rest of the body. The third heart stops beating when the animal swims, which is "
    "why octopuses prefer to crawl. Lighthouses on the northern coast were once tended by "
    "families. The keeper climbed the tower every four hours to wind the clockwork."
)


def model_at(endpoint: Endpoint) -> OpenAIModel:
    return OpenAIModel(endpoint.base_url, endpoint.name, endpoint.api_key)


class Rig:
    def __init__(self, servers: EmbeddedServers) -> None:
        self.servers = servers
        self.generator = model_at(servers.generators[0])
        self.reader = model_at(servers.readers[0])
        self.encoder = model_at(servers.encoder)

    async def vector(self, model: OpenAIModel, text: str) -> np.ndarray:
        reply = await model.ask(Request("embedding", text=text))
        return np.array(reply.embedding)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with await EmbeddedServers.start(cores=1) as servers:
        rig = Rig(servers)
        yield rig
        await rig.generator.close()
        await rig.reader.close()
        await rig.encoder.close()


async def test_chat_completion_and_both_embeddings_come_from_three_servers(rig: Rig) -> None:
    chat = Request(
        "chat",
        (Message("user", "Write one question about the sea."),),
        sampling=Sampling(0.7, max_tokens=24),
        grammar='root ::= "What" [^\\n?]+ "?"',
        choices=3,
        top_logprobs=1,
        seed=1,
    )
    reply = await rig.generator.ask(chat)
    assert len(reply.choices) == 3
    assert all(choice.text.startswith("What") for choice in reply.choices)
    assert all(choice.tokens for choice in reply.choices)
    hidden = await rig.vector(rig.reader, "The cat sat on the mat.")
    assert hidden.shape == (576,)
    cat, kitten, tax = [
        await rig.vector(rig.encoder, text)
        for text in ("The cat sleeps.", "A kitten is asleep.", "Taxes are due in May.")
    ]
    assert cat.shape == (384,)
    assert cat @ kitten > cat @ tax + 0.2
    names = await rig.generator.list_models()
    assert names == [rig.servers.generators[0].name]


async def test_a_text_gets_its_parts_its_question_and_its_answer(rig: Rig) -> None:
    generator, reader, encoder = (
        Caller(model, MemoryJournal()) for model in (rig.generator, rig.reader, rig.encoder)
    )
    exchange, weak = Exchange.of(Library()), Library().prompt("small_question", "en")
    writer = QuestionWriter(generator, reader, encoder, sentence_spans, exchange, weak)
    divider = ComputedDivider(writer, BoundarySplitter(reader, encoder, sentence_spans))
    document = Document.of("d.txt", TEXT, "en")
    node = Context.root(document, 0, len(TEXT), len(TEXT.split()), "en")
    division = await divider.divide(node, 0)
    assert division.parts[1].startswith("Lighthouses")
    assert " ".join(division.parts) == TEXT
    weak = await divider.weak_question(node, Weakening.BOTH)
    assert weak.endswith("?")
    asked = Question.of(node, "Why do octopuses prefer to crawl?", 0)
    window = await WindowResponder(encoder, sentence_spans).respond(asked)
    assert "prefer to crawl" in window
    assert window in TEXT
    responder = TunedResponder(generator, encoder, sentence_spans, exchange)
    answer = await responder.respond(asked)
    assert "heart" in answer
    assert "swims" in answer


async def test_without_its_key_a_server_answers_nobody(rig: Rig) -> None:
    stranger = OpenAIModel(rig.servers.generators[0].base_url, "any", "another-key")
    with pytest.raises(ModelError):
        await stranger.ask(Request("completion", text="Hello"))
    await stranger.close()


async def test_closing_does_not_wait_for_the_minute_that_requests_in_flight_take(rig: Rig) -> None:
    long = Request(
        "chat",
        (Message("user", "Tell a story."),),
        sampling=Sampling(1.0, 1.0, 1500),
        grammar='root ::= [a-z ]+ "#"',  # hardly ever ends before its last token
    )
    asked = [asyncio.create_task(rig.generator.ask(long)) for _ in range(12)]
    await asyncio.sleep(0.5)
    assert not any(reply.done() for reply in asked)
    start = time.perf_counter()
    await rig.servers.close()
    assert time.perf_counter() - start < 10.0
    replies = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(reply, Exception) for reply in replies)


def test_the_check_up_finds_everything_in_place() -> None:
    checks = check_embedded()
    assert [check.what for check in checks if not check.ok] == []
    assert sum("ready" in check.detail for check in checks) == 3
