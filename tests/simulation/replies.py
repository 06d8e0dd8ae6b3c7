"""What a simulated model says: it follows from the request alone, and costs little to compute.

The passage is the first fenced text of the last message (of the last item, in a text to be
continued). A question is made of the passage's own words, an answer is one of its sentences (where
no fault changes it), a claim is supported by the first one, an example keeps to its principles,
`first` and `second` are the passage halved at a sentence. Where the passage's sentences are
numbered, `last` is the number of the middle one, and `second` those of every other two. A sentence
made to be `standalone` begins with the passage's first name in place of a pronoun. A question that
no passage answers (`Faults.untold`) is refused, found unanswerable, and replied to honestly where
that is asked for. Other names get words of the passage. A rubric from 1 to 5 without a form of
reply gets a digit.
The same request always gets the same reply, another seed another question.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.simulation.engine import first_tokens, tokens_of
from tests.simulation.faults import Faults
from tests.simulation.schemas import Satisfier, Schema

HIDDEN = 48
READ = 20_000  # characters of a passage that questions and answers are made from
KINDS = {False: ("macro", "concept", "detail"), True: ("宏观", "概念", "细节")}
WORDS = 6  # in a text without a meaning of its own
FENCED = re.compile(r"^<{3,}\n(.*?)\n>{3,}$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^\[\[(\w+)\]\]$", re.MULTILINE)
SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]+[”」\"')]*\s*|[^.!?。！？]+$")
CHINESE = re.compile("[一-鿿]")
NUMBER = re.compile(r"^\[\d+\] ", re.MULTILINE)
REFERRING = re.compile(r"^(?:It|He|She|They|This \w+|The \w+|[他她它](?:们)?|该..|这座..)")
NAME = re.compile(r"(?<!^)[A-Z]\w+(?: [A-Z]\w+)*|^[一-鿿]{2,6}?(?=[的于是在由每])")
SHORT_INSTRUCTION = 900  # characters of a system message that was weakened
RUBRIC = re.compile("1 to 5|1到5")
ON_A_QUESTION = re.compile("unanswerable|不可答")  # of a verdict that is not on a claim
HONEST = re.compile("person who does not know|确实不知道的人")
OTHER_LANGUAGE = re.compile("Write the answer in (Chinese)|请用(英语)写回答")
NAMED_SOURCE = re.compile(r"^(?:Source|来源):\n<{3,}\n(.*)\n>{3,}$", re.MULTILINE)
AUDIT = re.compile("kept or broken|遵守或违反")
NO_ANSWER = "I would rather talk about something else."


@dataclass(frozen=True, slots=True)
class Choice:
    text: str
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for text, chat or not, as the simulated model sees it."""

    system: str
    last: str
    prompt: tuple[str, ...]  # all texts, for counting
    schema: Schema | None
    seed: object
    choices: int
    max_tokens: int | None

    @classmethod
    def read(cls, body: dict[str, Any]) -> Asked:
        """Raises KeyError, TypeError, IndexError or AttributeError where the wire format is not
        kept."""
        if "messages" in body:
            prompt = tuple(message["content"] + "" for message in body["messages"])
            system, last = prompt[0], prompt[-1]
        else:
            prompt = (body["prompt"] + "",)
            system, last = _item_of(prompt[0])
        return cls(
            system=system,
            last=last,
            prompt=prompt,
            schema=(body.get("response_format") or {}).get("json_schema", {}).get("schema"),
            seed=body.get("seed"),
            choices=body.get("n") or 1,
            max_tokens=body.get("max_tokens"),
        )

    def tokens(self) -> list[str]:
        return [token for text in self.prompt for token in tokens_of(text)]


def _item_of(prompt: str) -> tuple[str, str]:
    """Of a text to be continued: what comes before the first fenced text, and all that follows
    the last example's reply."""
    system = prompt[: prompt.find("\n<<<") + 1]
    keys = MARK.findall(system)
    return system, prompt[prompt.rfind(f"\n[[{keys[-1]}]]\n") :] if keys else prompt


def choices_of(asked: Asked, faults: Faults, count: int) -> list[Choice]:
    """So many replies, cut where they are longer than was asked for."""
    drawn_by = [f"{asked.seed}{asked.last}{number or ''}" for number in range(count)]
    replies = [_reply(asked, faults, random.Random(seed)) for seed in drawn_by]
    return [_within(reply, asked.max_tokens) for reply in replies]


