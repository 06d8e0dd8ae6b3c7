"""Does a text answer a question at all? Asked of the model where an answer could not be verified.

    question, text ──model──▶ the sentence that answers it, and one of three words

As with claims, an answer that is said to be there counts only with a sentence of the text that it
stands in. That sentence need have no word of the question: of the sentences that hold the answer in
SQuAD, CMRC and DRCD, 3 to 6 % have none. Measured on people's judgements in docs/verification.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from augcon.answer.verify import JUDGING, located, read_grade
from augcon.llm.call import Unusable
from augcon.prompts import Asker, Library
from augcon.prompts.library import prompt_language

__all__ = ["ANSWERED", "AnswerableCheck", "Told"]

ANSWERED = {
    "answerable": 1.0, "partly": 0.5, "unanswerable": 0.0,
    "可答": 1.0, "部分": 0.5, "不可答": 0.0,
    # What models write although they were given the words above.
    "fully answerable": 1.0, "partly answerable": 0.5, "partially answerable": 0.5,
    "partially": 0.5, "not answerable": 0.0,
    "可以回答": 1.0, "部分可答": 0.5, "无法回答": 0.0, "不能回答": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """What a text tells of what is asked.

    share     1 where it tells all of it, 0.5 where it tells some of it, else 0
    evidence  the sentences of the text that answer the question or come closest; "" for none
    """

    share: float
    evidence: str


@dataclass(frozen=True, slots=True)
class AnswerableCheck:
    """Asks a model whether a text answers a question."""

    asker: Asker
    library: Library

    async def look(self, text: str, question: str, language: str) -> Told:
        """Raises `augcon.errors.ItemError` where the model gives nothing usable."""

        def evidence(outputs: dict[str, str]) -> str:
            found = located(outputs["evidence"], text, language)
            return text[found.start : found.end] if found else ""

        def usable(outputs: dict[str, str]) -> None:
            told = ANSWERED[read_grade(outputs["verdict"], ANSWERED)] > 0
            if told and not evidence(outputs):
                raise Unusable("the sentence that should answer the question is not in the text")

        outputs = await self.asker.ask(
            self.library.prompt("answerable", prompt_language(language)),
            {"context": text, "question": question},
            JUDGING,
            self.asker.caller.seed_for("answerable", text, question),
            usable,
        )
        return Told(ANSWERED[read_grade(outputs["verdict"], ANSWERED)], evidence(outputs))
