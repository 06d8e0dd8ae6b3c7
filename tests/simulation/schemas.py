"""A JSON schema and an author in, a value that satisfies the schema out.

What a schema leaves open is drawn; recursion is ended by the shallowest way out of it. Keywords
that constrain in ways not known here are refused, as real servers do, rather than ignored.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Value = Any
Author = Callable[[str], str]  # the name of a property ("" for none) → text for it

DEEP = 3  # levels from which on only what must be there is written
NEVER = math.inf
MORE_ITEMS = 2  # than must be, at most
UNKNOWN = (
    *("allOf", "oneOf", "not", "if", "pattern", "patternProperties", "propertyNames"),
    *("minProperties", "uniqueItems", "contains", "prefixItems", "dependentSchemas"),
    *("dependentRequired",),
)


class UnsatisfiableError(Exception):
    """No value can be made: the schema contradicts itself, or says what is not known here."""


class Satisfier:
    def __init__(self, root: Schema, draw: random.Random, author: Author) -> None:
        self._root = root
        self._draw = draw
        self._author = author

    def value(self) -> Value:
        if self._height(self._root) == NEVER:
            raise UnsatisfiableError("the schema describes nothing that ends")
        return self._made(self._root, "", 0)

    def _made(self, schema: Schema | bool, name: str, depth: int) -> Value:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"], name)
        if (ways := _ways(schema)) is not None:
            return self._made(self._chosen(ways, depth), name, depth)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind == "string":
            return self._string(schema, name)
        if kind in ("integer", "number"):
            return self._number(schema, kind, name)
        if kind == "boolean":
            return self._draw.random() < 0.5
        if kind == "null":
            return None
        raise UnsatisfiableError(f"there is no type {kind!r}")

    def _resolved(self, schema: Schema | bool) -> Schema:
        if schema is False:
            raise UnsatisfiableError("nothing satisfies the schema false")
        if not isinstance(schema, dict):
            return {}
        if unknown := [word for word in UNKNOWN if word in schema]:
            raise UnsatisfiableError(f"{unknown[0]!r} is not supported")
        if "$ref" not in schema:
            return schema
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return self._resolved({**self._target(schema["$ref"]), **rest})

    def _target(self, reference: str) -> Schema:
        at: Any = self._root
        try:
            for step in reference.removeprefix("#").split("/")[1:]:
                at = at[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise UnsatisfiableError(f"{reference!r} leads nowhere") from error
        return at if isinstance(at, dict) else {}

    def _height(self, schema: Schema | bool, above: tuple[str, ...] = ()) -> float:
        """Levels of nesting that a value needs at least; NEVER where it cannot end."""
        if isinstance(schema, dict) and "$ref" in schema:
            reference = schema["$ref"]
            if reference in above:
                return NEVER
            above = (*above, reference)
        schema = self._resolved(schema)
        if "const" in schema or "enum" in schema:
            return 0
        if (ways := _ways(schema)) is not None:
            return min((self._height(way, above) for way in ways), default=NEVER)
        if _kind(schema) == "object":
            properties = schema.get("properties", {})
            needed = [properties.get(key, True) for key in schema.get("required", ())]
            return 1 + max((self._height(each, above) for each in needed), default=0)
        if _kind(schema) == "array" and schema.get("minItems", 0):
            return 1 + self._height(schema.get("items", True), above)
        return 0

    def _chosen(self, ways: list[Schema], depth: int) -> Schema:
        heights = [self._height(way) for way in ways]
        most = min(heights) if depth >= DEEP else NEVER
        able = [w for w, h in zip(ways, heights, strict=True) if h <= most and h < NEVER]
        return self._draw.choice(able)

    def _one_of(self, values: list[Value], name: str) -> Value:
        if not values:
            raise UnsatisfiableError("an empty enum")
        said = self._author(name) if name else ""
        return said if said in values else self._draw.choice(values)

    def _object(self, schema: Schema, depth: int) -> Value:
        properties = dict(schema.get("properties", {}))
        required = schema.get("required", ())
        wanted = {
            key: each
            for key, each in properties.items()
            if key in required or (depth < DEEP and self._height(each) < NEVER)
        }
        wanted |= {key: True for key in required if key not in properties}
        return {key: self._made(each, key, depth + 1) for key, each in wanted.items()}

    def _array(self, schema: Schema, name: str, depth: int) -> Value:
        least, items = schema.get("minItems", 0), schema.get("items", True)
        most = min(schema.get("maxItems", NEVER), least + MORE_ITEMS)
        if most < least:
            raise UnsatisfiableError("maxItems is below minItems")
        if depth >= DEEP or self._height(items) == NEVER:
            most = least
        count = self._draw.randint(least, int(most))
        return [self._made(items, name, depth + 1) for _ in range(count)]

    def _string(self, schema: Schema, name: str) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        text = self._author(name)
        while len(text) < least:
            text = f"{text} {self._author('') or '.'}"
        if most is None:
            return text
        if most < least:
            raise UnsatisfiableError("maxLength is below minLength")
        return text[:most]

    def _number(self, schema: Schema, kind: str, name: str) -> float:
        low, high = _bounds(schema)
        step = schema.get("multipleOf", 1 if kind == "integer" else None)
        if step is None:
            return self._real(schema, low, high)
        first, last = int(-(-low // step)), int(high // step)
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        if first > last:
            raise UnsatisfiableError("no number lies within the bounds")
        said = self._author(name)
        if said.isdecimal() and step == 1 and first <= int(said) <= last:
            return int(said)
        number: float = self._draw.randint(first, last) * step
        return number

    def _real(self, schema: Schema, low: float, high: float) -> float:
        open_ends = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
        if low > high or (low == high and low in open_ends):
            raise UnsatisfiableError("no number lies within the bounds")
        return low + (high - low) * self._draw.uniform(0.25, 0.75)


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _ways(schema: Schema) -> list[Schema] | None:
    """The schemas of which one is to be satisfied; None where the schema leaves no choice."""
    if "anyOf" in schema:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return [{**rest, **(way if isinstance(way, dict) else {})} for way in schema["anyOf"]]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return None


def _bounds(schema: Schema) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    reach = max(10, schema.get("multipleOf", 1))
    low = max(lows) if lows else (min(highs) - reach if highs else 0)
    high = min(highs) if highs else low + reach
    return low, high
