"""The simulated server itself: OpenAI's wire format over real HTTP, in a thread of this process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulation.engine import Engine, QueueFullError, tokens_of
from tests.simulation.faults import Drawn, Faults
from tests.simulation.log import Log
from tests.simulation.replies import (
    Asked,
    Choice,
    choices_of,
    embedding_of,
    logprobs_of,
    spoiled,
)
from tests.simulation.schemas import UnsatisfiableError
from tests.simulation.unanswered import UNANSWERED

MODEL = "simulated-7b"
OTHER_MODEL = "simulated-7b-0613"
KEY = "sk-simulated-0123456789"
BAD_GATEWAY = 599  # stands for HTTP 502 with a page of HTML
NO_JSON = "upstream is warming up"
WAITING_CONNECTIONS = 2048
LAST_MOMENT = 0.01  # seconds that handlers get when the server stops

Body = dict[str, Any]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Answer = Callable[[Body, Drawn, Log], Awaitable[Body]]


@dataclass
class _RefusedError(Exception):
    """The request gets an HTTP error instead of a reply."""

    status: int
    message: str
    code: str | None = None
    retry_after: str = ""

    def response(self) -> web.Response:
        if self.status == BAD_GATEWAY:
            return web.Response(text="<html>bad gateway</html>", status=502)
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        said = {"message": self.message, "type": kind, "param": None, "code": self.code}
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return _json({"error": said}, self.status, headers)


class Simulation:
    """One server. Everything that is public can be changed or replaced while it runs."""

    def __init__(self, faults: Faults, engine: Engine, log: Log) -> None:
        self.faults = faults
        self.engine = engine
        self.log = log
        self.attempts: Counter[bytes] = Counter()
        self.url = ""
        self._closing: dict[asyncio.Transport | None, asyncio.TimerHandle] = {}  # idle connections
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): lambda r: self._served(r, self._text),
            ("POST", "/v1/completions"): lambda r: self._served(r, self._text),
            ("POST", "/v1/embeddings"): lambda r: self._served(r, self._embeddings),
            ("GET", "/v1/models"): self._models,
            ("GET", "/stats"): self._stats,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            return _RefusedError(404, f"no {request.method} {request.path} here").response()
        if (timer := self._closing.pop(request.transport, None)) is not None:
            timer.cancel()
        try:
            return await handler(request)
        finally:
            self._close_when_idle(request.transport)

    def _close_when_idle(self, connection: asyncio.Transport | None) -> None:
        def close(transport: asyncio.Transport) -> None:
            self._closing.pop(transport, None)
            transport.close()

        if connection is not None and (seconds := self.faults.close_idle):
            loop = asyncio.get_running_loop()
            self._closing[connection] = loop.call_later(seconds, close, connection)

    async def _models(self, request: web.BaseRequest) -> web.Response:
        row: dict[str, Any] = {"id": MODEL, "object": "model"}
        if self.faults.window:
            row["max_model_len"] = self.faults.window
        return _json({"object": "list", "data": [row]})

    async def _stats(self, request: web.BaseRequest) -> web.Response:
        """The log's totals; with ?start=…&end=… also the busy share between two moments."""
        totals = self.log.totals()
        if "start" in request.query:
            start = float(request.query["start"])
            end = float(request.query.get("end", totals["now"]))
            busy_share = self.log.busy_share(start, end)
            totals["window"] = {"start": start, "end": end, "busy_share": busy_share}
        return _json(totals)

    async def _served(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        log, status = self.log, 0
        arrived = log.came()
        try:
            response = await self._response(request, answer, log)
            status = response.status
            return response
        finally:
            log.went(arrived, status)

    async def _response(
        self, request: web.BaseRequest, answer: Answer, log: Log
    ) -> web.StreamResponse:
        raw = await request.read()
        faults = self.faults
        try:
            body = _parsed(raw)
            log.read(body)
            self._admit(request, body, log)
            drawn = self._drawn(raw)
            if drawn.fault:
                log.faults[drawn.fault] += 1
            if drawn.status:
                raise self._refusal(drawn, drawn.status, "a passing fault", faults.code)
            if drawn.fault in UNANSWERED:
                return await UNANSWERED[drawn.fault](request, faults)
            if faults.delay:
                slower = faults.slow_times if drawn.fault == "slow" else 1.0
                await asyncio.sleep(faults.delay * slower)
            reply = await answer(body, drawn, log)
        except _RefusedError as refusal:
            return refusal.response()
        log.kept(body)
        if faults.body:
            return web.Response(text=faults.body, content_type="application/json")
        if drawn.fault == "not_json":
            return web.Response(text=NO_JSON, content_type="application/json")
        return _json(_reshaped(reply, drawn.fault))

    def _admit(self, request: web.BaseRequest, body: Body, log: Log) -> None:
        """Raise what this request always gets, whatever is drawn."""
        faults = self.faults
        embeds = request.path == "/v1/embeddings"
        if embeds and not faults.embeddings:
            raise _RefusedError(404, "this server has no embeddings")
        if embeds and faults.first_embedding_fails:
            faults.first_embedding_fails = False
            raise _RefusedError(503, "the model is being loaded")
        given = request.headers.get("authorization", "")
        if faults.key is not None and given != f"Bearer {faults.key}":
            wrong = given.removeprefix("Bearer ")
            raise _RefusedError(401, f"{faults.key_preamble}Incorrect API key provided: {wrong}")
        if body.get("model") != MODEL:
            raise _RefusedError(404, f"The model `{body.get('model')}` does not exist")
        _refuse_by_content(faults, body)
        if faults.stop_after and log.answered >= faults.stop_after:
            raise _RefusedError(503, "shutting down", None, faults.retry_after)

    def _drawn(self, raw: bytes) -> Drawn:
        if not self.faults.draws():
            return Drawn()
        identity = hashlib.blake2b(raw, digest_size=16).digest()
        self.attempts[identity] += 1
        return self.faults.drawn(identity.hex(), self.attempts[identity])

    def _refusal(
        self, drawn: Drawn, status: int, message: str, code: str | None = None
    ) -> _RefusedError:
        wait = self.faults.retry_after if drawn.says_when else ""
        return _RefusedError(status, message, code, wait)

    async def _text(self, body: Body, drawn: Drawn, log: Log) -> Body:
        asked = _read(body)
        prompt = asked.tokens()
        if 0 < (most := self.faults.too_long_over) < len(prompt):
            said = f"the context holds {most} tokens, and the prompt has {len(prompt)}"
            raise _RefusedError(400, said, "context_length_exceeded")
        count = 2 if drawn.fault == "two_choices" and asked.choices == 1 else asked.choices
        try:
            choices = [spoiled(drawn.fault, c) for c in choices_of(asked, self.faults, count)]
        except UnsatisfiableError as error:
            raise _RefusedError(400, f"invalid schema: {error}", "invalid_schema") from error
        lengths = [len(tokens_of(choice.text)) for choice in choices]
        cached = await self._work(prompt, max(lengths), drawn, log)
        log.prompt_tokens += len(prompt)
        log.cached_tokens += cached
        log.completion_tokens += sum(lengths)
        chat = "messages" in body
        return {
            "id": "chatcmpl-simulated" if chat else "cmpl-simulated",
            "object": "chat.completion" if chat else "text_completion",
            "model": MODEL,
            "choices": [
                {**_choice(at, choice, chat), **self._logprobs(body, choice)}
                for at, choice in enumerate(choices)
            ],
            "usage": {
                "prompt_tokens": len(prompt),
                "completion_tokens": sum(lengths),
                "total_tokens": len(prompt) + sum(lengths),
                "prompt_tokens_details": {"cached_tokens": cached},
            },
        }

    def _logprobs(self, body: Body, choice: Choice) -> Body:
        if not body.get("logprobs") or self.faults.ignore_logprobs:
            return {}
        return {"logprobs": {"content": logprobs_of(choice.text, body["top_logprobs"])}}

    async def _embeddings(self, body: Body, drawn: Drawn, log: Log) -> Body:
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise _RefusedError(400, "'input' must be a text or a list of texts")
        tokens = [token for text in texts for token in tokens_of(text)]
        vectors = [embedding_of(text) for text in texts]
        await self._work(tokens, 0, drawn, log, cacheable=False)
        log.embedded_tokens += len(tokens)
        return {
            "object": "list",
            "model": MODEL,
            "data": [
                {"object": "embedding", "index": at, "embedding": vector}
                for at, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": len(tokens), "total_tokens": len(tokens)},
        }

    async def _work(
        self,
        prompt: list[str],
        completion_tokens: int,
        drawn: Drawn,
        log: Log,
        cacheable: bool = True,
    ) -> int:
        slower = self.faults.slow_times if drawn.fault == "slow" else 1.0
        try:
            return await self.engine.work(prompt, completion_tokens, log, slower, cacheable)
        except QueueFullError as error:
            raise self._refusal(drawn, 429, "the queue is full") from error


def _parsed(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise _RefusedError(400, "the request is not JSON") from error
    if not isinstance(body, dict):
        raise _RefusedError(400, "the request is no JSON object")
    return body


def _read(body: Body) -> Asked:
    try:
        return Asked.read(body)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _RefusedError(400, f"the request has an unknown shape: {error!r}") from error


def _refuse_by_content(faults: Faults, body: Body) -> None:
    if faults.refuse_schema and "response_format" in body:
        raise _RefusedError(400, "response_format is not supported")
    if faults.refuse_logprobs and body.get("logprobs"):
        raise _RefusedError(400, "logprobs are not supported")
    if faults.refuse_embedding_for and faults.refuse_embedding_for in body.get("input", ""):
        raise _RefusedError(400, "the input is too long")
    if not (faults.refuse_for or faults.fail_for):
        return
    whole = json.dumps(body, ensure_ascii=False)
    if faults.refuse_for and faults.refuse_for in whole:
        raise _RefusedError(400, "content policy")
    if faults.fail_for and faults.fail_for in whole:
        raise _RefusedError(500, "the engine stumbled")


def _choice(at: int, choice: Choice, chat: bool) -> Body:
    said: Body = (
        {"message": {"role": "assistant", "content": choice.text}}
        if chat
        else {"text": choice.text}
    )
    return {"index": at, **said, "finish_reason": choice.finish_reason}


def _reshaped(reply: Body, fault: str) -> Body:
    if fault == "wrong_shape":
        return {key: value for key, value in reply.items() if key not in ("choices", "data")}
    return {**reply, "model": OTHER_MODEL} if fault == "other_model" else reply


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    body = said.encode("utf-8", "backslashreplace")  # half a character, as JSON escapes it
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
) -> web.BaseRequest:
    """A request of any size, as a context of a million tokens takes."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=0)


@asynccontextmanager
async def listening(simulation: Simulation, port: int = 0) -> AsyncIterator[None]:
    """The server on a port of this machine; who still waits for an answer at the end gets none."""
    server = web.Server(
        simulation.handle, request_factory=_request, handler_cancellation=True, access_log=None
    )
    listener = await asyncio.get_running_loop().create_server(
        server, "127.0.0.1", port, reuse_address=True, backlog=WAITING_CONNECTIONS
    )
    simulation.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield
    finally:
        listener.close()
        await server.shutdown(LAST_MOMENT)


@contextmanager
def simulated_server(
    faults: Faults | None = None, engine: Engine | None = None, record: str = ""
) -> Iterator[Simulation]:
    """The server in a thread of this process, for as long as the block lasts."""
    simulation = Simulation(faults or Faults(), engine or Engine(), Log(record=record))
    stopper: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        async with listening(simulation):
            stopper.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
            await stopped.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    stop = stopper.result(timeout=10)
    try:
        yield simulation
    finally:
        stop()
        thread.join()
