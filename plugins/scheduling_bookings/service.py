"""The rules and the SQL of bookings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pyramid.httpexceptions import HTTPConflict

from scheduling.plugin import (
    Code,
    Invalid,
    Missing,
    Refusal,
    Statement,
    publish,
    require_version,
    utcnow,
    write_if_match,
)
from scheduling_bookings.events import BookingCancelled, BookingCreated, BookingEvent, BookingUpdated
from scheduling_bookings.models import bookings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from scheduling.plugin import Query, Row, Session, Versions

BOOKING_CANCELLED = Code("booking_cancelled", 409, "The booking is cancelled and cannot be changed.")

PUBLIC = (
    bookings.c.id,
    bookings.c.user_id,
    bookings.c.title,
    bookings.c.start_time,
    bookings.c.end_time,
    bookings.c.status,
    bookings.c.created_at,
    bookings.c.updated_at,
    bookings.c.version,
)
"""The columns of a booking as the API answers it (schemas.py)."""

_find_statement = Statement(sa.select(*PUBLIC).where(bookings.c.id == sa.bindparam("booking_id")))
_insert_statement = Statement(sa.insert(bookings))

FILTERS = {
    "status": bookings.c.status == sa.bindparam("status"),
    "window_start": bookings.c.end_time > sa.bindparam("window_start"),
    "window_end": bookings.c.start_time < sa.bindparam("window_end"),
}
"""The conditions by which a list can be narrowed, by the name of their parameter."""


def find(db: Session, booking_id: int) -> Row | None:
    """Return a booking, or None."""
    return db.row(_find_statement, {"booking_id": booking_id})


@cache
def select_of_user(*filters: str) -> Query:
    """Return the query for the bookings of ``:user_id``, narrowed by some of :data:`FILTERS`."""
    conditions = (FILTERS[name] for name in filters)
    return sa.select(*PUBLIC).where(bookings.c.user_id == sa.bindparam("user_id"), *conditions)


def create(db: Session, user_id: int, title: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Make a booking and return it; raise ``Invalid`` for a start before now or an end not after it."""
    _require_order(start, end)
    _require_future(start)
    now = utcnow()
    booking = {
        "id": db.reserve_id(bookings),
        "user_id": user_id,
        "title": title,
        "start_time": start,
        "end_time": end,
        "status": "confirmed",
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }
    db.insert_at_commit(_insert_statement, booking)
    _publish(BookingCreated, db, booking)
    return booking


def update(db: Session, booking: Row, changes: dict[str, Any], versions: Versions) -> Row:
    """Change ``title``, ``start`` or ``end`` of a confirmed booking and return it.

    Raises ``Invalid`` where the times that would result are not in order or a changed start is past,
    and ``Refusal`` for a cancelled booking and for one that has none of the versions.
    """
    if booking.status == "cancelled":
        raise Refusal(BOOKING_CANCELLED, "This booking is cancelled.")
    require_version(booking, versions)
    start = changes.get("start", booking.start_time)
    _require_order(start, changes.get("end", booking.end_time))
    if start != booking.start_time:
        _require_future(start)
    columns = {"title": "title", "start": "start_time", "end": "end_time"}
    statement = (
        sa.update(bookings)
        .where(bookings.c.id == booking.id)
        .values({columns[name]: value for name, value in changes.items()})
        .returning(*PUBLIC)
    )
    # What was just validated must still be what the row has.
    is_as_read = (
        bookings.c.status == "confirmed",
        bookings.c.start_time == booking.start_time,
        bookings.c.end_time == booking.end_time,
    )
    row = write_if_match(db, statement, versions, *is_as_read)
    if row is None:
        raise HTTPConflict("Somebody changed this booking at the same time; please look again.")
    old_times = {"old_start_time": booking.start_time, "old_end_time": booking.end_time}
    _publish(BookingUpdated, db, row._asdict(), **old_times)
    return row


def cancel(db: Session, booking: Row, versions: Versions) -> Row:
    """Cancel a booking, keeping its row, and return it.

    Raises ``Missing`` if it was cancelled already, ``Refusal`` where it has none of the versions.
    """
    row: Row | None = None
    if booking.status != "cancelled":
        statement = sa.update(bookings).where(bookings.c.id == booking.id).values(status="cancelled")
        is_not_cancelled = bookings.c.status != "cancelled"
        row = write_if_match(db, statement.returning(*PUBLIC), versions, is_not_cancelled)
    if row is None:
        raise Missing("Booking not found or already cancelled")
    _publish(BookingCancelled, db, row._asdict())
    return row


def _require_order(start: datetime, end: datetime) -> None:
    if end <= start:
        raise Invalid({"end": ["must be after start"]})


def _require_future(start: datetime) -> None:
    if start < utcnow():
        raise Invalid({"start": ["must not be in the past"]})


def _publish(
    kind: type[BookingEvent], db: Session, booking: Mapping[str, Any], **further_facts: datetime
) -> None:
    publish(
        kind(
            db=db,
            user_id=booking["user_id"],
            booking_id=booking["id"],
            title=booking["title"],
            start_time=booking["start_time"],
            end_time=booking["end_time"],
            **further_facts,
        )
    )
