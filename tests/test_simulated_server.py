from __future__ import annotations

import asyncio
import errno
import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest

from tests.simulated_server import (
    KEY,
    MODEL,
    Engine,
    Faults,
    Log,
    Simulation,
    simulated_process,
    simulated_server,
)
from tests.simulation.client import (
    PASSAGE,
    chat,
    client,
    of_properties,
    post,
    post_all,
    said,
    until,
)
from tests.simulation.engine import tokens_of
from tests.simulation.faults import SHARES
from tests.simulation.process import ROOT

PATIENCE = 10.0  # seconds, for what comes at once or not at all


@pytest.fixture
def server() -> Iterator[Simulation]:
    with simulated_server() as simulation:
        yield simulation


# What it says


async def test_the_same_request_gets_the_same_reply_and_another_seed_another_question(
    server: Simulation,
) -> None:
    first = await post(server, chat(1))
    assert await post(server, chat(1)) == first
    questions = {(await said(server, chat(seed)))["question"] for seed in range(8)}
    assert len(questions) > 4
    with simulated_server() as other:
        assert await post(other, chat(1)) == first


async def test_a_reply_is_made_of_the_passage(server: Simulation) -> None:
    wanted = of_properties("question", "first", "second", "answer", "reason", "grade", "title")
    reply = await said(server, chat(schema=wanted))
    assert reply["answer"] in PASSAGE
    assert f"{reply['first']} {reply['second']}" == PASSAGE
    assert reply["title"] in PASSAGE
    assert reply["grade"] in ("3", "4", "5")
    chinese = await said(server, chat(passage="水车建于清代。它推动两块磨石。", schema=wanted))
    assert chinese["answer"] in "水车建于清代。它推动两块磨石。"
    assert chinese["question"].endswith("情况如何？")
    assert chinese["reason"] == "事实一致。"


async def test_as_many_replies_come_as_were_asked_for(server: Simulation) -> None:
    _, one = await post(server, chat())
    _, three = await post(server, chat(n=3))
    texts = [choice["message"]["content"] for choice in three["choices"]]
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert texts[0] == one["choices"][0]["message"]["content"]
    assert len(set(texts)) == 3
    assert three["usage"]["completion_tokens"] == sum(len(tokens_of(text)) for text in texts)


async def test_a_reply_that_is_longer_than_was_asked_for_is_cut(server: Simulation) -> None:
    _, reply = await post(server, chat(max_tokens=3))
    (choice,) = reply["choices"]
    assert choice["finish_reason"] == "length"
    assert len(tokens_of(choice["message"]["content"])) == 3
    assert reply["usage"]["completion_tokens"] == 3


async def test_a_text_is_continued_with_the_outputs_of_its_last_item(server: Simulation) -> None:
    prompt = (
        "Ask.\n[[question]]\n(one question)\n[[answer]]\n(its answer)\n\n"
        "Passage:\n<<<\nElsewhere.\n>>>\n\n[[question]]\nWhere?\n[[answer]]\nElsewhere.\n\n"
        f"Passage:\n<<<\n{PASSAGE}\n>>>\n\n"
    )
    body = {"model": MODEL, "prompt": prompt, "seed": 3}
    _, reply = await post(server, body, "/completions")
    assert reply["object"] == "text_completion"
    mark, question, second, answer = reply["choices"][0]["text"].split("\n")
    assert (mark, second) == ("[[question]]", "[[answer]]")
    assert question.endswith("?")
    assert answer in PASSAGE


async def test_embeddings_are_given_for_one_text_and_for_many(server: Simulation) -> None:
    _, one = await post(server, {"model": MODEL, "input": "one two"}, "/embeddings")
    _, two = await post(server, {"model": MODEL, "input": ["one two", "水"]}, "/embeddings")
    assert two["data"][0] == one["data"][0]
    assert two["usage"]["prompt_tokens"] == 3
    assert server.log.embedded_tokens == 5
    assert server.log.prompt_tokens == 0


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"model": "simulated-7b"}', b'{"model": "simulated-7b", "prompt": 1}']
)
async def test_a_request_of_unknown_shape_is_refused(server: Simulation, content: bytes) -> None:
    url = server.url + "/completions"
    async with client() as session, session.post(url, data=content) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["type"] == "invalid_request_error"


