"""Granularity as the model sees it, on request: one word for each question.

It reads the whole root beside the question, for a kind is a matter of how much of the text is
asked about. The root comes before the question, so that the prefix cache of a server serves it
for all questions of the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from augcon.errors import ItemError
from augcon.llm.base import Sampling
from augcon.llm.call import Unusable
from augcon.prompts import Asker, Library
from augcon.prompts.library import prompt_language
from augcon.records import Context, Granularity, Question
from augcon.together import together

__all__ = ["Classifier"]

WORDS = {
    "en": {kind.value: kind for kind in Granularity},
    "zh": {
        "宏观": Granularity.MACRO,
        "概念": Granularity.CONCEPT,
        "细节": Granularity.DETAIL,
    },
}


@dataclass(frozen=True, slots=True)
class Classifier:
    """Asks a model for the granularity of questions."""

    asker: Asker
    library: Library
    sampling: Sampling

    async def classify(self, questions: Sequence[Question], root: Context) -> list[Question]:
        """The questions, in order, each with its granularity or the reason why there is none."""
        return await together(self._classified(question, root) for question in questions)

    async def _classified(self, question: Question, root: Context) -> Question:
        words = WORDS[prompt_language(root.language)]

        def known(outputs: dict[str, str]) -> None:
            if outputs["granularity"].lower() not in words:
                raise Unusable(f"the granularity is none of {', '.join(words)}")

        try:
            outputs = await self.asker.ask(
                self.library.prompt("granularity", root.language),
                {"context": root.text, "question": question.text},
                self.sampling,
                self.asker.caller.seed_for("granularity", question.id),
                known,
            )
        except ItemError as error:
            return replace(question, unclassed=f"{error.reason}: {error.detail}")
        return replace(question, granularity=words[outputs["granularity"].lower()])
