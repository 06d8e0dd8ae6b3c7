"""The model is asked for a score: from 1 to 5, by the rubric of the prompt files `score.toml`.

    (context, question) ──▶ rubric, examples, item ──▶ one digit ──▶ Σ g · p(g) / Σ p(g)

Of the log-probabilities at the digit's place, where they are told, the score is the mean of the
five digits as the model weighs them, which ranks questions that would all be a 4. Where they are
not, it is the digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from augcon.corpus import detect_language
from augcon.errors import ItemError, RequestFailed, RequestRefused, ScorerError
from augcon.llm.base import Message, Reply, Request, Sampling, TokenLogprob
from augcon.llm.call import Caller, Unusable
from augcon.prompts import Form, Library, Prompt
from augcon.prompts.library import LANGUAGES, prompt_language
from augcon.records import content_id
from augcon.scorer.base import Item, Score
from augcon.scorer.saved import Card, write_card
from augcon.together import together

__all__ = ["JudgeScorer", "expected_score", "gives_logprobs", "load_judge"]

TOP = 5  # likeliest tokens: as many as there are digits, and what every server gives
LOCAL_TOP = 20  # of a model on this machine, which may think of other words before the digits
DIGIT = re.compile("[1-5]")
GRAMMAR = "root ::= [1-5]"
GRAMMAR_TOKENS = 4
PROMPTS = "prompts"
PROBE = Request(
    "chat",
    (Message("user", "Reply with the digit 3 and nothing else."),),
    sampling=Sampling(max_tokens=8),
    top_logprobs=TOP,
)


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """A model's own opinion.

    logprobs    whether the server takes a request for them
    grammar     whether it takes a grammar, as a model on this machine does
    max_tokens  of a reply, for a model that thinks before it answers
    """

    caller: Caller
    library: Library
    logprobs: bool
    grammar: bool = False
    endpoint: Literal["chat", "completion"] = "chat"
    max_tokens: int = 1024

    @property
    def kind(self) -> str:
        return "judge"

    async def score(self, items: Sequence[Item]) -> list[Score]:
        """Each item's score, or why the model gave none."""
        return await together(self._score(item) for item in items)

    def save(self, folder: Path) -> None:
        """With its prompt files: another rubric is another judge."""
        for language in LANGUAGES:
            path = self.library.path_of("score", language)
            copy = folder / PROMPTS / language / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        write_card(folder, Card(self.kind, self.caller.model.name))

    async def _score(self, item: Item) -> Score:
        language = prompt_language(detect_language(item.question))
        prompt = self.library.prompt("score", language)
        form: Form = "plain" if self.endpoint == "chat" else "marked"
        try:
            value = await self.caller.ask(
                self._request(prompt, item, form), lambda reply: _read(reply, prompt, form)
            )
        except ItemError as error:
            return Score(why_none=f"{error.reason}: {error.detail}")
        return Score(value)

    def _request(self, prompt: Prompt, item: Item, form: Form) -> Request:
        values = {"context": item.context, "question": item.question}
        seed = self.caller.seed_for("score", content_id("item", item.context, item.question))
        if form == "marked":
            sampling = Sampling(max_tokens=self.max_tokens)
            text = prompt.completion(values)
            return Request("completion", text=text, sampling=sampling, seed=seed)
        return Request(
            "chat",
            prompt.messages(values, form),
            sampling=Sampling(max_tokens=GRAMMAR_TOKENS if self.grammar else self.max_tokens),
            seed=seed,
            grammar=GRAMMAR if self.grammar else "",
            top_logprobs=(LOCAL_TOP if self.grammar else TOP) if self.logprobs else 0,
        )


async def gives_logprobs(caller: Caller) -> bool:
    """Whether the server takes a request for log-probabilities; some refuse it outright."""
    try:
        await caller.ask(PROBE, lambda reply: reply.text)
    except (RequestRefused, RequestFailed):
        return False
    return True


def load_judge(folder: Path, card: Card, judge: JudgeScorer) -> JudgeScorer:
    """The judge of a folder: the model of `judge`, with the folder's prompt files.

    Raises ScorerError where it is another model that was asked.
    """
    if judge.caller.model.name != card.base:
        raise ScorerError(
            f"{folder}: is the judgement of {card.base!r}, not of {judge.caller.model.name!r}; "
            "see --model, --base-url"
        )
    return replace(judge, library=Library(folder / PROMPTS))


def _read(reply: Reply, prompt: Prompt, form: Form) -> float:
    if not reply.choices or not reply.text.strip():
        raise Unusable("the reply is empty")
    if reply.choices[0].finish_reason == "length":
        raise Unusable("the reply was cut off by the token limit")
    digit = prompt.parse(reply.text, form)["score"]
    if not DIGIT.fullmatch(digit):
        raise Unusable("the reply is not one digit from 1 to 5")
    return expected_score(reply.choices[0].tokens, digit)


def expected_score(tokens: Sequence[TokenLogprob], digit: str) -> float:
    """The mean of the digits from 1 to 5, as the model weighs them where it wrote `digit`.

    It is the digit itself where nothing is known of the others.
    """
    at = next((token for token in reversed(tokens) if token.token.strip() == digit), None)
    weights: dict[int, float] = {}
    for token, logprob in at.top if at is not None else ():
        if DIGIT.fullmatch(token.strip()):
            grade = int(token)
            weights[grade] = weights.get(grade, 0.0) + math.exp(logprob)
    total = sum(weights.values())
    if not total:
        return float(digit)
    return sum(grade * weight for grade, weight in weights.items()) / total
