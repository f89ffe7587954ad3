"""The messages of the outbox that are due when somebody is to be reminded.

Each is of one reminder of one start, which its key says. So a booking that is moved away and back, or
cancelled and restored, has each of its reminders once, and none again that was told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scheduling.plugin import enqueue, format_timestamp, utcnow, withdraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.plugin import Session
    from scheduling_bookings.events import BookingEvent

    Reminders = Sequence[dict[str, Any]]

CONSUMER = "reminders"
"""The consumer of the messages."""

KIND = "REMINDER"
"""The kind of the messages; that of the e-mails which they become is another."""

GRACE = timedelta(minutes=5)
"""How late a reminder of 0 minutes may be, which is due when the booking has begun."""

_LATEST = datetime.max.replace(tzinfo=UTC)


def write(event: BookingEvent, reminders: Reminders) -> None:
    """Write a message for each reminder whose moment has not come yet."""
    now = utcnow()
    for reminder in reminders:
        due_at = event.start_time - timedelta(minutes=reminder["minutes"])
        if due_at <= now:
            continue
        enqueue(
            event.db,
            consumer=CONSUMER,
            kind=KIND,
            payload={
                "user_id": event.user_id,
                "data": {"booking_id": event.booking_id, "start_time": event.start_time, **reminder},
            },
            dedupe_key=_key(event.booking_id, event.start_time, reminder),
            due_at=due_at,
            expires_at=expires_at(event.start_time, reminder["minutes"]),
            user_id=event.user_id,
        )


def end(db: Session, booking_id: int, start_time: datetime, reminders: Reminders) -> None:
    """Withdraw the messages of reminders that nobody has been told yet."""
    if reminders:
        withdraw(db, [_key(booking_id, start_time, reminder) for reminder in reminders])


def expires_at(start_time: datetime, minutes: int) -> datetime:
    """Return from when on a reminder is of no use: from the start on, unless it is for the start itself."""
    # The last minutes of the year 9999 have none after them.
    return start_time if minutes else min(start_time, _LATEST - GRACE) + GRACE


def _key(booking_id: int, start_time: datetime, reminder: dict[str, Any]) -> str:
    moment = format_timestamp(start_time)
    return f"reminder:{booking_id}:{moment}:{reminder['minutes']}:{reminder['channel']}"
