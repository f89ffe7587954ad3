"""Tells a reminder when its moment has come, as a notice: by e-mail or in the application.

Both are written then, by a handler that has its message done in the same transaction, so that a message
which is delivered twice is told once. Whether the owner wants them is asked then too.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from scheduling.plugin import (
    InApp,
    Notice,
    Skip,
    finish,
    format_span,
    preferences_of,
    publish,
    session_scope,
    shorten,
)
from scheduling_bookings.emails import SAMPLE, load_confirmed
from scheduling_reminders.chosen import REMINDERS
from scheduling_reminders.messages import CONSUMER, expires_at
from scheduling_reminders.schemas import EMAIL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scheduling.plugin import Configurator, Message, Registry, Session

BOOKING_REMINDER = "BOOKING_REMINDER"
"""The type of the notices, and the kind of the e-mail."""

MAX_TITLE = 200
"""How many characters of a booking's title are in the title of a notification, which has 255 in all."""


def load(db: Session, messages: Sequence[Message]) -> list[dict[str, Any] | None]:
    """Return what reminders show of their bookings; None for one that the booking does not have any more.

    Such a booking is cancelled, has been moved, or has other reminders.
    """
    return [
        booking if booking and _is_still_of(booking, message.payload["data"]) else None
        for booking, message in zip(load_confirmed(db, messages), messages, strict=True)
    ]


def _is_still_of(booking: Mapping[str, Any], reminder: Mapping[str, Any]) -> bool:
    """Tell whether a booking begins when a reminder says, and has that reminder.

    A change of the booking does not withdraw the message that a worker has in hand already.
    """
    wanted = {name: reminder[name] for name in ("minutes", "channel")}
    return booking["start_time"] == reminder["start_time"] and wanted in booking["members"].get(REMINDERS, ())


def tell(message: Message, registry: Registry) -> None:
    """Consumer: tell the owner of a booking that it is about to begin; raise ``Skip`` where it is not."""
    with session_scope(registry) as db:
        finish(db, message)
        [booking] = load(db, [message])
        if booking is None:
            raise Skip("the booking has no such reminder any more")
        publish(_notice(db, message.payload["user_id"], message.payload["data"], booking))


def _notice(db: Session, user_id: int, reminder: Mapping[str, Any], booking: Mapping[str, Any]) -> Notice:
    if reminder["channel"] != EMAIL:
        return Notice(db=db, user_id=user_id, in_app=_in_app(db, user_id, booking))
    return Notice(
        db=db,
        user_id=user_id,
        type=BOOKING_REMINDER,
        email=BOOKING_REMINDER,
        data=dict(reminder),
        email_expires_at=expires_at(datetime.fromisoformat(reminder["start_time"]), reminder["minutes"]),
    )


def _in_app(db: Session, user_id: int, booking: Mapping[str, Any]) -> InApp:
    start, end = (datetime.fromisoformat(booking[name]) for name in ("start_time", "end_time"))
    zone = preferences_of(db, user_id).time_zone
    return InApp(
        type=BOOKING_REMINDER,
        title=f'Reminder: "{shorten(booking["title"], MAX_TITLE)}"',
        message=f"Your booking “{booking['title']}” is on {format_span(start, end, zone)}.",
        metadata={"booking_id": booking["booking_id"]},
    )


def includeme(config: Configurator) -> None:
    """Register the consumer, the e-mail and the type of notices."""
    config.add_outbox_consumer(CONSUMER, tell)
    config.add_email_template(BOOKING_REMINDER, "reminders/reminder", sample=SAMPLE, load=load)
    config.add_notice_type(BOOKING_REMINDER, "A booking is about to begin")
