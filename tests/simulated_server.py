"""A server with OpenAI's wire format, over real HTTP, whose replies follow from the prompt alone.

It reads the fenced passage out of the last message and answers from it: a question made of the
passage's own words, the passage halved at a sentence, a sentence as the answer, a grade. The same
request always gets the same reply, another seed another question. `Faults` make it misbehave.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

MODEL = "simulated-7b"
KEY = "sk-simulated-0123456789"
HIDDEN = 48
FENCED = re.compile(r"^<{3,}\n(.*?)\n>{3,}$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^\[\[(\w+)\]\]$", re.MULTILINE)
SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]+[”」\"')]*\s*|[^.!?。！？]+$")


@dataclass
class Faults:
    """What goes wrong. Rates are shares of requests, drawn by the request itself."""

    refuse_schema: bool = False
    ignore_schema: bool = False
    embeddings: bool = True
    key: str | None = None
    key_preamble: str = ""  # what the server says before it echoes a wrong key
    status: dict[int, float] = field(default_factory=dict)  # HTTP status → share of requests
    code: str | None = None  # the error code that goes with it
    retry_after: str = ""  # the header that goes with it
    body: str = ""  # every reply is this text
    garbage: float = 0.0  # share of replies that are not what was asked for
    garbage_for: str = ""  # always garbage where the passage holds this
    refuse_for: str = ""  # HTTP 400 where the passage holds this
    fail_for: str = ""  # HTTP 500 where the passage holds this
    refuse_embedding_for: str = ""  # HTTP 400 where a text to be embedded holds this
    first_embedding_fails: bool = False  # HTTP 503, once
    delay: float = 0.0  # seconds
    stop_after: int = 0  # from this request on, HTTP 503; 0 for never


@dataclass
class Log:
    """What was asked."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def repeated(self) -> int:
        """Requests that were asked more than once and answered."""
        seen = Counter(json.dumps(body, sort_keys=True) for body in self.bodies)
        return sum(n - 1 for n in seen.values())


class Simulation:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.log = Log()
        self.attempts: Counter[str] = Counter()
        self.url = ""

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        return await self._served(request, body, self._chat)

    async def embeddings(self, request: Request) -> Response:
        body = await request.json()
        if not self.faults.embeddings:
            return _error(404, "this server has no embeddings")
        if self.faults.first_embedding_fails:
            self.faults.first_embedding_fails = False
            return _error(503, "the model is being loaded")
        return await self._served(request, body, self._embedding)

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def _served(self, request: Request, body: dict[str, Any], answer: Any) -> Response:
        self.log.in_flight += 1
        self.log.most_in_flight = max(self.log.most_in_flight, self.log.in_flight)
        try:
            if self.faults.delay:
                await asyncio.sleep(self.faults.delay)
            if (fault := self._fault(request, body)) is not None:
                return fault
            self.log.bodies.append(body)
            if self.faults.body:
                return Response(self.faults.body, media_type="application/json")
            return JSONResponse(answer(body))
        finally:
            self.log.in_flight -= 1

    def _fault(self, request: Request, body: dict[str, Any]) -> Response | None:
        faults = self.faults
        given = request.headers.get("authorization", "")
        if faults.key is not None and given != f"Bearer {faults.key}":
            wrong = given.removeprefix("Bearer ")
            return _error(401, f"{faults.key_preamble}Incorrect API key provided: {wrong}")
        if body.get("model") != MODEL:
            return _error(404, f"The model `{body.get('model')}` does not exist")
        if (fault := self._fault_at(body)) is not None:
            return fault
        if faults.stop_after and len(self.log.bodies) >= faults.stop_after:
            return _error(503, "shutting down", None, faults.retry_after)
        if not faults.status:
            return None
        identity = json.dumps(body, sort_keys=True)
        self.attempts[identity] += 1
        draw = random.Random(f"{identity}{self.attempts[identity]}").random()
        for status, share in faults.status.items():
            if draw < share:
                return _error(status, "a passing fault", faults.code, faults.retry_after)
            draw -= share
        return None

    def _fault_at(self, body: dict[str, Any]) -> Response | None:
        """What this very request always gets."""
        faults, whole = self.faults, json.dumps(body, ensure_ascii=False)
        if faults.refuse_schema and "response_format" in body:
            return _error(400, "response_format is not supported")
        if faults.refuse_for and faults.refuse_for in whole:
            return _error(400, "content policy")
        if faults.fail_for and faults.fail_for in whole:
            return _error(500, "the engine stumbled")
        if faults.refuse_embedding_for and faults.refuse_embedding_for in body.get("input", ""):
            return _error(400, "the input is too long")
        return None

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        text = self._reply(body)
        prompt = sum(len(m["content"].split()) for m in body["messages"])
        return {
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": prompt, "completion_tokens": len(text.split())},
        }

    def _reply(self, body: dict[str, Any]) -> str:
        system, last = body["messages"][0]["content"], body["messages"][-1]["content"]
        fenced = FENCED.findall(last)
        draw = random.Random(f"{body['seed']}{last}")
        must_fail = self.faults.garbage_for and self.faults.garbage_for in last
        if must_fail or draw.random() < self.faults.garbage:
            return "I would rather talk about something else."
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if schema is not None and not self.faults.ignore_schema:
            keys = list(schema["properties"])
            return json.dumps(_outputs(keys, fenced, draw, system), ensure_ascii=False)
        keys = MARK.findall(system)
        if not keys:
            return "yes"
        outputs = _outputs(keys, fenced, draw, system)
        return "\n".join(f"[[{key}]]\n{outputs[key]}" for key in keys)

    def _embedding(self, body: dict[str, Any]) -> dict[str, Any]:
        vector = [0.0] * HIDDEN
        for word in re.findall(r"\w", body["input"]) + body["input"].split():
            at = int(hashlib.md5(word.encode()).hexdigest(), 16) % HIDDEN
            vector[at] += 1.0
        return {
            "object": "list",
            "model": MODEL,
            "data": [{"object": "embedding", "index": 0, "embedding": vector}],
            "usage": {"prompt_tokens": len(body["input"].split()), "total_tokens": 1},
        }


