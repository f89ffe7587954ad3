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
    """Return what reminders show of their bookings; None for one that is not confirmed or has been moved."""
    return [
        booking if booking and booking["start_time"] == message.payload["data"]["start_time"] else None
        for booking, message in zip(load_confirmed(db, messages), messages, strict=True)
    ]


def tell(message: Message, registry: Registry) -> None:
    """Consumer: tell the owner of a booking that it is about to begin; raise ``Skip`` where it is not."""
    with session_scope(registry) as db:
        finish(db, message)
        [booking] = load(db, [message])
        if booking is None:
            raise Skip("the booking is not confirmed for this time any more")
        publish(_notice(db, message.payload, booking))


def _notice(db: Session, reminder: Mapping[str, Any], booking: dict[str, Any]) -> Notice:
    user_id, data = reminder["user_id"], reminder["data"]
    if reminder["channel"] == EMAIL:
        return Notice(
            db=db,
            user_id=user_id,
            type=BOOKING_REMINDER,
            email=BOOKING_REMINDER,
            data=data,
            email_expires_at=expires_at(datetime.fromisoformat(data["start_time"]), reminder["minutes"]),
        )
    return Notice(db=db, user_id=user_id, in_app=_in_app(db, user_id, booking))


def _in_app(db: Session, user_id: int, booking: dict[str, Any]) -> InApp:
    start, end = (datetime.fromisoformat(booking[name]) for name in ("start_time", "end_time"))
    return InApp(
        type=BOOKING_REMINDER,
        title=f'Reminder: "{shorten(booking["title"], MAX_TITLE)}"',
        message=f"Your booking “{booking['title']}”: {format_span(start, end, _zone(db, user_id))}.",
        metadata={"booking_id": booking["booking_id"]},
    )


def _zone(db: Session, user_id: int) -> str:
    return preferences_of(db, user_id).time_zone


def includeme(config: Configurator) -> None:
    """Register the consumer, the e-mail and the type of notices."""
    config.add_outbox_consumer(CONSUMER, tell)
    config.add_email_template(BOOKING_REMINDER, "reminders/reminder", sample=SAMPLE, load=load)
    config.add_notice_type(BOOKING_REMINDER, "A booking is about to begin")
