"""A model that answers from a script and raises on anything the script does not know.

For tests and for trying a prompt file without a server: no sampling, no network, and no way to
get an answer that nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from augcon.llm.base import Choice, Reply, Request, Usage

__all__ = ["FakeModel", "UnknownPromptError"]

Script = Callable[[Request], Reply | str | None] | Mapping[str, str]


class UnknownPromptError(AssertionError):
    """The script holds no reply to this request."""


class FakeModel:
    """Answers with `script(request)`, or with the entry whose key is the request's last text.

    Every request is kept in `requests`, in the order in which it came.
    """

    def __init__(self, script: Script, name: str = "fake") -> None:
        self.name = name
        self.requests: list[Request] = []
        self._script = script

    async def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        if isinstance(self._script, Mapping):
            found: Reply | str | None = self._script.get(last_text(request))
        else:
            found = self._script(request)
        if found is None:
            raise UnknownPromptError(f"no scripted reply to: {last_text(request)[:500]!r}")
        if isinstance(found, Reply):
            return found
        usage = Usage(len(last_text(request).split()), len(found.split()))
        return Reply((Choice(found),), usage=usage)

    async def close(self) -> None:
        """Nothing is held open."""


def last_text(request: Request) -> str:
    """The text that the request ends with: the last message, or the prompt itself."""
    return request.messages[-1].content if request.messages else request.text
