"""A model behind an OpenAI-compatible HTTP server.

The client's typed path costs three times the time of its raw one, so requests are posted as plain
dictionaries and the replies are read here, strictly. Faults are told apart by HTTP status and
error code, never by the words of a message.
"""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import openai

from augcon.errors import (
    AugConError,
    ContentRefused,
    KeyRefusedError,
    ModelError,
    NotServedError,
    RequestRefused,
    TooLongError,
)
from augcon.llm.base import Choice, Fault, Reply, Request, TokenLogprob, TryAgain, Usage

__all__ = ["OpenAIModel"]

PATHS = {"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST_QUOTE = 300
NOT_IMPLEMENTED = 501  # what llama.cpp says where it was started without embeddings
BUSY = {408, 409, 425, 429, 503, 529}
TOO_LONG = {"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}
REFUSED_CONTENT = {"content_filter", "content_policy_violation"}
WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "n_ctx", "n_ctx_train")
BYTES_PER_TOKEN = 4
CONNECT_SECONDS = 30.0
QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
NO_KEY = "none"  # the client insists on some key; servers without keys ignore it


class OpenAIModel:
    """One model name at one base URL.

    `name` is the endpoint's model name and goes into the journal's identity; the URL does not, so
    that a server may move without anything being asked again.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        api_key: str | None = None,
        timeout: float = 600.0,
        key_variable: str = "OPENAI_API_KEY",
        silence: float | None = None,
    ) -> None:
        """timeout: seconds for a whole reply; silence: seconds without a byte of it."""
        self.base_url = base_url
        self.name = name
        self._key = api_key or NO_KEY
        self._key_given = api_key is not None
        self._key_variable = key_variable
        # A proxy from the environment has no business between this process and its own machine.
        local = urlsplit(base_url).hostname in LOOPBACK
        self._timeout = timeout
        waits = openai.Timeout(silence or timeout, connect=min(CONNECT_SECONDS, timeout), pool=None)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=self._key,
            timeout=waits,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(trust_env=not local, timeout=waits),
        )
        self._window: int | None = None  # tokens, once the server was asked for it; 0 for unknown

    async def ask(self, request: Request) -> Reply:
        """The server's reply, read strictly."""
        try:
            with self._faults_told():
                async with asyncio.timeout(self._timeout):
                    body: object = await self._client.post(
                        PATHS[request.endpoint], cast_to=object, body=_body(request, self.name)
                    )
        except RequestRefused as refusal:
            if type(refusal) is RequestRefused and await self._exceeds_window(request):
                raise TooLongError(str(refusal)) from refusal
            raise
        return _read(request, body)

    async def list_models(self) -> list[str]:
        """The model names that the server says it serves."""
        return [str(row.get("id")) for row in await self._listed()]

    async def _listed(self) -> list[dict[str, Any]]:
        with self._faults_told():
            body: object = await self._client.get("/models", cast_to=object)
        rows = body.get("data", []) if isinstance(body, dict) else []
        return [row for row in rows if isinstance(row, dict)]

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        """The client's errors as ours. A reply must be whole within the time-out."""
        try:
            yield
        except openai.APIStatusError as error:
            raise self._fault(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except (openai.APIError, ValueError) as error:
            raise TryAgain(f"{self.base_url} sent a reply that is not JSON") from error
        except TimeoutError as error:
            raise self._too_late() from error

    def _too_late(self) -> TryAgain:
        return TryAgain(f"{self.base_url} did not answer in time", fault=Fault.TIMEOUT)

    async def _exceeds_window(self, request: Request) -> bool:
        """Whether a refusal without a code is likely one of length.

        Many servers give none; most of them say, where they list their models, how much fits.
        """
        if self._window is None:
            self._window = 0
            with suppress(AugConError, TryAgain):
                rows = await self._listed()
                self._window = next((_window_of(r) for r in rows if r.get("id") == self.name), 0)
        texts = [message.content for message in request.messages] or [request.text]
        tokens = sum(_about_tokens(text) for text in texts)
        return 0 < self._window < tokens + request.sampling.max_tokens

    async def close(self) -> None:
        await self._client.close()

    def _unreachable(self, error: openai.APIConnectionError) -> TryAgain:
        """What lies behind tells them apart: the client calls a refusal a time-out too."""
        behind = list(_causes(error))
        cause = next((c for c in behind if isinstance(c, OSError)), None)
        if isinstance(cause, TimeoutError) or (
            cause is None and isinstance(error, openai.APITimeoutError)
        ):
            return self._too_late()
        gone = any(isinstance(c, aiohttp.ClientConnectorError) for c in behind)
        told = "cannot reach" if gone else "lost the connection to"
        fault = Fault.GONE if gone else Fault.LOST
        name = type(cause or behind[0]).__name__
        return TryAgain(f"{told} {self.base_url} ({name})", fault=fault)

    def _fault(self, error: openai.APIStatusError) -> Exception:
        status, where = error.status_code, f"{self.base_url} (HTTP {error.status_code})"
        said = _message(error.body)
        if self._key_given:
            said = said.replace(self._key, "…")  # some servers echo the key
        said = said[:LONGEST_QUOTE]
        if status in (401, 403):
            hint = "was refused: check" if self._key_given else "is missing: set"
            hint = f"{hint} {self._key_variable}"
            return KeyRefusedError(f"{where}: the API key {hint}. The server says: {said}")
        if status == 404:
            return NotServedError(
                f"{where}: no model {self.name!r} or no {urlsplit(self.base_url).path or '/'} "
                f"path there; check --model and --base-url. The server says: {said}"
            )
        if status == 402 or error.code in QUOTA_CODES:
            return ModelError(f"{where}: the quota is spent. The server says: {said}")
        if status in BUSY or (status >= 500 and status != NOT_IMPLEMENTED):
            fault = Fault.BUSY if status in BUSY else Fault.BROKEN
            return TryAgain(f"{where}: {said}", _retry_after(error.response.headers), fault)
        if status == 413 or {error.code, error.type} & TOO_LONG:
            return TooLongError(f"{where}: {said}")
        if {error.code, error.type} & REFUSED_CONTENT:
            return ContentRefused(f"{where}: {said}")
        return RequestRefused(f"{where}: {said}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those behind it, the first cause of all first."""
    if (behind := error.__cause__ or error.__context__) is not None:
        yield from _causes(behind)
    yield error


def _window_of(row: Mapping[str, Any]) -> int:
    """How many tokens a model of the server's list takes, by the names that servers give it."""
    meta = row.get("meta")
    places = [row, meta if isinstance(meta, dict) else {}]
    found = [place.get(key) for place in places for key in WINDOW_KEYS]
    return next((value for value in found if isinstance(value, int)), 0)


def _about_tokens(text: str) -> int:
    """What most tokenizers make of it, within a third."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def _body(request: Request, model: str) -> dict[str, object]:
    if request.endpoint == "embedding":
        return {"model": model, "input": request.text}
    sampling = request.sampling
    body: dict[str, object] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": request.seed,
    }
    if request.endpoint == "chat":
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
    else:
        body["prompt"] = request.text
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if request.choices > 1:
        body["n"] = request.choices
    if request.grammar:
        body["grammar"] = request.grammar
    if request.schema:
        schema = {"name": "reply", "strict": True, "schema": json.loads(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.top_logprobs:
        chat = request.endpoint == "chat"
        body |= (
            {"logprobs": True, "top_logprobs": request.top_logprobs}
            if chat
            else {"logprobs": request.top_logprobs}
        )
    return body


def _read(request: Request, body: object) -> Reply:
    """The reply as a record; TryAgain where the server broke the wire format."""
    try:
        if not isinstance(body, dict):
            raise TypeError(type(body).__name__)
        model = str(body.get("model") or "")
        if request.endpoint == "embedding":
            # 32 bits, as the journal keeps them: a replay gives the very same numbers.
            vector = tuple(array("f", body["data"][0]["embedding"]))
            return Reply(embedding=vector, usage=_usage(request, body, ""), model=model)
        choices = tuple(_choice(raw) for raw in body["choices"])
        written = "".join(choice.text for choice in choices)
        return Reply(choices, usage=_usage(request, body, written), model=model)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise TryAgain(f"the server's reply has an unknown shape ({error!r})") from error


def _usage(request: Request, body: Mapping[str, Any], written: str) -> Usage:
    """As the server counts, and about that where it does not: a budget must not see nothing."""
    if counted := body.get("usage"):
        prompt, completion = counted.get("prompt_tokens"), counted.get("completion_tokens")
        return Usage(int(prompt or 0), int(completion or 0))
    texts = [message.content for message in request.messages] or [request.text]
    return Usage(sum(map(_about_tokens, texts)), _about_tokens(written))


def _choice(raw: Mapping[str, Any]) -> Choice:
    text = raw["message"].get("content") if "message" in raw else raw["text"]
    return Choice(
        text=text or "",
        finish_reason=str(raw.get("finish_reason") or "stop"),
        tokens=_tokens((raw.get("logprobs") or {}).get("content") or ()),
    )


def _tokens(rows: Sequence[Mapping[str, Any]]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            str(row["token"]),
            float(row["logprob"]),
            tuple((str(t["token"]), float(t["logprob"])) for t in row.get("top_logprobs") or ()),
        )
        for row in rows
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a date: which is told by the server's own clock, and this one's may be wrong."""
    said = headers.get("retry-after", "")
    try:
        wait = float(said)
    except ValueError:
        try:
            now = parsedate_to_datetime(headers.get("date", ""))
            wait = (parsedate_to_datetime(said) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return wait if math.isfinite(wait) and wait >= 0 else None


def _message(body: object) -> str:
    """The server's own words, on one line."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, dict) else inner
        if said:
            return " ".join(str(said).split())
    return " ".join(str(body or "nothing").split())
