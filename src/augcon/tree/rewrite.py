"""The paper's way: one call gives a node its question and both its parts, made to stand alone."""

from __future__ import annotations

from augcon.llm.base import Sampling
from augcon.prompts import Asker, Library, Weakening
from augcon.records import Context
from augcon.tree.split import Division

__all__ = ["RewriteDivider"]


class RewriteDivider:
    """Asks a model for question, first part and second part (Algorithm 1 of the paper)."""

    languages: frozenset[str] | None = None

    def __init__(self, asker: Asker, library: Library, sampling: Sampling) -> None:
        self._asker = asker
        self._library = library
        self._sampling = sampling

    async def divide(self, node: Context, pass_number: int) -> Division:
        outputs = await self._asker.ask(
            self._library.prompt("tree", node.language),
            {"context": node.text},
            self._sampling,
            self._asker.caller.seed_for("divide", node.id, pass_number),
        )
        return Division(outputs["question"], (outputs["first"], outputs["second"]))

    async def weak_question(self, node: Context, weakening: Weakening) -> str:
        """A question from a weakened prompt. The parts are not asked for: nothing uses them, and
        the question comes before them in the reply, so it is the same question without them."""
        seed = self._asker.caller.seed_for("weak", node.id, weakening)
        prompt = self._library.prompt("tree", node.language).weakened(weakening, seed)
        outputs = await self._asker.ask(
            prompt.only("question"), {"context": node.text}, self._sampling, seed
        )
        return outputs["question"]
