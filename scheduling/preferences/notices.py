"""The types of notices that users can switch off, on each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from marshmallow import Schema, fields

from scheduling.config.directives import register
from scheduling.preferences.schemas import THING
from scheduling.web.schemas import Flag, StrictSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyramid.config import Configurator

NOTICES = "notices"
"""The key of the preference."""


class NoticeType(NamedTuple):
    """A type of notices, and whether it is told on each channel by default; None where it never is."""

    title: str
    email: bool | None
    in_app: bool | None

    def defaults(self) -> dict[str, bool]:
        """Return the channels that the type has, by their names."""
        channels = {"email": self.email, "in_app": self.in_app}
        return {name: default for name, default in channels.items() if default is not None}


def add_notice_type(
    config: Configurator, name: str, title: str, *, email: bool | None = True, in_app: bool | None = True
) -> None:
    """Directive: let users switch notices of a type on and off.

    ``title`` tells people what it is, ``email`` and ``in_app`` what holds until they choose; None is for a
    channel that does not tell it. Notices of types that nobody has added are always told, as those about an
    account's security must be.
    """
    # At once, not when the configuration is carried out: the schemas are made when views are registered.
    config.registry.notice_types.setdefault(name, NoticeType(title, email, in_app))
    register(config, "notice type", name, lambda: None, title=title)


def effective(types: Mapping[str, NoticeType], chosen: Mapping[str, Any]) -> dict[str, dict[str, bool]]:
    """Return for each type whether it is told on each of its channels."""
    return {
        name: {
            channel: chosen.get(name, {}).get(channel, default)
            for channel, default in of_type.defaults().items()
        }
        for name, of_type in types.items()
    }


def merged(chosen: Mapping[str, Any], changes: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    """Return what is chosen after changes, each of which is of one channel of one type."""
    return {**chosen, **{name: {**chosen.get(name, {}), **channels} for name, channels in changes.items()}}


def _field(types: Mapping[str, NoticeType]) -> fields.Field[Any]:
    """Make the field of the preference, which has a member for each type.

    Its schema tells the title and, as ``x-default``, what holds until somebody chooses. A ``default`` would
    have clients send that with every change.
    """
    schemas = {frozenset(of_type.defaults()): _of_channels(of_type) for of_type in types.values()}
    members: dict[str, fields.Field[Any]] = {
        name: fields.Nested(
            schemas[frozenset(of_type.defaults())],
            metadata={"description": of_type.title, "x-default": of_type.defaults()},
        )
        for name, of_type in types.items()
    }
    told = "Which notices are told, by their types, on which channels."
    return fields.Nested(_strict("Notices", told, members), metadata={"description": told})


def _of_channels(of_type: NoticeType) -> type[Schema]:
    """Make the schema of all types that have the channels of this one."""
    channels = of_type.defaults()
    words = "And".join(channel.title().replace("_", "") for channel in channels)
    members: dict[str, fields.Field[Any]] = {channel: Flag() for channel in channels}
    return _strict(f"NoticeBy{words}", "On which channels a type of notices is told.", members)


def _strict(name: str, told: str, members: dict[str, fields.Field[Any]]) -> type[Schema]:
    schema = StrictSchema.from_dict(members, name=name)
    schema.__doc__ = told
    return schema


def includeme(config: Configurator) -> None:
    """Register the directive and the preference."""
    types: dict[str, NoticeType] = {}
    config.registry.notice_types = types
    config.add_directive("add_notice_type", add_notice_type)
    config.add_member(THING, NOTICES, lambda: _field(types), {})