def spoiled(fault: str, choice: Choice) -> Choice:
    """The reply as the fault leaves it."""
    if fault == "cut_off":
        return Choice(first_tokens(choice.text, len(tokens_of(choice.text)) // 2), "length")
    if fault == "empty":
        return Choice("")
    if fault == "content_filter":
        return Choice("", "content_filter")
    if fault == "wrong_keys":
        return Choice(json.dumps({"unasked": choice.text}, ensure_ascii=False))
    if fault == "half_character":
        return Choice(_ended_by_half(choice.text), choice.finish_reason)
    return choice


def _ended_by_half(text: str) -> str:
    """Where the text is an object, its last text ends so, and the escape is in the text itself."""
    return f'{text[:-2]}\\ud83d"}}' if text.endswith('"}') else f"{text}\ud83d"


def logprobs_of(text: str, top: int) -> list[dict[str, Any]]:
    """A digit is the likeliest, with its neighbours beside it; any other token is certain."""
    return [
        {"token": token, "logprob": -0.1, "top_logprobs": _likeliest(token)[:top]}
        for token in tokens_of(text)
    ]


def _likeliest(token: str) -> list[dict[str, Any]]:
    if token not in set("12345"):
        return [{"token": token, "logprob": -0.1}]
    apart = sorted("12345", key=lambda digit: abs(int(digit) - int(token)))
    return [
        {"token": digit, "logprob": -0.1 - 1.5 * abs(int(digit) - int(token))} for digit in apart
    ]


def _within(text: str, max_tokens: int | None) -> Choice:
    if max_tokens is None or len(text) <= max_tokens or len(tokens_of(text)) <= max_tokens:
        return Choice(text)
    return Choice(first_tokens(text, max_tokens), "length")


def _reply(asked: Asked, faults: Faults, draw: random.Random) -> str:
    must_fail = faults.garbage_for and faults.garbage_for in asked.last
    if must_fail or draw.random() < faults.garbage:
        return NO_ANSWER
    author = _Author(asked, faults, draw)
    if asked.schema is not None and not faults.ignore_schema:
        value = Satisfier(asked.schema, draw, author.text).value()
        return json.dumps(value, ensure_ascii=False)
    if keys := MARK.findall(asked.system):
        return "\n".join(f"[[{key}]]\n{author.text(key)}" for key in keys)
    return str(draw.choice([1, 2, 3, 4, 5])) if RUBRIC.search(asked.system) else "yes"


class _Author:
    """Texts for the outputs of one reply, by their names.

    The first texts are drawn in one fixed order, whichever of them are asked for and when.
    """

    def __init__(self, asked: Asked, faults: Faults, draw: random.Random) -> None:
        self._draw = draw
        self._faults = faults
        given = [*_fenced(NAMED_SOURCE.sub("", asked.last)), "", ""]
        self._sentence = self._asked = given[1]
        self._system = asked.system
        self._numbers = len(NUMBER.findall(given[0]))
        self._passage = NUMBER.sub("", given[0])
        self._read = self._passage[:READ]
        self._chinese = bool(CHINESE.search(self._read))
        self._language = OTHER_LANGUAGE.search(asked.system)
        self._source = NAMED_SOURCE.search(asked.last)
        self._audits = bool(AUDIT.search(asked.system))
        self._weak = len(asked.system) < SHORT_INSTRUCTION
        self._drawn: dict[str, Callable[[], str]] = {
            "question": self._question,
            "answer": self._answer,
            "grade": lambda: str(draw.choice([3, 4, 5])),
            "score": lambda: str(draw.choice([1, 2, 3, 4, 5])),
        }
        self._fixed: dict[str, Callable[[], str]] = {
            "first": lambda: _halves(self._passage)[0],
            "second": lambda: self._chosen() if self._numbers else _halves(self._passage)[1],
            "last": lambda: str(max(1, self._numbers // 2)),
            "standalone": self._standalone,
            "granularity": lambda: draw.choice(KINDS[self._chinese]),
            "evidence": lambda: _sentences(self._read)[0],
            "verdict": self._verdict,
            "finding": lambda: "第一条。" if self._chinese else "The first one.",
            "reason": lambda: "事实一致。" if self._chinese else "The facts agree.",
        }
        self._first = {key: make() for key, make in self._drawn.items()}

    def text(self, name: str) -> str:
        if name in self._first:
            return self._first.pop(name)
        make = self._drawn.get(name) or self._fixed.get(name) or self._words
        return make()

    def _question(self) -> str:
        draw = self._draw
        if self._chinese:
            words = re.findall("[一-鿿]{2,4}", self._read) or ["它"]
            named = "、".join(draw.sample(words, min(3, len(words))))
            return f"{draw.choice(['关于', '对于', '就'])}{named}，情况如何？"
        words = re.findall(r"[A-Za-z]{4,}", self._read) or ["it"]
        named = " and ".join(draw.sample(words, min(2 if self._weak else 4, len(words))))
        starts = ["What is known about", "How are things with", "Why does it matter for"]
        return f"{draw.choice(starts)} {named}?"

    def _answer(self) -> str:
        if not self._passage:
            return "yes"
        if self._is_untold():
            return self._refusal()
        answer = self._draw.choice(_sentences(self._read))
        if self._language:
            year = (re.findall(r"\d+", answer) or [""])[0]
            answer = f"It was in {year}." if self._language[2] else f"那是{year}年发生的一件大事。"
        if self._source:
            answer = f"{answer[:-1]} [{self._source[1]}]{answer[-1]}"
        if self._happens(self._faults.retells):
            answer = f"其实{answer}" if self._chinese else f"As it is, {answer}"
        if self._happens(self._faults.invents):
            answer += "那是1066年的事。" if self._chinese else " That was in 1066."
        return answer

    def _is_untold(self) -> bool:
        untold, told_by = self._faults.untold, self._faults.told_by
        if not untold or not re.search(untold, self._asked):
            return False
        return not (told_by and re.search(told_by, self._passage))

    def _refusal(self) -> str:
        asked = self._asked.rstrip("?？")
        if HONEST.search(self._system):
            return f"我不知道{asked}。" if self._chinese else f"I do not know this: {asked}."
        return "抱歉，我无法回答。" if self._chinese else "I cannot answer this question."

    def _verdict(self) -> str:
        if ON_A_QUESTION.search(self._system):
            words = ("不可答", "可答") if self._chinese else ("unanswerable", "answerable")
            return words[not self._is_untold()]
        if self._audits:
            words = ("遵守", "违反") if CHINESE.search(self._passage) else ("kept", "broken")
            return words[self._happens(self._faults.breaks)]
        if self._happens(self._faults.contradicts):
            return "矛盾" if self._chinese else "contradicted"
        return "支持" if self._chinese else "supported"

    def _happens(self, share: float) -> bool:
        """Nothing is drawn where it never does, so that the other texts stay as they are."""
        return share > 0 and self._draw.random() < share

    def _chosen(self) -> str:
        return ", ".join(str(n) for n in range(2, self._numbers + 1) if n % 4 in (2, 3))

    def _standalone(self) -> str:
        named = NAME.search(self._passage)
        return REFERRING.sub(named[0], self._sentence) if named else self._sentence

    def _words(self) -> str:
        words = tokens_of(self._read) or ["nothing"]
        start = self._draw.randrange(len(words))
        between = "" if self._chinese else " "
        return between.join(words[start : start + WORDS])


def _fenced(text: str) -> list[str]:
    start = text.find("<<<")
    return [found[1] for found in FENCED.finditer(text, start)] if start >= 0 else []


def _sentences(text: str) -> list[str]:
    found: list[str] = SENTENCE.findall(text)
    return [s.strip() for s in found if s.strip()] or ["."]


def _halves(passage: str) -> tuple[str, str]:
    sentences = SENTENCE.findall(passage)
    if len(sentences) < 2:
        middle = max(1, len(passage) // 2)
        return passage[:middle].strip() or passage, passage[middle:].strip() or passage
    middle = len(sentences) // 2
    return "".join(sentences[:middle]).strip(), "".join(sentences[middle:]).strip()


def embedding_of(text: str) -> list[float]:
    """Letters and words, each counted at a place that its spelling chooses."""
    vector = [0.0] * HIDDEN
    for word in re.findall(r"\w", text) + text.split():
        vector[_place_of(word)] += 1.0
    return vector


@lru_cache(maxsize=65_536)
def _place_of(word: str) -> int:
    return int(hashlib.md5(word.encode()).hexdigest(), 16) % HIDDEN
