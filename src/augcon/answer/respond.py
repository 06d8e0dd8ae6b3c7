"""Stage 3: an answer from the node's own context, by principles and a few annotated examples.

The prompt is I_R with the principles P, the chosen examples E_R*, the context and the question
(section 3.3 of the paper). What enters the dataset is question and answer alone: context,
instruction, principles and examples are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from augcon.answer.examples import Examples, is_apart
from augcon.corpus import count_units
from augcon.errors import ModelError, TooLongError
from augcon.llm.base import Sampling
from augcon.prompts import Asker, Library, Prompt
from augcon.prompts.library import prompt_language
from augcon.prompts.size import prompt_tokens, tokens_per_unit
from augcon.records import Question, Triplet

__all__ = ["GenerateResponder", "Responder", "blame_principles"]


class Responder(Protocol):
    """One way to answer. `languages` names what it can read; None stands for every language.

    `respond` raises `augcon.errors.ItemError` where the model gives nothing usable.
    """

    @property
    def languages(self) -> frozenset[str] | None: ...

    async def respond(self, question: Question, sample: int = 0) -> str:
        """An answer. Another `sample` number is another draw; 0 is the one that stands alone."""
        ...

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        """Another answer, once it was found what is wrong with this one; "" where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class GenerateResponder:
    """The model writes the answer, shown E_R* or other examples.

    sample_temperature  of all samples but the first
    """

    asker: Asker
    library: Library
    examples: Examples
    sampling: Sampling
    languages: frozenset[str] | None = None
    sample_temperature: float = 0.8

    async def respond(self, question: Question, sample: int = 0) -> str:
        spoken = prompt_language(question.context.language)
        context = question.context
        seed = self.asker.caller.seed_for("answer", question.id, *([sample] if sample else []))
        shots = await self.examples.of(context.text, question.text, spoken)
        sampling = replace(self.sampling, temperature=self.sample_temperature) if sample else None
        return await self.answer(
            *(context.text, question.text, spoken, shots, seed),
            source=context.document,
            sampling=sampling,
        )

    async def revise(self, question: Question, answer: str, finding: str) -> str:
        spoken = prompt_language(question.context.language)
        values = {
            "context": question.context.text,
            "source": question.context.document,
            "question": question.text,
            "draft": answer,
            "finding": finding,
        }
        seed = self.asker.caller.seed_for("revise", question.id)
        prompt = self.library.answering("revise", spoken)
        return await self._written(prompt, values, seed, self.sampling)

    async def answer(
        self,
        context: str,
        question: str,
        language: str,
        shots: Sequence[Triplet],
        seed: int,
        source: str = "",
        sampling: Sampling | None = None,
    ) -> str:
        """An answer with these few-shot examples, less any that is the item asked itself.

        source  the name of the context's document, for principles that ask for it
        """
        others = tuple(
            {"context": t.context, "source": t.source, "question": t.question, "answer": t.answer}
            for t in shots
            if is_apart(t, context, question)
        )
        prompt = self.library.answering("answer", language).with_examples(others)
        values = {"context": context, "source": source, "question": question}
        return await self._written(prompt, values, seed, sampling or self.sampling)

    async def _written(
        self, prompt: Prompt, values: Mapping[str, str], seed: int, sampling: Sampling
    ) -> str:
        try:
            return (await self.asker.ask(prompt, values, sampling, seed))["answer"]
        except TooLongError as refusal:
            blame_principles(self.library, prompt, values, refusal)
            raise


def blame_principles(
    library: Library, prompt: Prompt, values: Mapping[str, str], refusal: TooLongError
) -> None:
    """Raise ModelError where a prompt is too long by its principles, as every other one then is."""
    rate = tokens_per_unit(prompt.language)
    principles = rate * count_units(library.principles(prompt.language))
    whole = prompt_tokens(prompt) + rate * sum(map(count_units, values.values()))
    if 2 * principles > whole:
        raise ModelError(
            f"the principles (answers.principles = {library.chosen!r}) are about "
            f"{principles:.0f} of the {whole:.0f} tokens of a prompt that is too long for the "
            f"model: shorten them, or choose a model with a larger window. It says: {refusal}"
        ) from refusal
