"""Members: what a plugin adds to the bodies and the answers of another's thing, such as a booking.

The schemas of a thing name it in ``members_of``. Whoever owns the thing keeps the values of all members in
one JSON column of its row, by their keys, so that a list stays one query, and a version and an ETag are of
all that is shown. A plugin acts on its member by subscribing to the owner's events, which carry the values.

The members of plugins that come with Scheduling stand beside the owner's, those of others in
``extensions``, below the plugin's name: ``{"extensions": {"crm": {"stage": "lead"}}}``; their keys are as
``crm.stage``. See docs/decisions/adding-to-another-plugin.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import orjson
from marshmallow import Schema, fields
from marshmallow.exceptions import RegistryError
from pyramid.interfaces import PHASE3_CONFIG

from scheduling.exceptions import StartupError
from scheduling.web.resources import claimant_of
from scheduling.web.schemas import AnswerSchema, RequestSchema, StrictSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator

    from scheduling.db.session import Session
    from scheduling.web.registry import WebRegistry

    MakeField = Callable[[], fields.Field[Any]]
    Initial = Callable[[Session, int], Any]

EXTENSIONS = "extensions"
"""The member in which those of third parties are."""


@dataclass(frozen=True)
class Member:
    """A member that a plugin has added to a thing."""

    name: str
    plugin: str | None
    """The third party's plugin; None for one that comes with Scheduling."""

    field: MakeField
    default: Any
    initial: Initial | None
    claimant: str

    @property
    def key(self) -> str:
        """By what its value is kept."""
        return self.name if self.plugin is None else f"{self.plugin}.{self.name}"

    def told_of(self, thing: str) -> str:
        """Say who adds it to what, as the beginning of a sentence for operators."""
        return f"{self.claimant} adds the member {self.key!r} to {thing!r}"

    def make_field(self) -> fields.Field[Any]:
        """Make its field; raise ``StartupError``, which names its plugin, where that cannot be done."""
        try:
            field = self.field()
        except Exception as error:  # a plugin's function can fail in any way
            raise StartupError(f"{self._no_field()} ({type(error).__name__}: {error}).") from error
        if not isinstance(field, fields.Field):
            raise StartupError(f"{self._no_field()} (it gives {field!r}, which is no marshmallow field).")
        return field

    def _no_field(self) -> str:
        return f"{self.claimant} adds the member {self.key!r}, whose field cannot be made"


def add_member(
    config: Configurator,
    thing: str,
    name: str,
    field: MakeField,
    default: Any = None,
    initial: Initial | None = None,
) -> None:
    """Directive: add a member to a thing's bodies and answers; ``field()`` makes its marshmallow field.

    Its values are JSON. ``default`` is that of things for which none was sent; ``initial(db, user_id)``,
    where there is one, gives that of a thing which ``user_id`` is making. Raises ``StartupError`` where
    another plugin has added one of this name, where no call takes such a thing, and for a default that is
    not JSON.
    """
    claimant = claimant_of(config)
    plugin = _third_party_name(config)
    member = Member(name, plugin, field, default, initial, claimant)
    of_thing = config.registry.members.setdefault(thing, {})
    other = of_thing.setdefault(member.key, member)
    if other is not member:
        raise StartupError(
            f"{other.claimant} and {claimant} both add the member {member.key!r} to {thing!r}; "
            "take one of the plugins out of scheduling.plugins (SCHEDULING_PLUGINS)."
        )
    try:
        orjson.dumps(default)
    except TypeError as error:
        raise StartupError(f"{member.told_of(thing)}, whose default is not JSON: {error}") from error
    # When all views are registered, whichever plugin comes first.
    config.action(
        ("member", thing, member.key),
        partial(_require_thing, config.registry, thing, member),
        order=PHASE3_CONFIG + 1,
    )


def _require_thing(registry: WebRegistry, thing: str, member: Member) -> None:
    """Raise ``StartupError`` where no body is of a thing: else a misspelt word would do nothing, silently."""
    named = (getattr(schema, "members_of", None) for schema in registry.extended_schemas)
    things = {name for name in named if name is not None}
    if thing not in things:
        raise StartupError(
            f"{member.told_of(thing)}, which no enabled plugin has; there are: {', '.join(sorted(things))}."
        )


def _third_party_name(config: Configurator) -> str | None:
    """Return the name of the plugin that is being included, if it does not come with Scheduling."""
    ours = __name__.partition(".")[0]
    package = f"{config.package.__name__}."
    for plugin in config.registry.plugins:
        if package.startswith(f"{plugin.package}.") and plugin.distribution.partition(" ")[0] != ours:
            return str(plugin.name)
    return None


def extended(registry: WebRegistry, schema: type[Schema]) -> type[Schema]:
    """Return a schema with the members that were added to its thing, also in schemas that it nests."""
    known = registry.extended_schemas.get(schema)
    if known is None:
        # A schema that nests itself gets no further.
        registry.extended_schemas[schema] = schema
        known = registry.extended_schemas[schema] = _extended(registry, schema)
    return known


def _extended(registry: WebRegistry, schema: type[Schema]) -> type[Schema]:
    own = schema().fields
    added = _renested_fields(own, lambda nested: extended(registry, nested))
    members = registry.members.get(getattr(schema, "members_of", None) or "", {})
    for name, field in _fields(members, schema).items():
        if name in own:
            claimant = members[name].claimant if name in members else "A third party"
            raise StartupError(f"{claimant} adds the member {name!r}, which {schema.__name__} has itself.")
        added[name] = field
    if not added:
        return schema
    return type(schema.__name__, (schema,), {**_module_and_docstring(schema), **added})