async def test_a_path_that_is_not_served_is_not_found(server: Simulation) -> None:
    assert (await post(server, chat(), "/responses"))[0] == 404


async def test_a_schema_that_cannot_be_satisfied_is_refused(server: Simulation) -> None:
    status, told = await post(server, chat(schema={"type": "string", "pattern": "^a$"}))
    assert (status, told["error"]["code"]) == (400, "invalid_schema")


async def test_a_list_of_pairs_holds_different_questions_of_the_passage(
    server: Simulation,
) -> None:
    pair = {**of_properties("question", "answer"), "title": "Pair"}
    pair["properties"]["grade"] = {"type": "integer", "minimum": 1, "maximum": 5}
    schema = {
        "type": "object",
        "properties": {
            "pairs": {"type": "array", "items": {"$ref": "#/$defs/Pair"}, "minItems": 4},
            "language": {"enum": ["en", "zh"]},
        },
        "required": ["pairs", "language"],
        "$defs": {"Pair": pair},
    }
    reply = await said(server, chat(schema=schema))
    assert reply["language"] in ("en", "zh")
    assert len({pair["question"] for pair in reply["pairs"]}) > 2
    assert all(pair["answer"] in PASSAGE for pair in reply["pairs"])
    assert all(pair["grade"] in (3, 4, 5) for pair in reply["pairs"])


# Faults


def test_every_fault_gets_its_share_of_the_requests() -> None:
    faults = Faults(status={429: 0.1, 500: 0.05}, retry_after_share=0.5)
    for name in SHARES:
        setattr(faults, name, 0.05)
    draws = [faults.drawn(str(number), 1) for number in range(4000)]
    shares = Counter(drawn.fault or drawn.status for drawn in draws)
    assert shares.pop(429) / 4000 == pytest.approx(0.1, abs=0.02)
    assert shares.pop(0) / 4000 == pytest.approx(0.85 - 0.05 * len(SHARES), abs=0.03)
    assert set(shares) == {500, *SHARES}
    assert all(n / 4000 == pytest.approx(0.05, abs=0.015) for n in shares.values())
    assert sum(drawn.says_when for drawn in draws) / 4000 == pytest.approx(0.5, abs=0.03)


async def test_the_same_request_meets_the_same_faults_on_every_server_and_they_pass(
    server: Simulation,
) -> None:
    server.faults = Faults(status={429: 0.4, 503: 0.2})
    bodies = [chat(seed) for seed in range(10)]
    tried = [await post_all(server, bodies) for _ in range(6)]
    server.attempts.clear()
    assert [await post_all(server, bodies) for _ in range(6)] == tried
    assert all(len(set(statuses)) > 1 for statuses in zip(*tried, strict=True))


async def test_only_some_refusals_say_when_to_come_back(server: Simulation) -> None:
    server.faults = Faults(status={429: 1.0}, retry_after="2", retry_after_share=0.5)
    waits = []
    async with client() as session:
        for seed in range(20):
            url = server.url + "/chat/completions"
            async with session.post(url, json=chat(seed)) as reply:
                assert reply.status == 429
                waits.append(reply.headers.get("Retry-After"))
    assert set(waits) == {"2", None}


async def test_a_reset_is_read_as_a_broken_connection(server: Simulation) -> None:
    server.faults.reset = 1.0
    async with client() as session:
        with pytest.raises(aiohttp.ClientOSError) as caught:
            await session.post(server.url + "/chat/completions", json=chat())
    assert caught.value.errno == errno.ECONNRESET
    assert server.log.faults == {"reset": 1}
    assert server.log.bodies == []


