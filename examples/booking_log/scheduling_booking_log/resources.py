"""``/booking-log`` and ``/booking-log/{id}``, for site admins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.authorization import Allow

from scheduling.plugin import SITE_ADMIN, Acl, Item, Permission, Resource, parse_uuid

if TYPE_CHECKING:
    import uuid


class Line(Item):
    """A line of the log, by the id of its message."""

    id: uuid.UUID

    def rules(self) -> Acl:
        """Allow site admins to look at it."""
        return [(Allow, SITE_ADMIN, Permission.VIEW)]


class Log(Resource):
    """The log."""

    item = Line
    parse_item_id = parse_uuid

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]
