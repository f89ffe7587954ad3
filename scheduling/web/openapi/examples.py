"""Examples of bodies, put together from what the schemas say of their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OF_FORMAT = {
    "date": "2099-04-01",
    "date-time": "2099-04-01T09:00:00.000Z",
    "email": "alice@example.com",
    "idn-email": "alice@example.com",
    "password": "correct horse battery staple",
    "uri": "https://example.com/",
    "uuid": "0198c5d2-7c1a-7d3e-9b5f-2f6a1c0e4d8b",
}

_NUMBERS = {"integer": 1, "number": 1.5}
_CONSTANTS = {"boolean": True, "null": None}


class NoExample(Exception):
    """Nobody can tell a value from the schema alone: it has a pattern, and no example of its own."""


def example(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], *, inside: frozenset[str] = frozenset()
) -> Any:
    """Return a value of a schema; ``schemas`` are those that a ``$ref`` can lead to, by name.

    It is the schema's own example or default where there is one. An object has all its members, but for those
    that would have it in them once more: ``inside`` names the schemas of which the value will be a part.
    Raises :class:`NoExample`.
    """
    if "$ref" in schema:
        name = _referred(schema)
        return example(schemas[name], schemas, inside=inside | {name})
    if "const" in schema:
        return schema["const"]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "default" in schema:
        return schema["default"]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example(_first(schema[name], inside), schemas, inside=inside)
    return _of_type(schema, schemas, inside)


def _referred(schema: Mapping[str, Any]) -> str:
    name: str = schema.get("$ref", "").rpartition("/")[2]
    return name


def _first(choices: Sequence[Mapping[str, Any]], inside: frozenset[str]) -> Mapping[str, Any]:
    """Return the first of several schemas that does not lead back, such as null of what may be missing."""
    return next((choice for choice in choices if _referred(choice) not in inside), choices[0])


def _leads_back(schema: Mapping[str, Any], inside: frozenset[str]) -> bool:
    """Tell whether each value of a schema has one in it of which it is itself a part."""
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return all(_leads_back(choice, inside) for choice in schema[name])
    return _referred(schema) in inside


def _of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any], inside: frozenset[str]) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        members = schema.get("properties", {}).items()
        return {
            name: example(member, schemas, inside=inside)
            for name, member in members
            if not _leads_back(member, inside)
        }
    if kind == "array":
        items = schema.get("items")
        if items is None or _leads_back(items, inside):
            return []
        return [example(items, schemas, inside=inside)]
    if kind == "string":
        return _text(schema)
    return _number(schema, _NUMBERS[kind]) if kind in _NUMBERS else _CONSTANTS[kind]


def _text(schema: Mapping[str, Any]) -> str:
    if "pattern" in schema:
        raise NoExample
    text = _OF_FORMAT.get(schema.get("format", ""), "text")
    return text.ljust(schema.get("minLength", 0), "t")[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], number: float) -> float:
    if "exclusiveMinimum" in schema:
        number = max(number, schema["exclusiveMinimum"] + 1)
    if "exclusiveMaximum" in schema:
        number = min(number, schema["exclusiveMaximum"] - 1)
    within: float = max(min(number, schema.get("maximum", number)), schema.get("minimum", number))
    return within
