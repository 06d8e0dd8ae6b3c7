"""The dataset in the formats that training programs take.

Each format is a function from a pair to one JSON object; `augcon` is the full record with its
source, the others are what they are elsewhere called by: messages (OpenAI chat), alpaca,
sharegpt, prompt-completion (TRL).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from augcon.records import Pair

__all__ = ["FORMATS", "Row", "as_record", "lines"]

Row = dict[str, object]


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
    return {
        "messages": [
            {"role": "user", "content": pair.question},
            {"role": "assistant", "content": pair.answer},
        ]
    }


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


FORMATS: dict[str, Callable[[Pair], Row]] = {
    "augcon": as_record,
    "messages": _messages,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "prompt-completion": _prompt_completion,
}


def lines(pairs: Iterable[Pair], name: str) -> Iterator[str]:
    """One line of JSON for each pair."""
    as_row = FORMATS[name]
    for pair in pairs:
        yield json.dumps(as_row(pair), ensure_ascii=False) + "\n"
