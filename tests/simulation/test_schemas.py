from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.simulation.schemas import Satisfier, Schema, UnsatisfiableError


def scalars() -> st.SearchStrategy[Schema]:
    ends = st.tuples(st.integers(-50, 50), st.integers(0, 20)).map(lambda t: (t[0], t[0] + t[1]))
    lengths = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted)
    values = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none())
    number = st.sampled_from(["integer", "number"])
    return st.one_of(
        st.sampled_from([{"type": "string"}, {"type": "boolean"}, {"type": "null"}, {}]),
        st.builds(lambda t: {"type": "string", "minLength": t[0], "maxLength": t[1]}, lengths),
        st.builds(lambda k: {"type": k}, number),
        st.builds(lambda k, t: {"type": k, "minimum": t[0], "maximum": t[1]}, number, ends),
        st.builds(
            lambda k, t: {"type": k, "exclusiveMinimum": t[0], "exclusiveMaximum": t[1] + 2},
            *(number, ends),
        ),
        st.builds(lambda t: {"type": "integer", "minimum": t[0], "multipleOf": 7}, ends),
        st.builds(lambda t: {"type": "number", "exclusiveMaximum": t[1]}, ends),
        st.builds(lambda v: {"enum": v}, st.lists(values, min_size=1, max_size=4)),
        st.builds(lambda v: {"const": v}, values),
        st.sampled_from([{"type": ["string", "null"]}, {"type": ["integer", "boolean"]}]),
        st.sampled_from([{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/list"}]),
        st.sampled_from([{"$ref": "#/$defs/node", "description": "a tree"}]),
    )


def composed(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    names = st.sampled_from(["question", "answer", "grade", "first", "name", "of"])

    def as_object(properties: dict[str, Schema], optional: bool) -> Schema:
        required = list(properties)[: len(properties) // 2] if optional else list(properties)
        return {"type": "object", "properties": properties, "required": required}

    def as_array(items: Schema, least: int, more: int | None) -> Schema:
        most = {} if more is None else {"maxItems": least + more}
        return {"type": "array", "items": items, "minItems": least, **most}

    return st.one_of(
        st.builds(as_object, st.dictionaries(names, inner, max_size=4), st.booleans()),
        st.builds(as_array, inner, st.integers(0, 3), st.none() | st.integers(0, 3)),
        st.builds(lambda ways: {"anyOf": ways}, st.lists(inner, min_size=1, max_size=3)),
    )


DEFINITIONS: dict[str, Schema] = {
    "node": {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "right": {"$ref": "#/$defs/node"},
            "below": {"$ref": "#/$defs/list"},
        },
        "required": ["value", "left"],
    },
    "list": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
}
KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def satisfies(value: object, schema: Schema) -> bool:
    """Whether it does, by a reading of the standard that shares nothing with the simulation's."""
    if "$ref" in schema:
        return satisfies(value, DEFINITIONS[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(satisfies(value, way) for way in schema["anyOf"])
    kinds = schema.get("type", list(KINDS))
    return any(
        is_of(kind, value, schema) for kind in (kinds if isinstance(kinds, list) else [kinds])
    )


def is_of(kind: str, value: Any, schema: Schema) -> bool:
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return False
    if kind == "object":
        # Of an object of which nothing is said, anything will do.
        known = schema.get("properties", {name: {} for name in value})
        return set(schema.get("required", ())) <= set(value) <= set(known) and all(
            satisfies(each, known[name]) for name, each in value.items()
        )
    if kind == "array":
        enough = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
        return enough and all(satisfies(each, schema.get("items", {})) for each in value)
    if kind == "string":
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf))
    if kind in ("integer", "number"):
        return bool(
            schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
            and value > schema.get("exclusiveMinimum", -math.inf)
            and value < schema.get("exclusiveMaximum", math.inf)
            and value % schema.get("multipleOf", value or 1) == 0
        )
    return True


def author(name: str) -> str:
    return "4" if name == "grade" else f"{name}: of the mill"


@given(st.recursive(scalars(), composed, max_leaves=8), st.integers(0, 2**32))
@example({"anyOf": [{"anyOf": [{}]}, {"$ref": "#/$defs/node", "description": "a tree"}]}, 0)
def test_whatever_the_schema_says_the_reply_satisfies_it(schema: Schema, seed: int) -> None:
    whole = {**schema, "$defs": DEFINITIONS}
    value = Satisfier(whole, random.Random(seed), author).value()
    assert satisfies(value, schema), value
    assert value == Satisfier(whole, random.Random(seed), author).value()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^a$"},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 2},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"enum": []},
        {"$ref": "#/$defs/nothing"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "text"},
    ],
)
def test_a_schema_that_cannot_be_satisfied_is_refused(schema: Schema) -> None:
    with pytest.raises(UnsatisfiableError):
        Satisfier(schema, random.Random(0), author).value()
