from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache

import pytest

from augcon.errors import AugConError, ModelError, RequestRefused, TooLongError
from augcon.llm.base import Fault, Message, Request, Sampling, TryAgain
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.models import Abilities, connect, probe
from augcon.llm.openai import OpenAIModel
from augcon.llm.wire import words_of
from augcon.sections import ModelSettings
from tests.simulated_server import KEY, MODEL, Faults, Log, Simulation, simulated_server

SCHEMA = '{"type": "object", "properties": {"answer": {"type": "string"}}}'
ASK = Request(
    "chat",
    (Message("system", "Answer."), Message("user", "Passage:\n<<<\nOne fact.\n>>>")),
    sampling=Sampling(0.3, top_p=0.9, max_tokens=77, stop=("END",)),
    seed=11,
    schema=SCHEMA,
)
EMBED = Request("embedding", text="one two")
OPENED = ExitStack()


@contextmanager
def serving(faults: Faults | None = None) -> Iterator[Simulation]:
    """The one server of these tests, with faults of its own for as long as the block lasts."""
    server = shared_server()
    server.faults, server.log = faults or Faults(), Log()
    yield server


@cache
def shared_server() -> Simulation:
    return OPENED.enter_context(simulated_server())


@pytest.fixture(autouse=True, scope="module")
def _closed_at_the_end() -> Iterator[None]:
    with OPENED:
        yield


@asynccontextmanager
async def reached(
    faults: Faults | None = None, name: str = MODEL, key: str | None = None
) -> AsyncIterator[tuple[OpenAIModel, Simulation]]:
    with serving(faults) as server:
        model = OpenAIModel(server.url, name, key)
        try:
            yield model, server
        finally:
            await model.close()


async def test_everything_that_decides_a_reply_is_sent() -> None:
    async with reached() as (model, server):
        reply = await model.ask(ASK)
    assert json.loads(reply.text) == {"answer": "One fact."}
    assert reply.usage.prompt_tokens > 0
    assert reply.choices[0].finish_reason == "stop"
    (body,) = server.log.bodies
    assert body == {
        "model": MODEL,
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 77,
        "seed": 11,
        "stop": ["END"],
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "Passage:\n<<<\nOne fact.\n>>>"},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": json.loads(SCHEMA)},
        },
    }


async def test_an_embedding_has_the_numbers_of_the_server() -> None:
    async with reached() as (model, server):
        reply = await model.ask(EMBED)
    assert sum(reply.embedding) == 8.0  # the simulation counts six letters and two words
    assert server.log.bodies == [{"model": MODEL, "input": "one two"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, ModelError),
        (402, ModelError),
        (403, ModelError),
        (404, ModelError),
        (408, TryAgain),
        (413, RequestRefused),
        (422, RequestRefused),
        (429, TryAgain),
        (500, TryAgain),
        (501, RequestRefused),
        (503, TryAgain),
        (599, TryAgain),  # the simulation's HTTP 502 with a page of HTML
    ],
)
async def test_each_status_is_a_fault_of_its_kind(status: int, kind: type[Exception]) -> None:
    async with reached(Faults(status={status: 1.0})) as (model, _):
        with pytest.raises(kind):
            await model.ask(ASK)


async def test_a_spent_quota_is_not_a_passing_fault_although_it_is_a_429() -> None:
    async with reached(Faults(status={429: 1.0}, code="insufficient_quota")) as (model, _):
        with pytest.raises(ModelError, match="the quota is spent"):
            await model.ask(ASK)


async def test_the_server_says_how_long_to_wait() -> None:
    async with reached(Faults(status={429: 1.0}, retry_after="1.5")) as (model, _):
        with pytest.raises(TryAgain) as caught:
            await model.ask(ASK)
    assert caught.value.wait == 1.5


@pytest.mark.parametrize("said", ["", "Wed, 21 Oct 2026 07:28:00 GMT", "inf", "nan"])
async def test_a_wait_that_is_no_number_of_seconds_is_ours_to_choose(said: str) -> None:
    async with reached(Faults(status={503: 1.0}, retry_after=said)) as (model, _):
        with pytest.raises(TryAgain) as caught:
            await model.ask(ASK)
    assert caught.value.wait is None


async def test_a_wrong_key_is_told_with_what_to_do_and_never_shown() -> None:
    wrong = "sk-not-the-right-one-at-all-4711"
    async with reached(Faults(key=KEY), key=wrong) as (model, _):
        with pytest.raises(ModelError) as caught:
            await model.ask(ASK)
    said = str(caught.value)
    assert "API key" in said
    assert "OPENAI_API_KEY" in said
    assert wrong not in said
    assert "4711" not in said


