"""Requests to a simulated server, over the wire and without any of the program's own code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.simulation.schemas import Schema
from tests.simulation.server import MODEL, Simulation

PASSAGE = "The mill was built in 1820. Its wheel drives two stones. Flour went to the coast."
Body = dict[str, Any]


def chat(
    seed: int = 1, passage: str = PASSAGE, schema: Schema | None = None, **more: object
) -> Body:
    schema = schema or of_properties("question", "answer")
    return {
        "model": MODEL,
        "seed": seed,
        "messages": [
            {"role": "system", "content": "Ask one question."},
            {"role": "user", "content": f"Passage:\n<<<\n{passage}\n>>>"},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        **more,
    }


def of_properties(*names: str) -> Schema:
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names)}


@asynccontextmanager
async def client(seconds: float = 10.0) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def post(
    server: Simulation, body: Body, path: str = "/chat/completions", seconds: float = 10.0
) -> tuple[int, Body]:
    async with client(seconds) as session, session.post(server.url + path, json=body) as reply:
        return reply.status, await reply.json()


async def post_all(server: Simulation, bodies: list[Body]) -> list[int]:
    async with client() as session:

        async def status(body: Body) -> int:
            async with session.post(server.url + "/chat/completions", json=body) as reply:
                await reply.read()
                return reply.status

        return await asyncio.gather(*map(status, bodies))


async def until(true: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never happened")


async def said(server: Simulation, body: Body) -> Any:
    _, reply = await post(server, body)
    return json.loads(reply["choices"][0]["message"]["content"])
