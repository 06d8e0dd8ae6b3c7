"""A model behind an OpenAI-compatible HTTP server.

Requests are posted over one aiohttp session, at a third of what the usual client costs for each.
Faults are told apart by HTTP status and error code, never by the words of a message.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from augcon.errors import (
    AugConError,
    ContentRefused,
    KeyRefusedError,
    ModelError,
    NotServedError,
    RequestRefused,
    TooLongError,
)
from augcon.llm.base import Fault, Reply, Request, TryAgain
from augcon.llm.wire import (
    PATHS,
    about_tokens,
    body_of,
    read_reply,
    read_retry_after,
    texts_of,
    window_of,
    words_of,
)

__all__ = ["OpenAIModel"]

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST_QUOTE = 300
NOT_IMPLEMENTED = 501  # what llama.cpp says where it was started without embeddings
BUSY = {408, 409, 425, 429, 503, 529}
TOO_LONG = {"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}
REFUSED_CONTENT = {"content_filter", "content_policy_violation"}
QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
CONNECT_SECONDS = 30.0
NO_KEY = "none"  # some servers insist on a key, and take any


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
        self.base_url = base_url.rstrip("/")
        self.name = name
        self._key = api_key or NO_KEY
        self._key_given = api_key is not None
        self._key_variable = key_variable
        self._waits = aiohttp.ClientTimeout(
            total=timeout, sock_connect=min(CONNECT_SECONDS, timeout), sock_read=silence
        )
        self._session: aiohttp.ClientSession | None = None
        self._window: int | None = None  # tokens, once it is known; 0 where the server tells none
        self._looking_up = asyncio.Lock()

    async def ask(self, request: Request) -> Reply:
        """The server's reply, read strictly."""
        try:
            body = await self._exchange(
                "POST", PATHS[request.endpoint], body_of(request, self.name)
            )
        except RequestRefused as refusal:
            if type(refusal) is RequestRefused and await self._exceeds_window(request):
                raise TooLongError(str(refusal)) from refusal
            raise
        return read_reply(request, body)

    async def list_models(self) -> list[str]:
        """The model names that the server says it serves."""
        return [str(row.get("id")) for row in await self._listed()]

    async def window(self) -> int:
        """How many tokens the server says that the model takes; 0 where it does not say.

        Raises TryAgain where it cannot be asked now.
        """
        async with self._looking_up:
            if self._window is None:
                self._window = await self._look_up_window()
        return self._window

    async def _look_up_window(self) -> int:
        try:
            rows = await self._listed()
        except AugConError:
            return 0
        except TryAgain as fault:
            if fault.fault is not Fault.BROKEN:
                raise
            return 0  # as with some servers that have no such path
        return next((window_of(row) for row in rows if row.get("id") == self.name), 0)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _listed(self) -> list[dict[str, Any]]:
        body = await self._exchange("GET", "/models")
        rows = body.get("data", []) if isinstance(body, dict) else []
        return [row for row in rows if isinstance(row, dict)]

    async def _exchange(self, method: str, path: str, body: object = None) -> object:
        """What the server answers, as JSON. A reply must be whole within the time-out."""
        sent = None if body is None else json.dumps(body).encode()
        try:
            async with self._opened().request(method, self.base_url + path, data=sent) as response:
                received = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            cause = getattr(error, "os_error", error)
            told = f"cannot reach {self.base_url} ({type(cause).__name__})"
            raise TryAgain(told, fault=Fault.GONE) from error
        except TimeoutError as error:
            silent = isinstance(error, aiohttp.SocketTimeoutError)
            told = (
                f"sent nothing for {self._waits.sock_read:g} s (model.read_timeout)"
                if silent
                else f"sent no whole reply within {self._waits.total:g} s (model.timeout)"
            )
            told = f"{self.base_url} took the request and {told}"
            raise TryAgain(told, fault=Fault.TIMEOUT) from error
        except (aiohttp.ClientError, OSError) as error:
            told = f"lost the connection to {self.base_url} ({type(error).__name__})"
            raise TryAgain(told, fault=Fault.LOST) from error
        if response.status >= 400:
            raise self._fault(response.status, response.headers, received)
        try:
            answered: object = json.loads(received)
        except ValueError as error:
            raise TryAgain(f"{self.base_url} sent a reply that is not JSON") from error
        return answered

    def _opened(self) -> aiohttp.ClientSession:
        """The session, which belongs to the event loop that first asks for it."""
        if self._session is None:
            # A proxy from the environment has no business between this process and its machine.
            local = urlsplit(self.base_url).hostname in LOOPBACK
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # how many at once is not decided here
                timeout=self._waits,
                trust_env=not local,
                headers={
                    "Authorization": f"Bearer {self._key}",
                    "Content-Type": "application/json",
                    "User-Agent": "augcon",
                },
            )
        return self._session

    async def _exceeds_window(self, request: Request) -> bool:
        """Whether a refusal without a code is likely one of length.

        Many servers give none; most of them say, where they list their models, how much fits.
        """
        tokens = sum(about_tokens(text) for text in texts_of(request))
        return 0 < await self.window() < tokens + request.sampling.max_tokens

    def _fault(self, status: int, headers: Mapping[str, str], received: bytes) -> Exception:
        where = f"{self.base_url} (HTTP {status})"
        said, codes = words_of(received)
        if self._key_given:
            said = said.replace(self._key, "…")  # some servers echo the key
        said = said[:LONGEST_QUOTE]
        if status in (401, 403):
            hint = "was refused: check" if self._key_given else "is missing: set"
            hint = f"{hint} {self._key_variable}"
            return KeyRefusedError(f"{where}: the API key {hint}. The server says: {said}")
        if status == 404:
            path = urlsplit(self.base_url).path
            meant = "" if path else f" (did you mean {self.base_url}/v1?)"
            return NotServedError(
                f"{where}: no model {self.name!r} or no {path or '/'} path there; "
                f"check --model and --base-url{meant}. The server says: {said}"
            )
        if status == 402 or codes & QUOTA_CODES:
            return ModelError(f"{where}: the quota is spent. The server says: {said}")
        if status in BUSY or (status >= 500 and status != NOT_IMPLEMENTED):
            fault = Fault.BUSY if status in BUSY else Fault.BROKEN
            return TryAgain(f"{where}: {said}", read_retry_after(headers), fault)
        if status == 413 or codes & TOO_LONG:
            return TooLongError(f"{where}: {said}")
        if codes & REFUSED_CONTENT:
            return ContentRefused(f"{where}: {said}")
        return RequestRefused(f"{where}: {said}")
