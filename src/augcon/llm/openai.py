"""A model behind an OpenAI-compatible HTTP server.

The client's typed path costs three times the time of its raw one, so requests are posted as plain
dictionaries and the replies are read here, strictly. Faults are told apart by HTTP status and
error code, never by the words of a message.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai

from augcon.errors import KeyRefusedError, ModelError, NotServedError, RequestRefused
from augcon.llm.base import Choice, Reply, Request, TokenLogprob, TryAgain, Usage

__all__ = ["OpenAIModel"]

Cause = TypeVar("Cause", bound=BaseException)

PATHS = {"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST_QUOTE = 300
NOT_IMPLEMENTED = 501  # what llama.cpp says where it was started without embeddings
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
        timeout: float = 300.0,
        key_variable: str = "OPENAI_API_KEY",
    ) -> None:
        self.base_url = base_url
        self.name = name
        self._key = api_key or NO_KEY
        self._key_given = api_key is not None
        self._key_variable = key_variable
        # A proxy from the environment has no business between this process and its own machine.
        local = urlsplit(base_url).hostname in LOOPBACK
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=self._key,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(trust_env=not local, timeout=timeout),
        )

    async def ask(self, request: Request) -> Reply:
        """The server's reply, read strictly."""
        try:
            body: object = await self._client.post(
                PATHS[request.endpoint], cast_to=object, body=_body(request, self.name)
            )
        except openai.APIStatusError as error:
            raise self._fault(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except (openai.APIError, ValueError) as error:
            raise TryAgain(f"{self.base_url} sent a reply that is not JSON") from error
        return _read(request, body)

    async def list_models(self) -> list[str]:
        """The model names that the server says it serves."""
        try:
            body: object = await self._client.get("/models", cast_to=object)
        except openai.APIStatusError as error:
            raise self._fault(error) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except (openai.APIError, ValueError) as error:
            raise TryAgain(f"{self.base_url} sent a reply that is not JSON") from error
        rows = body.get("data", []) if isinstance(body, dict) else []
        return [str(row.get("id")) for row in rows if isinstance(row, dict)]

    async def close(self) -> None:
        await self._client.close()

    def _unreachable(self, error: openai.APIConnectionError) -> TryAgain:
        """What the system said tells the two apart: the client calls a refusal a timeout too."""
        cause = next(_causes(error, OSError), None)
        if isinstance(cause, TimeoutError) or (
            cause is None and isinstance(error, openai.APITimeoutError)
        ):
            return TryAgain(f"{self.base_url} did not answer in time")
        return TryAgain(f"cannot reach {self.base_url} ({type(cause or error).__name__})")

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
        if status in (408, 409, 425, 429) or (status >= 500 and status != NOT_IMPLEMENTED):
            return TryAgain(f"{where}: {said}", _retry_after(error.response.headers))
        return RequestRefused(f"{where}: {said}")


def _causes(error: BaseException, kind: type[Cause]) -> Iterator[Cause]:
    """The errors of this kind behind an error, the first cause of all first."""
    if (behind := error.__cause__ or error.__context__) is not None:
        yield from _causes(behind, kind)
    if isinstance(error, kind):
        yield error


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
        usage = body.get("usage") or {}
        counted = Usage(
            int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        )
        if request.endpoint == "embedding":
            # 32 bits, as the journal keeps them: a replay gives the very same numbers.
            vector = tuple(array("f", body["data"][0]["embedding"]))
            return Reply(embedding=vector, usage=counted)
        return Reply(tuple(_choice(c) for c in body["choices"]), usage=counted)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise TryAgain(f"the server's reply has an unknown shape ({error!r})") from error


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
    try:
        wait = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, wait) if math.isfinite(wait) else None


def _message(body: object) -> str:
    """The server's own words, on one line."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, dict) else inner
        if said:
            return " ".join(str(said).split())
    return " ".join(str(body or "nothing").split())
