"""``/bookings`` and ``/bookings/{id}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.authorization import Allow, Authenticated
from pyramid.decorator import reify

from scheduling.plugin import SITE_ADMIN, Acl, Item, Missing, Permission, Resource, user_principal
from scheduling_bookings import queries

if TYPE_CHECKING:
    from scheduling.plugin import Row


class Booking(Item):
    """One booking, for its owner and for site admins."""

    id: int

    # reify: on Python 3.11 functools.cached_property holds one lock for all instances during the query.
    @reify
    def row(self) -> Row:
        """The booking's columns; raises ``Missing`` if there is no such booking."""
        row = queries.find(self.request.db, self.id)
        if row is None:
            raise Missing("Booking not found")
        return row

    def rules(self) -> Acl:
        """Allow the owner and site admins everything."""
        everything = (Permission.VIEW, Permission.EDIT, Permission.DELETE)
        return [(Allow, user_principal(self.row.user_id), everything), (Allow, SITE_ADMIN, everything)]


class Bookings(Resource):
    """Bookings: everybody makes and lists their own."""

    item = Booking

    def __acl__(self) -> Acl:
        return [(Allow, Authenticated, (Permission.LIST, Permission.CREATE))]