async def test_a_key_is_not_shown_either_where_the_servers_words_are_cut_off() -> None:
    wrong = "sk-" + "4711" * 20
    async with reached(Faults(key=KEY, key_preamble="x" * 250), key=wrong) as (model, _):
        with pytest.raises(ModelError) as caught:
            await model.ask(ASK)
    assert "4711" not in str(caught.value)


async def test_a_missing_key_is_told_with_the_name_of_its_variable() -> None:
    with serving(Faults(key=KEY)) as server:
        settings = ModelSettings(name=MODEL, base_urls=(server.url,), api_key_env="THE_VALLEYS_KEY")
        (model,) = connect(settings, MODEL)
        with pytest.raises(ModelError, match="missing: set THE_VALLEYS_KEY"):
            await model.ask(ASK)
        await model.close()


async def test_the_right_key_is_taken() -> None:
    async with reached(Faults(key=KEY), key=KEY) as (model, _):
        assert (await model.ask(ASK)).text


async def test_an_unknown_model_is_named() -> None:
    async with reached(name="no-such-model") as (model, _):
        with pytest.raises(ModelError, match=r"no model 'no-such-model'.*--model"):
            await model.ask(ASK)


async def test_the_commonest_slip_in_a_url_is_named() -> None:
    async with reached() as (_, server):
        bare = OpenAIModel(server.url.removesuffix("/v1"), MODEL)
        with pytest.raises(ModelError, match=r"did you mean http://[0-9.:]+/v1\?"):
            await bare.ask(ASK)
        await bare.close()


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        model = OpenAIModel(url, MODEL)
        with pytest.raises(TryAgain, match=f"cannot reach {url}"):
            await model.ask(ASK)
        with pytest.raises(TryAgain, match=f"cannot reach {url}"):
            await model.list_models()
        await model.close()


async def test_a_server_that_does_not_answer_is_not_waited_for_without_end() -> None:
    with serving(Faults(delay=30)) as server:
        model = OpenAIModel(server.url, MODEL, timeout=0.2)
        with pytest.raises(TryAgain, match=r"sent no whole reply within 0.2 s \(model.timeout\)"):
            await model.ask(ASK)
        await model.close()


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        "null",
        '{"choices": null}',
        '{"choices": [{}]}',
        '{"choices": [{"message": "hi"}]}',
        '{"choices": ["hi"]}',
        '{"data": [{"embedding": ["a"]}]}',
        '{"choices": [{"message": {"content": "hi"}}], "usage": "many"}',
    ],
)
async def test_a_reply_of_unknown_shape_is_a_passing_fault(body: str) -> None:
    async with reached(Faults(body=body)) as (model, _):
        for request in (ASK, EMBED):
            with pytest.raises(TryAgain, match="unknown shape"):
                await model.ask(request)


async def test_a_reply_that_is_no_json_is_a_passing_fault() -> None:
    async with reached(Faults(body="<html>")) as (model, _):
        with pytest.raises(TryAgain):
            await model.ask(ASK)


async def test_a_reply_without_content_is_the_empty_text() -> None:
    async with reached(Faults(body='{"choices": [{"message": {"content": null}}]}')) as (model, _):
        reply = await model.ask(ASK)
    assert reply.text == ""


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("half a smiley \\ud83d", "half a smiley \ufffd"),
        ("半个笑脸\\ude00。", "半个笑脸\ufffd。"),
        ("a smiley \\ud83d\\ude00, 笑脸", "a smiley 😀, 笑脸"),
    ],
)
async def test_nothing_that_a_server_says_holds_half_a_character(said: str, read: str) -> None:
    body = (
        f'{{"model": "{said}", "choices": [{{"message": {{"content": "{said}"}}, '
        f'"finish_reason": "{said}", "logprobs": {{"content": [{{"token": "{said}", '
        f'"logprob": -1, "top_logprobs": [{{"token": "{said}", "logprob": -1}}]}}]}}}}]}}'
    )
    async with reached(Faults(body=body)) as (model, _):
        reply = await model.ask(ASK)
    assert (reply.model, reply.text) == (read, read)
    (token,) = reply.choices[0].tokens
    assert (reply.choices[0].finish_reason, token.token, token.top[0][0]) == (read, read, read)
    assert words_of(f'{{"error": {{"message": "{said}", "code": 1}}}}'.encode())[0] == read


