"""What the views declare, read without a request: the tree of resources, and what each view there answers."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pyramid.security import NO_PERMISSION_REQUIRED

from scheduling.web import codes
from scheduling.web.idempotency.key import METHODS as IDEMPOTENCY_METHODS
from scheduling.web.members import extended
from scheduling.web.resources import Item, Resource, Root, Version1, children_of, item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from marshmallow import Schema

    from scheduling.web.codes import Code
    from scheduling.web.registry import WebRegistry
    from scheduling.web.resources import ResourceFactory

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods whose views are told, in this order; HEAD is part of each GET."""

_WRITING = frozenset(METHODS) - {"GET"}


@dataclass(frozen=True)
class Place:
    """A resource class in the tree. ``parts`` are the names that lead there, with the class of an item."""

    resource: type[Resource]
    parts: tuple[str | type[Item], ...] = ()

    @property
    def below_item(self) -> bool:
        """Whether a row decides if there is such a resource."""
        return any(not isinstance(part, str) for part in self.parts)


@dataclass(frozen=True)
class Declaration:
    """A view as it is declared, at one place of the tree and for one method."""

    place: Place
    view_name: str
    method: str
    callable: Callable[..., Any]
    status: int
    permission: str
    options: Mapping[str, Any]
    """All that the introspector knows of the view: ``schema``, ``query``, ``etag``, ``location``, …"""

    @property
    def is_declared(self) -> bool:
        """Whether the view says what it answers; one of a third party may not."""
        return "response" in self.options

    @property
    def response(self) -> Schema | type[Schema] | None:
        """The schema of a good answer; None where there is no body."""
        response: Schema | type[Schema] | None = self.options.get("response")
        return response

    @property
    def is_public(self) -> bool:
        """Whether the view can be called without a token."""
        return bool(self.permission == NO_PERMISSION_REQUIRED)

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether the header Idempotency-Key is honoured."""
        return self.method in IDEMPOTENCY_METHODS and bool(self.options.get("idempotent", True))

    @property
    def has_limit(self) -> bool:
        """Whether the call has a rate limit of its own, beside the budget that an operator may give users."""
        return bool(self.options.get("rate_limit")) or codes.RATE_LIMITED in self.options.get("errors", ())

    @property
    def codes(self) -> list[Code]:
        """Every code with which the view may fail, by status and word; a 405 comes from no view."""
        found = {codes.INTERNAL, codes.UNAVAILABLE, *self.options.get("errors", ())}
        if self.options.get("schema"):
            found |= {codes.INVALID, codes.TOO_LARGE, codes.UNSUPPORTED_MEDIA_TYPE}
        if self.options.get("query"):
            found.add(codes.INVALID)
        if self.options.get("if_match"):
            found |= {codes.INVALID, codes.STALE, codes.PRECONDITION_REQUIRED}
        # Of a limit of its own, or of the budget that an operator gives users.
        if self.has_limit or not self.is_public:
            found.add(codes.RATE_LIMITED)
        if not self.is_public:
            found |= {codes.UNAUTHENTICATED, codes.TOKEN_EXPIRED, codes.TOKEN_REVOKED, codes.FORBIDDEN}
        if self.place.below_item:
            found.add(codes.NOT_FOUND)
        if self.method in _WRITING:
            found.add(codes.CONFLICT)
        if self.takes_idempotency_key:
            # The body is part of what is compared, also where the view does not look at it.
            found |= {codes.INVALID, codes.TOO_LARGE, codes.IDEMPOTENCY_RUNNING, codes.IDEMPOTENCY_MISMATCH}
        return sorted(found, key=lambda code: (code.status, code.word))


def places(registry: WebRegistry) -> Iterator[Place]:
    """Yield every resource class that is declared, from the root on, each below its parent.

    Of folders in folders, which could go on for ever, one level is told.
    """
    pending: list[tuple[Place, frozenset[type[Resource]]]] = [(Place(Root), frozenset())]
    while pending:
        place, above = pending.pop(0)
        if place.resource in above:
            continue
        above |= {place.resource}
        yield place
        is_api = issubclass(place.resource, Version1)
        children: Mapping[str, ResourceFactory] = (
            registry.api_resources if is_api else children_of(registry, place.resource)
        )
        for name, child in children.items():
            if isinstance(child, type) and issubclass(child, Resource):
                pending.append((Place(child, (*place.parts, name)), above))
        item = item_of(place.resource)
        if item is not None:
            pending.append((Place(item, (*place.parts, item)), above))


def declarations(registry: WebRegistry) -> Iterator[Declaration]:
    """Yield the views of every place, those of core and of every enabled plugin.

    Of two of one name and method Pyramid calls the one for the more special class: that comes later.
    """
    entries = registry.introspector.get_category("views", ())
    of_classes = [entry for entry in entries if isinstance(entry["introspectable"]["context"], type)]
    of_classes.sort(key=lambda entry: len(entry["introspectable"]["context"].__mro__))
    for place in places(registry):
        for entry in of_classes:
            if issubclass(place.resource, entry["introspectable"]["context"]):
                yield from _declared(registry, place, entry)


def _with_members(registry: WebRegistry, schema: Schema | type[Schema]) -> Schema | type[Schema]:
    if isinstance(schema, type):
        return extended(registry, schema)
    with_members = extended(registry, type(schema))
    return schema if with_members is type(schema) else with_members(many=schema.many)


def _declared(registry: WebRegistry, place: Place, entry: Mapping[str, Any]) -> Iterator[Declaration]:
    """Yield a view of a place, once for each of its methods, with the members that plugins added."""
    view = dict(entry["introspectable"])
    for option in ("schema", "response"):
        if view.get(option) is not None:
            view[option] = _with_members(registry, view[option])
    [permission] = [other["value"] for other in entry["related"] if other.category_name == "permissions"]
    methods = view["request_methods"] or ()
    for method in (methods,) if isinstance(methods, str) else methods:
        if method in METHODS:
            status = view.get("status", HTTPStatus.OK)
            yield Declaration(place, view["name"], method, view["callable"], status, permission, view)