async def test_a_request_that_hangs_is_accepted_and_never_answered(server: Simulation) -> None:
    server.faults.hang = 1.0
    asked = asyncio.create_task(post(server, chat()))
    await until(lambda: server.log.faults == {"hang": 1})
    assert not (await asyncio.wait([asked], timeout=0.2))[0]
    assert server.log.requests == server.log.in_flight == 1
    asked.cancel()


@pytest.mark.parametrize(("fault", "least"), [("hang_body", 0), ("drip", 2)])
async def test_a_body_that_never_ends_begins_with_its_headers(
    server: Simulation, fault: str, least: int
) -> None:
    setattr(server.faults, fault, 1.0)
    url, since = server.url + "/chat/completions", time.monotonic()
    async with client() as session, session.post(url, json=chat()) as reply:
        assert reply.status == 200
        assert reply.content_type == "application/json"
        got = await reply.content.readexactly(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while not reply.content.at_eof():
                    got += await reply.content.readany()
        assert not reply.content.at_eof()
    assert got.strip() == b""
    assert len(got) <= least + (time.monotonic() - since) / server.faults.drip_every


async def test_the_server_stops_at_once_although_requests_hang() -> None:
    with simulated_server(Faults(hang=0.5, drip=0.5)) as stuck:
        asked = [asyncio.create_task(post(stuck, chat(seed))) for seed in range(6)]
        await until(lambda: stuck.log.in_flight == 6)
        since = time.monotonic()
    assert time.monotonic() - since < PATIENCE / 2
    replies = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(reply, aiohttp.ClientError) for reply in replies)


async def test_a_slow_request_takes_so_many_times_as_long(server: Simulation) -> None:
    server.faults = Faults(slow=1.0, slow_times=5.0)
    server.engine = Engine(prefill_rate=100)
    _, reply = await post(server, chat())
    (exchange,) = server.log.exchanges
    alone = reply["usage"]["prompt_tokens"] / 100
    assert 5 * alone <= exchange.finished - exchange.arrived < 10 * alone


@pytest.mark.parametrize(
    ("fault", "reason"), [("empty", "stop"), ("content_filter", "content_filter")]
)
async def test_a_reply_can_be_without_text(server: Simulation, fault: str, reason: str) -> None:
    setattr(server.faults, fault, 1.0)
    _, reply = await post(server, chat())
    (choice,) = reply["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", reason)


async def test_a_reply_that_is_cut_off_is_the_first_half_and_says_so(server: Simulation) -> None:
    whole = (await post(server, chat()))[1]
    server.faults.cut_off = 1.0
    cut = (await post(server, chat()))[1]
    text = cut["choices"][0]["message"]["content"]
    assert whole["choices"][0]["message"]["content"].startswith(text)
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"] // 2


async def test_a_reply_can_have_other_keys_and_another_models_name(server: Simulation) -> None:
    server.faults.wrong_keys = 1.0
    assert set(await said(server, chat())) == {"unasked"}
    server.faults = Faults(other_model=1.0)
    _, reply = await post(server, chat())
    assert reply["model"] != MODEL
    assert reply["choices"]


async def test_a_reply_can_end_with_half_a_character_in_its_json_or_without(
    server: Simulation,
) -> None:
    server.faults.half_character = 1.0
    reply = await said(server, chat())
    assert list(reply.values())[-1].endswith("\ud83d")
    server.faults.ignore_schema = True
    _, plain = await post(server, chat())
    assert plain["choices"][0]["message"]["content"].endswith("\ud83d")


async def test_a_reply_can_have_two_choices_where_one_was_asked_for(server: Simulation) -> None:
    server.faults.two_choices = 1.0
    assert len((await post(server, chat()))[1]["choices"]) == 2
    assert len((await post(server, chat(n=3)))[1]["choices"]) == 3


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings"])
async def test_a_reply_can_be_no_json_or_json_of_another_shape(
    server: Simulation, path: str
) -> None:
    body = {**chat(), "input": "one two"}
    server.faults.wrong_shape = 1.0
    status, reply = await post(server, body, path)
    assert status == 200
    assert "usage" in reply
    assert not {"choices", "data"} & set(reply)
    server.faults = Faults(not_json=1.0)
    with pytest.raises(json.JSONDecodeError):
        await post(server, body, path)