async def test_tokens_are_guessed_where_the_server_does_not_count_them() -> None:
    """A budget must not go on for ever at such a server."""
    body = '{"choices": [{"message": {"content": "four words or so"}}]}'
    async with reached(Faults(body=body)) as (model, _):
        reply = await model.ask(ASK)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (9, 4)


async def test_the_server_lists_its_models() -> None:
    async with reached() as (model, _):
        assert await model.list_models() == [MODEL]


@pytest.mark.parametrize(
    ("faults", "abilities"),
    [
        (Faults(), Abilities(schema=True, embeddings=MODEL)),
        (Faults(refuse_schema=True), Abilities(schema=False, embeddings=MODEL)),
        (Faults(ignore_schema=True), Abilities(schema=False, embeddings=MODEL)),
        (Faults(embeddings=False), Abilities(schema=True, embeddings="")),
        (Faults(first_embedding_fails=True), Abilities(schema=True, embeddings=MODEL)),
    ],
)
async def test_what_a_server_can_do_is_found_out_by_asking(
    faults: Faults, abilities: Abilities
) -> None:
    assert await probed(faults) == abilities


async def test_a_model_for_embeddings_that_was_asked_for_by_name_must_be_there() -> None:
    with pytest.raises(ModelError, match=r"model.embeddings = 'other' cannot be used"):
        await probed(Faults(), embeddings="other")


async def test_a_server_that_answers_nothing_cannot_be_used() -> None:
    with pytest.raises(AugConError):
        await probed(Faults(status={400: 1.0}))


async def test_that_no_embeddings_are_served_stops_nothing() -> None:
    async with reached(Faults(embeddings=False)) as (model, server):
        settings = ModelSettings(name=MODEL, base_urls=(server.url,))
        caller = Caller(model, MemoryJournal())
        assert (await probe(caller, settings)).embeddings == ""
        assert await caller.ask(ASK, lambda reply: reply.text)


async def probed(faults: Faults, embeddings: str = "auto") -> Abilities:
    with serving(faults) as server:
        settings = ModelSettings(name=MODEL, base_urls=(server.url,), embeddings=embeddings)
        (model,) = connect(settings, MODEL)
        try:
            return await probe(Caller(model, MemoryJournal()), settings)
        finally:
            await model.close()


class Listing(OpenAIModel):
    """A server that refuses whatever it is asked, and what comes where it is asked for a list."""

    def __init__(self, *comes: object) -> None:
        super().__init__("http://127.0.0.1:9/v1", MODEL)
        self.comes = list(comes)
        self.lists = 0
        self.looks = asyncio.Event()

    async def _exchange(self, method: str, path: str, body: object = None) -> object:
        await asyncio.sleep(0)
        if method == "POST":
            raise RequestRefused("HTTP 400: no")
        self.lists += 1
        self.looks.set()
        await asyncio.sleep(0)
        came = self.comes.pop(0)
        if isinstance(came, Exception):
            raise came
        return came


SMALL = {"data": [{"id": MODEL, "max_model_len": 16}]}


async def fates(model: OpenAIModel, number: int) -> list[type]:
    told = await asyncio.gather(*(model.ask(ASK) for _ in range(number)), return_exceptions=True)
    return [type(one) for one in told]


async def test_every_refusal_of_something_too_long_is_one_however_many_come_at_once() -> None:
    model = Listing(SMALL)
    assert await fates(model, 4) == [TooLongError] * 4
    assert model.lists == 1


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.TIMEOUT, Fault.GONE, Fault.LOST])
async def test_a_refusal_is_judged_once_the_window_can_be_asked_for(fault: Fault) -> None:
    model = Listing(TryAgain("not now", fault=fault), SMALL)
    assert await fates(model, 1) == [TryAgain]
    assert await fates(model, 2) == [TooLongError] * 2


@pytest.mark.parametrize("answer", [TryAgain("a page of HTML"), RequestRefused("no such path")])
async def test_a_server_that_lists_nothing_tells_no_window(answer: Exception) -> None:
    model = Listing(answer)
    assert [*await fates(model, 1), *await fates(model, 2)] == [RequestRefused] * 3
    assert model.lists == 1


async def test_who_looks_up_the_window_may_be_cancelled() -> None:
    model = Listing(SMALL, SMALL)
    task = asyncio.create_task(model.ask(ASK))
    await model.looks.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await fates(model, 2) == [TooLongError] * 2


@pytest.mark.parametrize("window", [0, 4096])
async def test_the_window_is_what_the_server_lists_and_0_where_it_says_nothing(window: int) -> None:
    async with reached(Faults(window=window)) as (model, _):
        assert await model.window() == window
