"""A prompt as an object: loaded from a file, weakened for negatives, rendered, and parsed back.

The constant part (instruction, then examples) always comes first, so that a server's prefix cache
serves it for every item. Examples are rendered in exactly the form that the reply must have.

Four forms of a reply:
  json    one JSON object; the server is given its schema
  marked  each output under a line of its own, [[key]], for servers that take no schema
  plain   a single output alone, as where its log-probabilities are wanted
  bare    the same, and the inputs without labels too, for a tiny model
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from augcon.characters import whole
from augcon.errors import ExamplesError
from augcon.llm.base import Message
from augcon.llm.call import Unusable

__all__ = ["Example", "Field", "Form", "Prompt", "Weakening", "defused"]

T = TypeVar("T")
Form = Literal["json", "marked", "plain", "bare"]
Values = Mapping[str, str]
Example = Mapping[str, str]
_Parser = Callable[[str], dict[str, str]]

MARK = re.compile(r"^\[\[(\w+)\]\][ \t]*$", re.MULTILINE)
THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
# What chat templates write between turns. Servers read these as tokens of their own wherever they
# stand, so that a text which holds one could end its turn and begin another.
TURN_TOKENS = re.compile(
    r"<(?=\|[\w ]+\|>)|<(?=｜[^｜<>]{1,40}｜>)"
    r"|<(?=/?(?:s|bos|eos|think|start_of_turn|end_of_turn)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\])|<(?=</?SYS>>)",
    re.IGNORECASE,
)
CODE_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)
FORM_RULES = {
    ("json", "en"): "Reply with one JSON object and nothing else. Its keys:",
    ("json", "zh"): "只回复一个 JSON 对象，不写其他内容。它的键：",
    ("marked", "en"): "Reply in exactly this form, each mark alone on its line, nothing else:",
    ("marked", "zh"): "严格按以下格式回复，每个标记独占一行，不写其他内容：",
}


class Weakening(StrEnum):
    """The paper's three ways to weaken a prompt, for the scorer's negatives (section 3.2)."""

    INSTRUCTION = "instruction"
    EXAMPLES = "examples"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output.

    describe  what an output should hold, where the form of the reply is told
    rules     what to mind in writing it: a paragraph of the instruction, left out with the output
    """

    key: str
    label: str
    describe: str = ""
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Instruction, few-shot examples, and the names of what goes in and comes out."""

    name: str
    language: str
    instruction: str
    weak_instruction: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    examples: tuple[Example, ...] = ()

    @classmethod
    def load(cls, path: Path, language: str) -> Prompt:
        """Read a prompt file. Raises ExamplesError, naming the file, where it cannot be used."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            prompt = cls(
                name=raw["name"],
                language=language,
                instruction=_of_type(str, raw, "instruction").strip(),
                weak_instruction=_of_type(str, raw, "weak_instruction").strip(),
                inputs=tuple(Field(**field) for field in _of_type(list, raw, "inputs")),
                outputs=tuple(Field(**field) for field in _of_type(list, raw, "outputs")),
                examples=tuple(_of_type(list, {"examples": [], **raw}, "examples")),
            )
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ExamplesError(f"{path}: cannot be read as a prompt file: {error}") from error
        except (KeyError, TypeError) as error:
            raise ExamplesError(f"{path}: a prompt file lacks or misspells {error}") from error
        return prompt._checked(str(path))

    def _checked(self, where: str) -> Prompt:
        keys = [field.key for field in (*self.inputs, *self.outputs)]
        for number, example in enumerate(self.examples, 1):
            for key in keys:
                value = example.get(key) if isinstance(example, Mapping) else None
                if not isinstance(value, str) or not value.strip():
                    raise ExamplesError(f"{where}: example {number} has no text {key!r}")
        return self

    def weakened(self, kind: Weakening, seed: int) -> Prompt:
        """A weaker version of this prompt; fewer examples means one, drawn by the seed."""
        weak = self
        if kind is not Weakening.EXAMPLES:
            plain = tuple(replace(output, rules="") for output in self.outputs)
            weak = replace(weak, instruction=self.weak_instruction, outputs=plain)
        if kind is not Weakening.INSTRUCTION and self.examples:
            left = random.Random(seed).choice(self.examples)  # noqa: S311 - a seeded draw
            weak = replace(weak, examples=(left,))
        return weak

    @property
    def told(self) -> str:
        """The instruction with the rules of the outputs that are asked for."""
        rules = (field.rules.strip() for field in self.outputs if field.rules)
        return "\n\n".join((self.instruction, *rules))

    def only(self, *keys: str) -> Prompt:
        """This prompt asking for some of its outputs alone."""
        return replace(self, outputs=tuple(f for f in self.outputs if f.key in keys))

    def with_examples(self, examples: tuple[Example, ...]) -> Prompt:
        return replace(self, examples=examples)

    def without(self, key: str) -> Prompt:
        """This prompt without that input, if it has it."""
        return replace(self, inputs=tuple(f for f in self.inputs if f.key != key))

    def filled(self, **placeholders: str) -> Prompt:
        """This prompt with {placeholders} of its instruction and its outputs filled in."""
        instruction, outputs = self.instruction, self.outputs
        for key, value in placeholders.items():
            named = "{" + key + "}"
            instruction = instruction.replace(named, value)
            outputs = tuple(replace(f, describe=f.describe.replace(named, value)) for f in outputs)
        return replace(self, instruction=instruction, outputs=outputs)

    def messages(self, values: Values, form: Form) -> tuple[Message, ...]:
        """Chat messages: the instruction, each example as two turns, then the item itself."""
        turns = [Message("system", self._system(form))]
        for example in self.examples:
            turns.append(Message("user", self._asked(example, form)))
            turns.append(Message("assistant", self._answered(example, form)))
        turns.append(Message("user", self._asked(values, form)))
        return tuple(turns)

    def completion(self, values: Values) -> str:
        """One text to be continued, in the marked form, for models without a chat template."""
        shown = [
            f"{self._asked(example, 'marked')}\n\n{self._answered(example, 'marked')}\n\n"
            for example in self.examples
        ]
        item = self._asked(values, "marked")
        return f"{self._system('marked')}\n\n{''.join(shown)}{item}\n\n"

    def schema(self) -> str:
        """The JSON schema of a reply, as canonical JSON text."""
        properties = {f.key: {"type": "string", "description": f.describe} for f in self.outputs}
        shape = {
            "type": "object",
            "properties": properties,
            "required": [field.key for field in self.outputs],
            "additionalProperties": False,
        }
        return json.dumps(shape, ensure_ascii=False)

    def parse(self, reply: str, form: Form) -> dict[str, str]:
        """The outputs of a reply, every one non-empty, of whole characters. Raises Unusable
        otherwise."""
        text = THOUGHTS.sub("", reply, count=1).strip()
        found = self._parsers()[form](text)
        for field in self.outputs:
            if not found.get(field.key):
                raise Unusable(f"the reply has no {field.key!r}")
        return found

    def _parsers(self) -> dict[Form, _Parser]:
        return {
            "json": self._parse_json,
            "marked": self._parse_marked,
            "plain": self._parse_bare,
            "bare": self._parse_bare,
        }

    def _parse_json(self, text: str) -> dict[str, str]:
        if fenced := CODE_FENCE.match(text):
            text = fenced[1]
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unusable("the reply is not JSON") from error
        if not isinstance(raw, dict) or set(raw) != {field.key for field in self.outputs}:
            raise Unusable("the reply is not an object with exactly the asked keys")
        if not all(type(value) in (str, int) for value in raw.values()):
            raise Unusable("a value of the reply is not text")
        return {key: whole(str(value)).strip() for key, value in raw.items()}

    def _parse_marked(self, text: str) -> dict[str, str]:
        pieces = MARK.split(text)
        if pieces[0].strip() or pieces[1::2] != [field.key for field in self.outputs]:
            raise Unusable("the reply does not have exactly the asked marks, in order")
        return {key: value.strip() for key, value in zip(pieces[1::2], pieces[2::2], strict=True)}

    def _parse_bare(self, text: str) -> dict[str, str]:
        return {self.outputs[0].key: text}

    def _system(self, form: Form) -> str:
        if form in ("plain", "bare"):
            return self.told
        rule = FORM_RULES.get((form, self.language)) or FORM_RULES[form, "en"]
        shape = (
            [f'- "{field.key}": {field.describe}' for field in self.outputs]
            if form == "json"
            else [f"[[{field.key}]]\n({field.describe})" for field in self.outputs]
        )
        return f"{self.told}\n\n{rule}\n" + "\n".join(shape)

    def _asked(self, values: Values, form: Form) -> str:
        if form == "bare":
            return "\n\n".join(defused(values[field.key]) for field in self.inputs)
        return "\n\n".join(f"{f.label}:\n{_fenced(values[f.key])}" for f in self.inputs)

    def _answered(self, values: Values, form: Form) -> str:
        outputs = {field.key: values[field.key].strip() for field in self.outputs}
        if form == "json":
            return json.dumps(outputs, ensure_ascii=False)
        if form == "marked":
            return "\n".join(f"[[{key}]]\n{value}" for key, value in outputs.items())
        return outputs[self.outputs[0].key]


def _of_type(kind: type[T], raw: Mapping[str, object], key: str) -> T:
    value = raw[key]
    if not isinstance(value, kind):
        raise KeyError(key)
    return value


def defused(text: str) -> str:
    """The text with a space in whatever a chat template could take for the end of a turn."""
    return TURN_TOKENS.sub(lambda opening: f"{opening[0]} ", text)


def _fenced(text: str) -> str:
    """The text between fences that it does not itself contain: it is data, not instruction."""
    text, width = defused(text), 3
    while "<" * width in text or ">" * width in text:
        width += 1
    return f"{'<' * width}\n{text.strip()}\n{'>' * width}"
