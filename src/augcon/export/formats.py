"""The dataset in the formats that training programs take.

A format makes rows, each one JSON object, from pairs as they come. `augcon` is the full record with
its source, a row for each pair, and so are those that are called what they are called elsewhere:
messages (OpenAI chat), alpaca, sharegpt, prompt-completion (TRL). `dpo` and `conversations` make
theirs of a pair's drafts and of all pairs of a root context.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import ceil

from augcon.errors import SettingsError
from augcon.records import Draft, Granularity, Pair, State
from augcon.rouge import rouge_l_tokens, tokens

__all__ = ["FORMATS", "TURNS", "Format", "Row", "as_record", "format_of", "lines"]

Row = dict[str, object]
Rows = Callable[[Iterable[Pair]], Iterator[Row]]

TURNS = 10  # questions of a conversation at most
NEARLY_THE_SAME = 0.9  # ROUGE-L F1 of two answers that both may stand


@dataclass(frozen=True, slots=True)
class Format:
    """How rows are made of pairs that come root by root.

    noun  what a row is called
    hint  what to tell where there is none
    """

    rows: Rows
    noun: str = "pairs"
    hint: str = ""


def as_record(pair: Pair) -> Row:
    """The full record: a line of dataset/train.jsonl."""
    return {
        "id": pair.id,
        "question": pair.question,
        "answer": pair.answer,
        "context": pair.context,
        "language": pair.language,
        "granularity": pair.granularity,
        "depth": pair.depth,
        "score": pair.score,
        "source": {
            "document": pair.document,
            "start": pair.start,
            "end": pair.end,
            "page": None,
        },
        "meta": {
            "context_id": pair.context_id,
            "root_id": pair.root_id,
            "explained": pair.explained,
            "unknown": pair.unknown,
            **({"verification": pair.verification.as_json()} if pair.verification else {}),
        },
    }


def _messages(pair: Pair) -> Row:
    return {"messages": _turns(pair)}


def _turns(pair: Pair) -> list[dict[str, str]]:
    return [_said("user", pair.question), _said("assistant", pair.answer)]


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _alpaca(pair: Pair) -> Row:
    return {"instruction": pair.question, "input": "", "output": pair.answer}


def _sharegpt(pair: Pair) -> Row:
    return {
        "conversations": [
            {"from": "human", "value": pair.question},
            {"from": "gpt", "value": pair.answer},
        ]
    }


def _prompt_completion(pair: Pair) -> Row:
    return {"prompt": pair.question, "completion": pair.answer}


def _preferences(pairs: Iterable[Pair]) -> Iterator[Row]:
    """A row for each draft that a pair's answer is to be preferred to (TRL's conversational form).

    `reason` is why the draft lost.
    """
    for pair in pairs:
        prompt, chosen = _turns(pair)
        for draft in pair.drafts:
            if _is_worse(draft, pair):
                yield {
                    "prompt": [prompt],
                    "chosen": [chosen],
                    "rejected": [_said("assistant", draft.text)],
                    "id": pair.id,
                    "reason": draft.verdict.reason,
                }


def _is_worse(draft: Draft, pair: Pair) -> bool:
    """Whether there is something to learn from the draft.

    One that was found wanting may differ by a single word, as by an invented year, and tells the
    more for it. One that may stand as well was only less consistent: it has to say something else,
    and not the same in nearly the same words. Of one that failed nobody knows. A refusal of what
    nobody knows says what the pair's own answer does, and is no worse.
    """
    said, better = tokens(draft.text), tokens(pair.answer)
    if pair.unknown and draft.verdict.reason == "refusal":
        return False
    if draft.verdict.state is State.FAILED or not said or said == better:
        return False
    passes = draft.verdict.reason == "less_consistent"
    return not passes or rouge_l_tokens(said, better).f1 < NEARLY_THE_SAME


def _conversations(pairs: Iterable[Pair], turns: int = TURNS) -> Iterator[Row]:
    """The pairs of each root context as conversations from macro to detail.

    turns  most questions of one. A root with more of them is dealt out like cards, so that each
           of its conversations goes from macro to detail.
    """
    for _, found in groupby(pairs, key=lambda pair: pair.root_id):
        ordered = sorted(found, key=_from_macro_to_detail)
        number = ceil(len(ordered) / turns)
        yield from (_conversation(ordered[first::number]) for first in range(number))


def _from_macro_to_detail(pair: Pair) -> tuple[object, ...]:
    kind = Granularity(pair.granularity).fineness
    return kind, pair.depth, pair.start, pair.end, pair.id


def _conversation(pairs: Sequence[Pair]) -> Row:
    return {
        "messages": [turn for pair in pairs for turn in _turns(pair)],
        "pairs": [pair.id for pair in pairs],
        "source": {
            "document": pairs[0].document,
            "start": min(pair.start for pair in pairs),
            "end": max(pair.end for pair in pairs),
        },
    }


FORMATS: Mapping[str, Format] = {
    "augcon": Format(partial(map, as_record)),
    "messages": Format(partial(map, _messages)),
    "alpaca": Format(partial(map, _alpaca)),
    "sharegpt": Format(partial(map, _sharegpt)),
    "prompt-completion": Format(partial(map, _prompt_completion)),
    "dpo": Format(
        _preferences,
        "preference pairs",
        "they are made of answers that were found wanting, or agreed less with the others; a run "
        "with answers.samples above 1 writes several to each question",
    ),
    "conversations": Format(_conversations, "conversations"),
}


def format_of(name: str, turns: int | None = None) -> Format:
    """A format by its name; `turns` is for conversations. Raises SettingsError."""
    if name not in FORMATS:
        raise SettingsError(f"unknown format {name!r}; there are: {', '.join(FORMATS)}")
    if turns is None:
        return FORMATS[name]
    if name != "conversations":
        raise SettingsError(f"turns are for the format 'conversations', and not for {name!r}")
    if turns < 1:
        raise SettingsError(f"a conversation has at least one turn, not {turns}")
    return Format(partial(_conversations, turns=turns), FORMATS[name].noun)


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Each row as a line of JSON."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"
