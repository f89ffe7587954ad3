"""The calls that the document describes: what views declare, with the templates of their paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scheduling.db.metadata import MAX_ID
from scheduling.web.declarations import METHODS, declarations, places
from scheduling.web.resources import item_of
from scheduling.web.schemas import parse_id, parse_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.web.declarations import Declaration
    from scheduling.web.registry import WebRegistry
    from scheduling.web.resources import Item

API = ("api", "v1")
"""The names that lead to the resources of the API."""

_IDS: dict[Callable[[str], Any], dict[str, Any]] = {
    parse_id: {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID},
    parse_uuid: {"type": "string", "format": "uuid"},
}
"""What an id in a path looks like, by the function that reads it; for any other it is some text."""


@dataclass(frozen=True)
class Call:
    """One method of one path."""

    declared: Declaration
    path: str
    """A template such as ``/api/v1/bookings/{booking_id}``."""

    path_parameters: tuple[dict[str, Any], ...]

    is_bundled: bool
    """Whether the view is one of core or of a plugin that comes with it."""

    @property
    def method(self) -> str:
        """The method, in capital letters."""
        return self.declared.method

    @property
    def name(self) -> str:
        """The view's name, which ends the path; empty for the resource itself."""
        return self.declared.view_name

    def option(self, name: str) -> Any:
        """Return an option of ``@view_config``, or None."""
        return self.declared.options.get(name)


def snake_case(name: str) -> str:
    """Return ``outbox_message`` for ``OutboxMessage``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def calls(registry: WebRegistry) -> list[Call]:
    """Return the calls of the API, sorted by path and method.

    Outside of ``/api/v1`` are pages too, which do not say what they answer: those are left out.
    """
    # Where several resources have one kind of item, the uppermost says what its id looks like.
    upwards = reversed(list(places(registry)))
    parsers = {item_of(place.resource): place.resource.parse_item_id for place in upwards}
    bundled = _bundled_packages(registry)
    found: dict[tuple[str, int], Call] = {}
    for declared in declarations(registry):
        if declared.is_declared or declared.place.parts[: len(API)] == API:
            path = _path(declared)
            items = [part for part in declared.place.parts if not isinstance(part, str)]
            parameters = tuple(_path_parameter(item, parsers[item]) for item in items)
            is_bundled = getattr(declared.callable, "__module__", "").partition(".")[0] in bundled
            found[path, METHODS.index(declared.method)] = Call(declared, path, parameters, is_bundled)
    return [found[key] for key in sorted(found)]


def _bundled_packages(registry: WebRegistry) -> set[str]:
    core = __name__.partition(".")[0]
    plugins = (one for one in registry.plugins if one.distribution.partition(" ")[0] == core)
    return {core, *(plugin.package.partition(".")[0] for plugin in plugins)}


def _path(declared: Declaration) -> str:
    names = [
        part if isinstance(part, str) else f"{{{_parameter_name(part)}}}" for part in declared.place.parts
    ]
    return "/" + "/".join([*names, declared.view_name] if declared.view_name else names)


def _parameter_name(item: type[Item]) -> str:
    return item.id_name or f"{snake_case(item.__name__)}_id"


def _path_parameter(item: type[Item], parser: Callable[[str], Any]) -> dict[str, Any]:
    return {
        "name": _parameter_name(item),
        "in": "path",
        "required": True,
        "schema": _IDS.get(parser, {"type": "string"}),
    }
