"""The one way to a model: a request goes in, a reply comes out.

An OpenAI-compatible server, the embedded model and the scripted fake stand behind `Model`.
Retries, the journal and the limit on calls in flight belong to `augcon.llm.call`, not here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

__all__ = [
    "Choice",
    "Fault",
    "Message",
    "Model",
    "Reply",
    "Request",
    "Sampling",
    "TokenLogprob",
    "TryAgain",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. Temperature 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides a reply, and so everything that the journal's identity holds.

    endpoint       chat: `messages`; completion and embedding: `text`
    schema         a JSON schema as canonical JSON text; the reply must satisfy it
    grammar        GBNF, for servers that take it (llama.cpp)
    choices        how many samples to draw in this one call
    top_logprobs   log-probabilities of so many likeliest tokens at each position; 0 for none
    sample         which re-ask or repetition this is; it also changes the seed
    """

    endpoint: Literal["chat", "completion", "embedding"]
    messages: tuple[Message, ...] = ()
    text: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    sample: int = 0
    schema: str = ""
    grammar: str = ""
    choices: int = 1
    top_logprobs: int = 0

    def identity(self, model: str) -> str:
        """32 hex digits naming this request to this model (BLAKE2b, 128 bits)."""
        sampling = self.sampling
        told = {
            "endpoint": self.endpoint,
            "messages": [{"role": m.role, "content": m.content} for m in self.messages],
            "text": self.text,
            "sampling": {name: getattr(sampling, name) for name in sampling.__slots__},
            "seed": self.seed,
            "sample": self.sample,
            "schema": self.schema,
            "grammar": self.grammar,
            "choices": self.choices,
            "top_logprobs": self.top_logprobs,
        }
        whole = json.dumps([model, told], ensure_ascii=False, sort_keys=True)
        return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token, its natural-log probability, and the likeliest tokens at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One sampled text. `finish_reason` is the server's word: "stop" or "length", for example."""

    text: str
    finish_reason: str = "stop"
    tokens: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `choices` for text, `embedding` (hidden,) for an embedding request.

    `model` is the name under which the server answered; empty from the journal.
    """

    choices: tuple[Choice, ...] = ()
    embedding: tuple[float, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""

    @property
    def text(self) -> str:
        """The first choice's text, or the empty string."""
        return self.choices[0].text if self.choices else ""


class Fault(StrEnum):
    """What a passing fault says of the server."""

    BUSY = "busy"  # it has too much to do: 429, 503
    TIMEOUT = "timeout"  # it took the request and did not answer in time
    GONE = "gone"  # no connection can be made
    LOST = "lost"  # the connection broke
    BROKEN = "broken"  # it answered, and not as it should: 500, no JSON


class TryAgain(Exception):  # noqa: N818 - it asks for something, it is not an error of ours
    """A passing fault: the same request may succeed later.

    `wait` is what the server asked for, in seconds; None where it said nothing.
    """

    def __init__(
        self, problem: str, wait: float | None = None, fault: Fault = Fault.BROKEN
    ) -> None:
        super().__init__(problem, wait, fault)
        self.problem = problem
        self.wait = wait
        self.fault = fault


class Model(Protocol):
    """Anything that answers requests. `name` is its part of the journal's identity.

    `ask` raises `ModelError` where no request can succeed (server gone, key, unknown model),
    `RequestRefused` where this one cannot, and `TryAgain` for a passing fault.
    """

    @property
    def name(self) -> str: ...

    async def ask(self, request: Request) -> Reply: ...

    async def close(self) -> None: ...
