"""JSON Schemas of the marshmallow schemas, made by apispec; what it cannot know of our fields they say."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from marshmallow.fields import Constant, Email, Integer

from scheduling.web.openapi.docstrings import text
from scheduling.web.schemas import AnswerSchema, PatchSchema, RequestSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin
    from marshmallow import Schema
    from marshmallow.fields import Field

    AnySchema = type[Schema] | Schema

_MODIFIERS = ("only", "exclude", "load_only", "dump_only", "partial")
"""What makes an instance of a schema different from its class; apispec goes by these too."""


class SchemaNames:
    """Names the schemas of the document after their classes: clients have types of these names.

    ``BookingAnswer`` is ``Booking``, unless something else is. Of two classes with one name, of different
    plugins perhaps, the later has its package's name before it, or its module's where that is taken as well.
    """

    def __init__(self) -> None:
        self.classes: dict[str, type[Schema]] = {}
        """Those that have been named."""

    def __call__(self, schema: AnySchema) -> str:
        """Return the name, or an empty one for a part of a schema, which is told where it is used."""
        if not _is_whole(schema):
            return ""
        kind = _class_of(schema)
        return next(name for name in _possible_names(kind) if self.classes.setdefault(name, kind) is kind)


def _possible_names(kind: type[Schema]) -> Iterator[str]:
    package = kind.__module__.partition(".")[0]
    if issubclass(kind, AnswerSchema):
        yield kind.__name__.removesuffix("Answer") or kind.__name__
    yield kind.__name__
    yield f"{package}.{kind.__name__}"
    yield f"{kind.__module__}.{kind.__name__}"
    # Classes that a function makes have one name and one module.
    for number in count(2):
        yield f"{kind.__module__}.{kind.__name__}{number}"


def _is_whole(schema: AnySchema) -> bool:
    """Tell whether a schema is what its class says, and no instance that was given other options."""
    if isinstance(schema, type):
        return True
    return _modifiers(schema) == _modifiers(type(schema)())


def _modifiers(schema: Schema) -> list[Any]:
    """Return the options of an instance; the names in them as sets, which can be compared with None."""
    values = [getattr(schema, name) for name in _MODIFIERS]
    return [value if value is None or isinstance(value, bool) else set(value) for value in values]


def _class_of(schema: AnySchema) -> type[Schema]:
    return schema if isinstance(schema, type) else type(schema)


def add_our_fields(plugin: MarshmallowPlugin) -> None:
    """Teach apispec what our own fields say of themselves; the plugin belongs to a document by now."""
    if plugin.converter is None:
        raise TypeError("the plugin is not part of a document")
    plugin.converter.add_attribute_function(field_says)
    plugin.converter.add_attribute_function(synonyms_of_field)


def field_says(converter: Any, field: Field[Any], *, ret: dict[str, Any]) -> dict[str, Any]:
    """Return what the class of a field says of its JSON, in its attribute ``json_schema``.

    Whole numbers have 64 bits, in bodies as in paths, unless the field names another format.
    """
    if isinstance(field, Constant):
        ret.pop("default", None)
        return {"const": field.constant}
    said = {name: value for name, value in getattr(field, "json_schema", {}).items() if name not in ret}
    if isinstance(field, Email) and "format" not in field.metadata:
        # "email" is an address of ASCII alone (RFC 5321), and one such as ann@münchen.de is understood.
        said["format"] = "idn-email"
    if isinstance(field, Integer) and "format" not in ret:
        said.setdefault("format", "int64")
    if field.allow_none and "type" in said:
        said["type"] = [said["type"], "null"]
    return said


def synonyms_of_field(converter: Any, field: Field[Any], *, ret: dict[str, Any]) -> dict[str, Any]:
    """Return a description that names the synonyms of a member of a request."""
    if not isinstance(field.parent, RequestSchema):
        return {}
    others = [
        other for other, name in field.parent.synonyms.items() if name == (field.data_key or field.name)
    ]
    if not others:
        return {}
    understood = f"`{'`, `'.join(others)}` is understood too."
    return {"description": " ".join(filter(None, (ret.get("description"), understood)))}


def add(spec: APISpec, names: SchemaNames, schema: AnySchema) -> None:
    """Put a schema among the components, if it is not there yet."""
    name, kind = names(schema), _class_of(schema)
    if name and name not in spec.components.schemas:
        # One member has to be there; that a password does not count is told by the answer.
        more = {"minProperties": 1} if issubclass(kind, PatchSchema) else {}
        spec.components.schema(name, more, schema=kind)


def open_answers(document: dict[str, Any], names: SchemaNames) -> None:
    """Take out that an answer has no other members, since a later release may add some."""
    for name, schema in document["components"]["schemas"].items():
        kind = names.classes.get(name)
        if kind is not None and issubclass(kind, AnswerSchema):
            _open(schema)
    for path in document["paths"].values():
        for operation in path.values():
            _open(operation["responses"])
    _open(document["components"]["responses"])


def describe(document: dict[str, Any], names: SchemaNames) -> None:
    """Give each schema what the docstring of its class says."""
    for name, schema in document["components"]["schemas"].items():
        kind = names.classes.get(name)
        if kind is not None and kind.__doc__:
            schema.setdefault("description", text(kind))


def _open(node: Any) -> None:
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _open(inner)
    if isinstance(node, dict) and node.get("additionalProperties") is False:
        del node["additionalProperties"]
