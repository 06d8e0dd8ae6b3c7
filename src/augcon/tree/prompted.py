"""One prompted call for a node: its question, and with it what the parts are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from augcon.llm.base import Sampling
from augcon.prompts import Asker, Library, Prompt, Weakening
from augcon.records import Context
from augcon.tree.split import Division, Excerpt

__all__ = ["PromptedDivider", "PromptedQuestions"]


class _Prompted:
    """A model, and the prompt file of this name."""

    languages: frozenset[str] | None = None
    prompt_name = "tree"

    def __init__(self, asker: Asker, library: Library, sampling: Sampling) -> None:
        self._asker = asker
        self._library = library
        self._sampling = sampling

    def _prompt(self, node: Context) -> Prompt:
        return self._library.prompt(self.prompt_name, node.language)

    def _shown(self, node: Context) -> Mapping[str, str]:
        """The prompt's inputs."""
        return {"context": node.text}

    async def _weak_question(self, node: Context, weakening: Weakening) -> str:
        """A question from a weakened prompt. The parts are not asked for: nothing uses them, and
        the question comes before them in the reply, so it is the same question without them."""
        seed = self._asker.caller.seed_for("weak", node.id, weakening)
        prompt = self._prompt(node).weakened(weakening, seed).only("question")
        outputs = await self._asker.ask(prompt, self._shown(node), self._sampling, seed)
        return outputs["question"]


class PromptedDivider(_Prompted, ABC):
    """Question and parts in one call; the question alone where there is no choice of parts."""

    async def divide(self, node: Context, pass_number: int) -> Division:
        prompt, known = self._prompt(node), self._known_parts(node)

        def check(outputs: dict[str, str]) -> None:
            if known is None:
                self._division(node, outputs)

        outputs = await self._asker.ask(
            prompt if known is None else prompt.only("question"),
            self._shown(node),
            self._sampling,
            self._asker.caller.seed_for("divide", node.id, pass_number),
            check,
        )
        if known is None:
            return self._division(node, outputs)
        return Division.verbatim(outputs["question"], known)

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        return await self._weak_question(node, weakening)

    def _known_parts(self, node: Context) -> tuple[Excerpt, ...] | None:
        """Where there is nothing to divide, or one way only; None where the model is to say."""
        return None

    @abstractmethod
    def _division(self, node: Context, outputs: Mapping[str, str]) -> Division:
        """What a reply tells. Raises Unusable for a reply to be asked again."""


class PromptedQuestions(_Prompted):
    """The question alone, by the prompt that else asks for the parts too."""

    async def write(self, node: Context, pass_number: int) -> str:
        seed = self._asker.caller.seed_for("divide", node.id, pass_number)
        prompt = self._prompt(node).only("question")
        outputs = await self._asker.ask(prompt, self._shown(node), self._sampling, seed)
        return outputs["question"]

    async def write_weakly(self, node: Context, weakening: Weakening) -> str:
        return await self._weak_question(node, weakening)