def _module_and_docstring(schema: type[Schema]) -> dict[str, Any]:
    return {"__module__": schema.__module__, "__doc__": schema.__doc__}


def _renested_fields(
    of_schema: Mapping[str, fields.Field[Any]], convert: Callable[[type[Schema]], type[Schema]]
) -> dict[str, fields.Field[Any]]:
    """Return those of a schema's fields that nest others, with these converted, if that changes them."""
    found = {name: _renested_field(field, convert) for name, field in of_schema.items()}
    return {name: field for name, field in found.items() if field is not of_schema[name]}


def _renested_field(
    field: fields.Field[Any], convert: Callable[[type[Schema]], type[Schema]]
) -> fields.Field[Any]:
    """Return a field with the schema that it nests, perhaps in a list, converted; itself if that is equal."""
    options: dict[str, Any] = {name: getattr(field, name) for name in _OPTIONS}
    if isinstance(field, fields.List):
        inner = _renested_field(field.inner, convert)
        return field if inner is field.inner else fields.List(inner, **options)
    if not isinstance(field, fields.Nested):
        return field
    try:
        nested = type(field.schema)
    except RegistryError:
        # Its class is named and does not exist: whoever describes the call tells where.
        return field
    other = convert(nested)
    if other is nested:
        return field
    return fields.Nested(other, many=field.many, only=field.only, exclude=field.exclude, **options)


_OPTIONS = ("allow_none", "data_key", "metadata", "required", "validate")
"""What a field keeps when what it nests is converted."""


@cache
def _in_answers(schema: type[Schema]) -> type[Schema]:
    """Return a schema as answers have it: with all of its members, and a later release may add some."""
    if issubclass(schema, AnswerSchema):
        return schema
    name = f"{schema.__name__.removesuffix('Answer')}Answer"
    return type(
        name,
        (AnswerSchema, schema),
        {**_module_and_docstring(schema), **_renested_fields(schema().fields, _in_answers)},
    )


def _fields(members: Mapping[str, Member], schema: type[Schema]) -> dict[str, fields.Field[Any]]:
    """Return the fields that a schema gets; in an answer of third parties' members all are there."""
    is_answer = issubclass(schema, AnswerSchema)
    by_plugin: dict[str | None, dict[str, fields.Field[Any]]] = {None: {}}
    for member in members.values():
        field = member.make_field()
        of_plugin = by_plugin.setdefault(member.plugin, {})
        of_plugin[member.name] = _renested_field(field, _in_answers) if is_answer else field
    found = by_plugin.pop(None)
    if by_plugin:
        base: type[Schema] = AnswerSchema if is_answer else StrictSchema
        of_plugins: dict[str, fields.Field[Any]] = {
            str(plugin): _object_of(
                f"{schema.__name__}_{plugin}", f"What the plugin {plugin} adds.", base, theirs
            )
            for plugin, theirs in by_plugin.items()
        }
        told = "What plugins that do not come with Scheduling add, by their names."
        found[EXTENSIONS] = _object_of(f"{schema.__name__}_{EXTENSIONS}", told, base, of_plugins)
    return found


def _object_of(
    name: str, told: str, base: type[Schema], members: Mapping[str, fields.Field[Any]]
) -> fields.Field[Any]:
    schema = base.from_dict(dict(members), name=name)
    schema.__doc__ = told
    return fields.Nested(schema)


def take_members(registry: WebRegistry, schema: RequestSchema, loaded: dict[str, Any]) -> dict[str, Any]:
    """Take the values of members, by their keys, out of what a schema has read."""
    thing = getattr(schema, "members_of", None)
    if thing is None:
        return {}
    taken = {}
    extensions = loaded.pop(EXTENSIONS, {}) if EXTENSIONS in schema.fields else {}
    for key, member in registry.members.get(thing, {}).items():
        source = loaded if member.plugin is None else extensions.get(member.plugin, {})
        if member.name in source:
            taken[key] = source.pop(member.name)
    return taken


def filled(
    db: Session, thing: str, stored: Mapping[str, Any] | None, sent: Mapping[str, Any], user_id: int = 0
) -> dict[str, Any]:
    """Return the values of all members of a thing, to be kept: what was sent, else what there was.

    ``stored`` is None for a thing that the user ``user_id`` is making. What the members of a plugin that is
    not enabled had stays.
    """
    members: Mapping[str, Member] = db.registry.members.get(thing, {})
    values = dict(stored or {})
    for key, member in members.items():
        if key in sent:
            values[key] = sent[key]
        elif key not in values:
            initial = member.initial if stored is None else None
            values[key] = initial(db, user_id) if initial else member.default
    return values


def shown(registry: WebRegistry, thing: str, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what an answer has of the members of a thing."""
    found: dict[str, Any] = {}
    for key, member in registry.members.get(thing, {}).items():
        value = stored[key] if stored and key in stored else member.default
        if member.plugin is None:
            found[member.name] = value
        else:
            found.setdefault(EXTENSIONS, {}).setdefault(member.plugin, {})[member.name] = value
    return found


def includeme(config: Configurator) -> None:
    """Register the directive."""
    config.registry.members = {}
    config.registry.extended_schemas = {}
    config.add_directive("add_member", add_member)
