"""Examples of bodies, put together from what the schemas say of their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_FORMAT = {
    "date": "2099-04-01",
    "date-time": "2099-04-01T09:00:00.000Z",
    "email": "alice@example.com",
    "password": "correct horse battery staple",
    "uri": "https://example.com/",
    "uuid": "0198c5d2-7c1a-7d3e-9b5f-2f6a1c0e4d8b",
}

_OF_TYPE = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value of a schema; ``schemas`` are those that a ``$ref`` can lead to, by name.

    It is the schema's own example or default where there is one. An object has all its members.
    """
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "default" in schema:
        return schema["default"]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example(schema[name][0], schemas)
    return _of_type(schema, schemas)


def _of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return {name: example(inner, schemas) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"], schemas)] if "items" in schema else []
    if kind == "string" and schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    return max(_OF_TYPE[kind], schema["minimum"]) if "minimum" in schema else _OF_TYPE[kind]
