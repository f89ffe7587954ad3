"""What e-mails about bookings show, which is loaded when they are sent, and when that of a move leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.plugin import format_timestamp, lock_unsent, move, release_key, utcnow
from scheduling_bookings.models import bookings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scheduling.plugin import Configurator, Message, Row, Session

    Contents = list[dict[str, Any] | None]

QUIET = timedelta(seconds=30)
"""How long after the last move of a booking its owner is told, so that several moves are one e-mail."""

LONGEST = timedelta(minutes=2)
"""How long after the first of those moves at the latest."""

SAMPLE = {
    "booking_id": 12,
    "title": "Team standup",
    "start_time": "2027-04-01T09:00:00.000Z",
    "end_time": "2027-04-01T09:30:00.000Z",
    "time_zone": "America/New_York",
    "location": "Room 2",
}
SAMPLE_MOVED = SAMPLE | {
    "old_start_time": "2027-03-31T15:00:00.000Z",
    "old_end_time": "2027-03-31T15:30:00.000Z",
}
SAMPLE_CANCELLED = SAMPLE | {"cancellation_reason": "The heating is broken"}

_find_statement = sa.select(
    bookings.c.id,
    bookings.c.title,
    bookings.c.start_time,
    bookings.c.end_time,
    bookings.c.status,
    bookings.c.time_zone,
    bookings.c.location,
    bookings.c.cancellation_reason,
    bookings.c.members,
).where(bookings.c.id.in_(sa.bindparam("ids", expanding=True)))


def confirmation_key(booking_id: int) -> str:
    """Return the key of the e-mail that confirms a booking."""
    return f"booking-confirmation:{booking_id}"


def rescheduled_key(booking_id: int) -> str:
    """Return the key of the e-mail, if one waits, that tells the moves of a booking."""
    return f"booking-rescheduled:{booking_id}"


def load_confirmed(db: Session, messages: Sequence[Message]) -> Contents:
    """Return what the confirmations of bookings show; None for a booking that is cancelled or gone."""
    return _load(db, messages, "confirmed")


def load_cancelled(db: Session, messages: Sequence[Message]) -> Contents:
    """Return what is shown of cancelled bookings; None for one that is confirmed again, or gone."""
    return _load(db, messages, "cancelled")


def load_moved(db: Session, messages: Sequence[Message]) -> Contents:
    """Return what is shown of moved bookings; None for one that is cancelled, gone or back where it was."""
    shown = _load(db, messages, "confirmed")
    return [
        booking and _with_old_times(booking, message.payload["data"])
        for booking, message in zip(shown, messages, strict=True)
    ]


def reuse_confirmation(db: Session, booking_id: int) -> bool:
    """Have the e-mail that confirms a booking serve once more if it has not left yet; False where it has.

    No worker takes it before this transaction ends. One that was sent or skipped, or that a worker has in
    hand, leaves its key to the next.
    """
    if lock_unsent(db, confirmation_key(booking_id)):
        return True
    release_key(db, confirmation_key(booking_id))
    return False


def reuse_waiting_email(db: Session, booking_id: int) -> bool:
    """Have an e-mail that has not left yet show the times that a booking has now; False where there is none.

    It is the confirmation, or that of moves just before, which then waits for further ones again. No
    worker takes it before this transaction ends. The booking must be locked, as by the UPDATE that moved it,
    so that two moves cannot both find none.
    """
    if lock_unsent(db, confirmation_key(booking_id)):
        return True
    key = rescheduled_key(booking_id)
    waiting = lock_unsent(db, key)
    if waiting is None:
        # One that was sent, or that a worker has in hand, leaves its key to the next.
        release_key(db, key)
        return False
    move(db, waiting.id, min(utcnow() + QUIET, waiting.created_at + LONGEST))
    return True


def _load(db: Session, messages: Sequence[Message], status: str) -> Contents:
    """Return what is shown of the booking of each message; None if it is gone or has another status."""
    ids = [message.payload["data"]["booking_id"] for message in messages]
    rows = db.rows(_find_statement, {"ids": ids})
    shown = {row.id: _shown(row) for row in rows if row.status == status}
    return [shown.get(booking_id) for booking_id in ids]


def _shown(row: Row) -> dict[str, Any]:
    return {
        "booking_id": row.id,
        "title": row.title,
        "start_time": format_timestamp(row.start_time),
        "end_time": format_timestamp(row.end_time),
        "time_zone": row.time_zone,
        "location": row.location,
        "cancellation_reason": row.cancellation_reason,
        "members": row.members or {},
    }


def _with_old_times(shown: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any] | None:
    old_times = {name: data[name] for name in ("old_start_time", "old_end_time")}
    is_back = list(old_times.values()) == [shown["start_time"], shown["end_time"]]
    return None if is_back else shown | old_times


def includeme(config: Configurator) -> None:
    """Register the e-mails."""
    config.add_email_template(
        "BOOKING_CONFIRMATION", "bookings/confirmation", sample=SAMPLE, load=load_confirmed
    )
    config.add_email_template(
        "BOOKING_RESCHEDULED", "bookings/rescheduled", sample=SAMPLE_MOVED, load=load_moved
    )
    config.add_email_template(
        "BOOKING_CANCELLED", "bookings/cancelled", sample=SAMPLE_CANCELLED, load=load_cancelled
    )
