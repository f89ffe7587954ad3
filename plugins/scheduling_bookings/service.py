"""The rules of bookings, and the SQL that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pyramid.httpexceptions import HTTPConflict

from scheduling.plugin import (
    Code,
    Invalid,
    Missing,
    Refusal,
    Statement,
    codes,
    filled_members,
    preferences_of,
    publish,
    require_version,
    utcnow,
    write_if_match,
)
from scheduling_bookings.conflicts import ON_CONFLICT, refuses_overlaps, require_free
from scheduling_bookings.events import (
    BookingCancelled,
    BookingCreated,
    BookingEvent,
    BookingRestored,
    BookingUpdated,
)
from scheduling_bookings.models import bookings
from scheduling_bookings.queries import COLUMNS, THING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from scheduling.plugin import Row, Session, Versions

BOOKING_CANCELLED = Code("booking_cancelled", 409, "The booking is cancelled and cannot be changed.")

CHANGED_MEANWHILE = "Somebody changed this booking at the same time; please look again."

_COLUMN_OF = {"start": "start_time", "end": "end_time"}
"""The columns that are not called as the members of a request."""

_insert_statement = Statement(sa.insert(bookings))


def create(
    db: Session, user_id: int, wanted: Mapping[str, Any], members: Mapping[str, Any]
) -> dict[str, Any]:
    """Make a booking as a ``NewBooking`` wants it, with members of other plugins, and return its columns.

    Raises ``Invalid`` for a start before now or an end not after it, and ``Refusal`` for a time that is taken
    where overlaps are refused.
    """
    start, end = wanted["start"], wanted["end"]
    _require_order(start, end)
    _require_future(start)
    if refuses_overlaps(db, wanted):
        require_free(db, user_id, start, end)
    zone = wanted.get("time_zone") or preferences_of(db, user_id).time_zone
    now = utcnow()
    booking = {
        "id": db.reserve_id(bookings),
        "user_id": user_id,
        "title": wanted["title"],
        "start_time": start,
        "end_time": end,
        "status": "confirmed",
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "description": wanted.get("description"),
        "location": wanted.get("location"),
        "time_zone": zone,
        "metadata": wanted.get("metadata") or None,
        "cancellation_reason": None,
        "members": filled_members(db, THING, None, members, user_id) or None,
    }
    db.insert_at_commit(_insert_statement, booking)
    _publish(BookingCreated, db, booking)
    # A copy: what the caller makes of it for the answer must not change the row that is inserted later.
    return dict(booking)


def update(
    db: Session, booking: Row, changes: Mapping[str, Any], members: Mapping[str, Any], versions: Versions
) -> Row:
    """Change a confirmed booking as a ``BookingPatch`` says, with members of other plugins, and return it.

    Raises ``Invalid`` where the times that would result are not in order or a changed start is past,
    and ``Refusal`` for a cancelled booking, for one that has none of the versions, and for other times that
    are taken where overlaps are refused.
    """
    if booking.status == "cancelled":
        raise Refusal(BOOKING_CANCELLED, "This booking is cancelled.")
    require_version(booking, versions)
    start, end = changes.get("start", booking.start_time), changes.get("end", booking.end_time)
    _require_order(start, end)
    if start != booking.start_time:
        _require_future(start)
    if (start, end) != (booking.start_time, booking.end_time) and refuses_overlaps(db, changes):
        require_free(db, booking.user_id, start, end, besides=booking.id)
    values = {_COLUMN_OF.get(name, name): value for name, value in changes.items() if name != ON_CONFLICT}
    if not values.get("metadata", True):
        values["metadata"] = None
    # What was just validated must still be what the row has.
    conditions = [*_is_as_read(booking)]
    if members:
        values["members"] = filled_members(db, THING, booking.members or {}, members)
        # Nor may another call have changed members of another plugin, which are in the same column.
        conditions.append(bookings.c.version == booking.version)
    row = write_if_match(db, _change(booking, values), versions, *conditions)
    if row is None:
        raise HTTPConflict(CHANGED_MEANWHILE)
    before = {
        "old_start_time": booking.start_time,
        "old_end_time": booking.end_time,
        "old_members": filled_members(db, THING, booking.members or {}, {}),
    }
    _publish(BookingUpdated, db, row._asdict(), **before)
    return row


def cancel(db: Session, booking: Row, versions: Versions, reason: str | None) -> Row:
    """Cancel a booking, keeping its row, and return it.

    Raises ``Missing`` if it was cancelled already, ``Refusal`` where it has none of the versions.
    """
    row: Row | None = None
    if booking.status != "cancelled":
        change = _change(booking, {"status": "cancelled", "cancellation_reason": reason})
        row = write_if_match(db, change, versions, bookings.c.status != "cancelled")
    if row is None:
        raise Missing("Booking not found or already cancelled")
    _publish(BookingCancelled, db, row._asdict(), reason=reason)
    return row


def restore(db: Session, booking: Row, wanted: Mapping[str, Any]) -> Row:
    """Confirm a cancelled booking again and return it.

    Raises ``Refusal`` for one that is not cancelled or has begun, and for a time that is taken where overlaps
    are refused.
    """
    if booking.status != "cancelled":
        raise Refusal(codes.CONFLICT, "This booking is not cancelled.")
    if booking.start_time <= utcnow():
        raise Refusal(codes.CONFLICT, "This booking has begun.")
    if refuses_overlaps(db, wanted):
        require_free(db, booking.user_id, booking.start_time, booking.end_time)
    change = _change(booking, {"status": "confirmed", "cancellation_reason": None})
    row = write_if_match(db, change, None, *_is_as_read(booking))
    if row is None:
        raise HTTPConflict(CHANGED_MEANWHILE)
    _publish(BookingRestored, db, row._asdict())
    return row


def _change(booking: Row, values: Mapping[str, Any]) -> sa.Update:
    return sa.update(bookings).where(bookings.c.id == booking.id).values(values).returning(*COLUMNS)


def _is_as_read(booking: Row) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        bookings.c.status == booking.status,
        bookings.c.start_time == booking.start_time,
        bookings.c.end_time == booking.end_time,
    )


def _require_order(start: datetime, end: datetime) -> None:
    if end <= start:
        raise Invalid({"end": ["must be after start"]})


def _require_future(start: datetime) -> None:
    if start < utcnow():
        raise Invalid({"start": ["must not be in the past"]})


def _publish(kind: type[BookingEvent], db: Session, booking: Mapping[str, Any], **further_facts: Any) -> None:
    publish(
        kind(
            db=db,
            user_id=booking["user_id"],
            booking_id=booking["id"],
            title=booking["title"],
            start_time=booking["start_time"],
            end_time=booking["end_time"],
            time_zone=booking["time_zone"],
            members=filled_members(db, THING, booking["members"] or {}, {}),
            **further_facts,
        )
    )