def _outputs(
    keys: list[str], fenced: list[str], draw: random.Random, system: str
) -> dict[str, str]:
    passage = fenced[0] if fenced else ""
    chinese = bool(re.search("[一-鿿]", passage))
    first, second = _halves(passage)
    weak = len(system) < 900
    made = {
        "question": _question(passage, draw, chinese, weak),
        "first": first,
        "second": second,
        "answer": _answer(passage, draw) if passage else "yes",
        "reason": "事实一致。" if chinese else "The facts agree.",
        "grade": str(draw.choice([3, 4, 5])),
    }
    return {key: made[key] for key in keys}


def _question(passage: str, draw: random.Random, chinese: bool, weak: bool) -> str:
    if chinese:
        words = re.findall("[一-鿿]{2,4}", passage) or ["它"]
        named = "、".join(draw.sample(words, min(3, len(words))))
        return f"{draw.choice(['关于', '对于', '就'])}{named}，情况如何？"
    words = re.findall(r"[A-Za-z]{4,}", passage) or ["it"]
    named = " and ".join(draw.sample(words, min(2 if weak else 4, len(words))))
    start = draw.choice(["What is known about", "How are things with", "Why does it matter for"])
    return f"{start} {named}?"


def _halves(passage: str) -> tuple[str, str]:
    sentences = SENTENCE.findall(passage)
    if len(sentences) < 2:
        middle = max(1, len(passage) // 2)
        return passage[:middle].strip() or passage, passage[middle:].strip() or passage
    middle = len(sentences) // 2
    return "".join(sentences[:middle]).strip(), "".join(sentences[middle:]).strip()


def _answer(passage: str, draw: random.Random) -> str:
    return draw.choice([s.strip() for s in SENTENCE.findall(passage) if s.strip()] or ["."])


def _error(status: int, message: str, code: str | None = None, retry_after: str = "") -> Response:
    if status == 599:
        return PlainTextResponse("<html>bad gateway</html>", status_code=502)
    headers = {"Retry-After": retry_after} if retry_after else None
    said = {"error": {"message": message, "code": code}}
    return JSONResponse(said, status_code=status, headers=headers)


@contextmanager
def simulated_server(faults: Faults | None = None) -> Iterator[Simulation]:
    """The server on a free port of this machine, for as long as the block lasts."""
    simulation = Simulation(faults or Faults())
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", simulation.chat, methods=["POST"]),
            Route("/v1/embeddings", simulation.embeddings, methods=["POST"]),
            Route("/v1/models", simulation.models),
        ]
    )
    # Named a TCP socket, for else asyncio leaves Nagle on: 40 ms for every reply.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        simulation.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.01)
        try:
            yield simulation
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join()
