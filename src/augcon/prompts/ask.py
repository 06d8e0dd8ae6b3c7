"""Asking a prompt of a model and getting its outputs back, whatever form the model can manage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from augcon.characters import REPLACEMENT
from augcon.llm.base import Reply, Request, Sampling
from augcon.llm.call import Caller, Unusable
from augcon.prompts.prompt import Form, Prompt

__all__ = ["Asker"]

Check = Callable[[dict[str, str]], None]


def _no_check(outputs: dict[str, str]) -> None:
    """Every reply that parses will do."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A model with the form of reply that it was found to manage.

    form      "json" where the server takes a schema, "marked" where it refuses one
    endpoint  "completion" for models that have no chat template
    """

    caller: Caller
    form: Form = "json"
    endpoint: Literal["chat", "completion"] = "chat"

    async def ask(
        self,
        prompt: Prompt,
        values: Mapping[str, str],
        sampling: Sampling,
        seed: int,
        check: Check = _no_check,
    ) -> dict[str, str]:
        """The prompt's outputs by key; `check` raises Unusable for a reply to be asked again.

        Raises ReplyError after the caller's bounded tries.
        """
        form: Form = self.form if self.endpoint == "chat" else "marked"

        def read(reply: Reply) -> dict[str, str]:
            if reply.choices and reply.choices[0].finish_reason == "length":
                raise Unusable("the reply was cut off by the token limit")
            if not reply.text.strip():
                raise Unusable("the reply is empty")
            outputs = prompt.parse(reply.text, form)
            if _is_damaged(outputs, values):
                raise Unusable("the reply holds half a character")
            check(outputs)
            return outputs

        return await self.caller.ask(self._request(prompt, values, sampling, seed, form), read)

    def _request(
        self,
        prompt: Prompt,
        values: Mapping[str, str],
        sampling: Sampling,
        seed: int,
        form: Form,
    ) -> Request:
        if self.endpoint == "completion":
            text = prompt.completion(values)
            return Request("completion", text=text, sampling=sampling, seed=seed)
        schema = prompt.schema() if form == "json" else ""
        messages = prompt.messages(values, form)
        return Request("chat", messages, sampling=sampling, seed=seed, schema=schema)


def _is_damaged(outputs: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Whether a character was lost in the reply; what was lost in the text it is of is quoted."""
    return any(REPLACEMENT in said for said in outputs.values()) and not any(
        REPLACEMENT in given for given in values.values()
    )
