"""OpenAI's wire format: a request as the body of a POST, and what comes back as a record.

Read strictly: a reply that breaks the format is a passing fault of the server, never an answer.
Nothing that is read holds half a character, whatever the server escaped.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from augcon.characters import whole
from augcon.llm.base import Choice, Reply, Request, TokenLogprob, TryAgain, Usage

__all__ = [
    "PATHS",
    "about_tokens",
    "body_of",
    "read_reply",
    "read_retry_after",
    "texts_of",
    "window_of",
    "words_of",
]

PATHS = {"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"}
WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "n_ctx", "n_ctx_train")
BYTES_PER_TOKEN = 4


def window_of(row: Mapping[str, Any]) -> int:
    """How many tokens a model of the server's list takes, by the names that servers give it."""
    meta = row.get("meta")
    places = [row, meta if isinstance(meta, dict) else {}]
    found = [place.get(key) for place in places for key in WINDOW_KEYS]
    return next((value for value in found if isinstance(value, int)), 0)


def about_tokens(text: str) -> int:
    """What most tokenizers make of it, within a third."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def body_of(request: Request, model: str) -> dict[str, object]:
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


def read_reply(request: Request, body: object) -> Reply:
    """The reply as a record; TryAgain where the server broke the wire format."""
    try:
        if not isinstance(body, dict):
            raise TypeError(type(body).__name__)
        model = whole(str(body.get("model") or ""))
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
    counted = body.get("usage") or {}
    prompt, completion = counted.get("prompt_tokens"), counted.get("completion_tokens")
    if prompt is None:
        prompt = sum(map(about_tokens, texts_of(request)))
    if completion is None:
        rest = int(counted.get("total_tokens") or 0) - int(prompt)
        completion = max(rest, about_tokens(written))
    return Usage(int(prompt), int(completion))


def _choice(raw: Mapping[str, Any]) -> Choice:
    text = raw["message"].get("content") if "message" in raw else raw["text"]
    return Choice(
        text=whole(text or ""),
        finish_reason=whole(str(raw.get("finish_reason") or "stop")),
        tokens=_tokens((raw.get("logprobs") or {}).get("content") or ()),
    )


def _tokens(rows: Sequence[Mapping[str, Any]]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            whole(str(row["token"])),
            float(row["logprob"]),
            tuple(
                (whole(str(t["token"])), float(t["logprob"])) for t in row.get("top_logprobs") or ()
            ),
        )
        for row in rows
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
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


def words_of(received: bytes) -> tuple[str, set[str]]:
    """What the server says of a fault, on one line, and the codes that it gives for it."""
    said: object = received.decode("utf-8", "replace")
    codes: set[str] = set()
    with suppress(ValueError):
        body = json.loads(received)
        inner = body.get("error", body) if isinstance(body, dict) else body
        said = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(inner, dict):
            codes = {str(inner[key]) for key in ("code", "type") if inner.get(key)}
    return " ".join(whole(str(said or "nothing")).split()), codes


def texts_of(request: Request) -> list[str]:
    """Everything of a request that a tokenizer reads."""
    return [message.content for message in request.messages] or [request.text]