async def test_garbage_is_text_that_was_not_asked_for(server: Simulation) -> None:
    server.faults.garbage = 1.0
    _, reply = await post(server, chat())
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply["choices"][0]["message"]["content"])


async def test_a_prompt_that_is_too_long_is_refused_with_openais_code(server: Simulation) -> None:
    server.faults.too_long_over = 100
    status, told = await post(server, chat(passage="word " * 200))
    assert (status, told["error"]["code"]) == (400, "context_length_exceeded")
    assert (await post(server, chat()))[0] == 200
    assert server.log.refused == {400: 1}


async def test_a_prompt_of_megabytes_is_taken(server: Simulation) -> None:
    passage, since = "The mill was built in 1820. " * 120_000, time.process_time()
    reply = await said(server, chat(passage=passage))
    assert reply["answer"] == "The mill was built in 1820."
    assert time.process_time() - since < 2.0


async def test_an_idle_connection_is_closed_and_a_used_one_is_not(server: Simulation) -> None:
    server.faults.close_idle = 0.5
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    asked = since = time.monotonic()
    while asked < since + 1.0:
        asked = time.monotonic()
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    assert time.monotonic() - asked >= 0.5
    writer.close()


async def test_faults_and_engine_can_be_replaced_while_the_server_runs(
    server: Simulation,
) -> None:
    assert (await post(server, chat()))[0] == 200
    server.faults.status = {500: 1.0}
    assert (await post(server, chat()))[0] == 500
    server.faults = Faults(key=KEY)
    assert (await post(server, chat()))[0] == 401
    server.faults, server.engine = Faults(), Engine(slots=1, queue=0, decode_rate=0.1)
    first = asyncio.create_task(post(server, chat(1)))
    await until(lambda: server.log.occupancy != [])
    assert (await post(server, chat(2)))[0] == 429
    first.cancel()
    await until(lambda: server.log.in_flight == 0)
    server.engine.decode_rate = math.inf
    assert (await post(server, chat(2)))[0] == 200


# A process of its own


async def test_a_process_can_be_killed_and_comes_back_at_the_same_address() -> None:
    engine = Engine(slots=2, decode_rate=200.0, cache_blocks=64)
    faults = Faults(status={429: 0.3}, retry_after="0.1", wrong_keys=0.3, too_long_over=500)
    with simulated_process(faults, engine) as process, simulated_server(faults, engine) as same:
        bodies = [chat(seed) for seed in range(12)]
        process_as_server = Simulation(faults, engine, Log())
        process_as_server.url = process.url
        statuses = await post_all(process_as_server, bodies)
        assert statuses == await post_all(same, bodies)
        stats = process.stats()
        assert stats["requests"] == 12
        assert stats["answered"] == statuses.count(200)
        assert stats["refused"] == {"429": statuses.count(429)}
        assert stats["faults"]["wrong_keys"] > 0
        assert stats["most_busy"] == 2
        assert 0 < stats["busy_share"] <= 1
        window = process.stats(stats["first_arrival"], stats["last_finish"])["window"]
        assert window["busy_share"] == pytest.approx(stats["busy_share"])
        idle = process.stats(stats["now"] + 1, stats["now"] + 2)["window"]
        assert idle["busy_share"] == 0

        url = process.url
        process.kill()
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(process_as_server, chat())
        process.restart()
        assert process.url == url
        assert process.stats()["requests"] == 0
        assert await post_all(process_as_server, bodies) == statuses


def test_the_command_prints_its_address_first_and_names_every_setting() -> None:
    command = [sys.executable, "-m", "tests.simulated_server"]
    told = subprocess.run(
        [*command, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    for flag in ("--port", "--slots", "--cache-blocks", "--rate-429", "--rate-hang-body"):
        assert flag in told
    with subprocess.Popen(
        [*command, "--slots", "64", "--no-embeddings", "--rate-500", "0.05"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.kill()
