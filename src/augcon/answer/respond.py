"""Stage 3: an answer from the node's own context, by principles and a few annotated examples.

The prompt is I_R with the principles P, the chosen examples E_R*, the context and the question
(section 3.3 of the paper). What enters the dataset is question and answer alone: context,
instruction, principles and examples are pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from augcon.answer.examples import Examples, is_apart
from augcon.llm.base import Sampling
from augcon.prompts import Asker, Library
from augcon.prompts.library import prompt_language
from augcon.records import Question, Triplet

__all__ = ["GenerateResponder", "Responder"]


class Responder(Protocol):
    """One way to answer. `languages` names what it can read; None stands for every language.

    `respond` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    @property
    def languages(self) -> frozenset[str] | None: ...

    async def respond(self, question: Question) -> str: ...

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        """Another answer, once it was found what is wrong with this one; "" where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class GenerateResponder:
    """The model writes the answer, shown E_R* or other examples."""

    asker: Asker
    library: Library
    examples: Examples
    sampling: Sampling
    languages: frozenset[str] | None = None

    async def respond(self, question: Question) -> str:
        spoken = prompt_language(question.context.language)
        seed = self.asker.caller.seed_for("answer", question.id)
        shots = await self.examples.of(question.context.text, question.text, spoken)
        return await self.answer(question.context.text, question.text, spoken, shots, seed)

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        spoken = prompt_language(question.context.language)
        prompt = self.library.prompt("revise", spoken)
        prompt = prompt.filled(principles=self.library.principles(spoken))
        values = {
            "context": question.context.text,
            "question": question.text,
            "draft": answer,
            "finding": finding,
        }
        seed = self.asker.caller.seed_for("revise", question.id)
        return (await self.asker.ask(prompt, values, self.sampling, seed))["answer"]

    async def answer(
        self, context: str, question: str, language: str, shots: Sequence[Triplet], seed: int
    ) -> str:
        """An answer with these few-shot examples, less any that is the item asked itself."""
        others = tuple(
            {"context": t.context, "question": t.question, "answer": t.answer}
            for t in shots
            if is_apart(t, context, question)
        )
        prompt = self.library.prompt("answer", language).with_examples(others)
        prompt = prompt.filled(principles=self.library.principles(language))
        values = {"context": context, "question": question}
        return (await self.asker.ask(prompt, values, self.sampling, seed))["answer"]
