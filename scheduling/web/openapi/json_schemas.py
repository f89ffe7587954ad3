"""JSON Schemas of the marshmallow schemas, made by apispec; what it cannot know of our fields they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import Schema
from marshmallow.fields import Constant

from scheduling.web.schemas import AnswerSchema, PatchSchema, RequestSchema

if TYPE_CHECKING:
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin
    from marshmallow.fields import Field

    AnySchema = type[Schema] | Schema

_MODIFIERS = ("only", "exclude", "partial")


class SchemaNames:
    """Names the schemas of the document after their classes.

    Of two classes with one name, of different plugins perhaps, the later has its package's name before it.
    """

    def __init__(self) -> None:
        self.classes: dict[str, type[Schema]] = {}
        """Those that have been named."""

    def __call__(self, schema: AnySchema) -> str:
        """Return the name, or an empty one for a part of a schema, which is told where it is used."""
        kind = _class_of(schema)
        if isinstance(schema, Schema) and any(getattr(schema, name) for name in _MODIFIERS):
            return ""
        name = kind.__name__
        if self.classes.setdefault(name, kind) is not kind:
            name = f"{kind.__module__.partition('.')[0]}.{name}"
            self.classes[name] = kind
        return name


def _class_of(schema: AnySchema) -> type[Schema]:
    return schema if isinstance(schema, type) else type(schema)


def add_our_fields(plugin: MarshmallowPlugin) -> None:
    """Teach apispec what our own fields say of themselves; the plugin belongs to a document by now."""
    if plugin.converter is None:
        raise TypeError("the plugin is not part of a document")
    plugin.converter.add_attribute_function(field_says)
    plugin.converter.add_attribute_function(synonyms_of_field)


def field_says(converter: Any, field: Field[Any], *, ret: dict[str, Any]) -> dict[str, Any]:
    """Return what the class of a field says of its JSON, in its attribute ``json_schema``."""
    if isinstance(field, Constant):
        ret.pop("default", None)
        return {"const": field.constant}
    return {name: value for name, value in getattr(field, "json_schema", {}).items() if name not in ret}


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
        if issubclass(names.classes[name], AnswerSchema):
            _open(schema)
    for path in document["paths"].values():
        for operation in path.values():
            _open(operation["responses"])


def _open(node: Any) -> None:
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _open(inner)
    if isinstance(node, dict) and node.get("additionalProperties") is False:
        del node["additionalProperties"]
