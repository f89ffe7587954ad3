"""The SQL that reads bookings: one, those of a user, and the orders of a list."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.plugin import Keyset, Statement, shown_members
from scheduling_bookings.models import bookings

if TYPE_CHECKING:
    from scheduling.plugin import Query, Registry, Row, Session

THING = "booking"
"""The word for bookings in ``config.add_member``."""

COLUMNS = (
    bookings.c.id,
    bookings.c.user_id,
    bookings.c.title,
    bookings.c.start_time,
    bookings.c.end_time,
    bookings.c.status,
    bookings.c.created_at,
    bookings.c.updated_at,
    bookings.c.version,
    bookings.c.description,
    bookings.c.location,
    bookings.c.time_zone,
    bookings.c.metadata,
    bookings.c.cancellation_reason,
    bookings.c.members,
)
"""The columns of a booking of which :func:`answer` makes what the API answers (schemas.py)."""

FILTERS = {
    "status": bookings.c.status == sa.bindparam("status"),
    "window_start": bookings.c.end_time > sa.bindparam("window_start"),
    "window_end": bookings.c.start_time < sa.bindparam("window_end"),
    "updated_since": bookings.c.updated_at >= sa.bindparam("updated_since"),
}
"""The conditions by which a list can be narrowed, by the name of their parameter."""

DEFAULT_ORDER = "-start_time"

ORDERS = {
    DEFAULT_ORDER: Keyset((bookings.c.start_time, bookings.c.id), (True, True)),
    "start_time": Keyset((bookings.c.start_time, bookings.c.id), (False, False), "ascending"),
    "-updated_at": Keyset((bookings.c.updated_at, bookings.c.id), (True, True)),
    "updated_at": Keyset((bookings.c.updated_at, bookings.c.id), (False, False), "ascending"),
}
"""The orders of a list, by what ``sort`` is; each has an index of the same columns."""

_find_statement = Statement(sa.select(*COLUMNS).where(bookings.c.id == sa.bindparam("booking_id")))


def find(db: Session, booking_id: int) -> Row | None:
    """Return a booking, or None."""
    return db.row(_find_statement, {"booking_id": booking_id})


@cache
def select_of_user(*filters: str) -> Query:
    """Return the query for the bookings of ``:user_id``, narrowed by some of :data:`FILTERS`."""
    conditions = (FILTERS[name] for name in filters)
    return sa.select(*COLUMNS).where(bookings.c.user_id == sa.bindparam("user_id"), *conditions)


def answer(registry: Registry, booking: dict[str, Any]) -> dict[str, Any]:
    """Make of the columns of a booking what the API answers, and return it."""
    members = booking.pop("members")
    if booking["metadata"] is None:
        booking["metadata"] = {}
    booking.update(shown_members(registry, THING, members))
    return booking
