"""The label ``route`` of a request: the pattern of its path, such as ``/api/v1/bookings/{id}``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyramid.location import lineage

from scheduling.web.schemas import parse_id, parse_uuid

if TYPE_CHECKING:
    from pyramid.registry import Registry

    from scheduling.web.request import Request

UNMATCHED = "unmatched"
"""The route of a request for which there is no view, and of one that is answered before traversal."""


class Routes:
    """Makes patterns of the resources that traversal found, never of the path that a client sent."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # Classes of resources and names of views are as many as were registered, so this does not grow.
        self._known: dict[tuple[type, str], str] = {}

    def of(self, request: Request) -> str:
        """Return the pattern of a request's route."""
        found = request.__dict__
        context, view_name = found.get("context"), found.get("view_name", "")
        key = (type(context), view_name)
        pattern = self._known.get(key)
        if pattern is None:
            contexts = self._views.get(view_name)
            if contexts is None:
                return UNMATCHED
            pattern = _pattern(context, view_name) if isinstance(context, contexts) else UNMATCHED
            self._known[key] = pattern
        return pattern

    @cached_property
    def _views(self) -> dict[str, tuple[type, ...]]:
        """The classes that have a view of a name, by that name."""
        views: dict[str, tuple[type, ...]] = {}
        for entry in self._registry.introspector.get_category("views", ()):
            view = entry["introspectable"]
            if isinstance(view["context"], type) and not view["exception_only"]:
                views[view["name"]] = (*views.get(view["name"], ()), view["context"])
        return views


def _pattern(context: Any, view_name: str) -> str:
    names = [_segment(resource.__name__) for resource in lineage(context)]
    return "/".join([*reversed(names), view_name] if view_name else reversed(names)) or "/"


def _segment(name: str) -> str:
    return "{id}" if parse_id(name) or parse_uuid(name) else name
