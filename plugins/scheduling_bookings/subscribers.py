"""Tells a booking's owner what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling.plugin import (
    InApp,
    Notice,
    format_span,
    format_timestamp,
    preferences_of,
    publish,
    shorten,
    utcnow,
)
from scheduling_bookings.emails import (
    QUIET,
    confirmation_key,
    rescheduled_key,
    reuse_confirmation,
    reuse_waiting_email,
)
from scheduling_bookings.events import (
    BookingCancelled,
    BookingCreated,
    BookingRestored,
    BookingUpdated,
)

if TYPE_CHECKING:
    from scheduling.plugin import Configurator
    from scheduling_bookings.events import BookingEvent

MAX_TITLE = 200
"""How many characters of a booking's title are in the title of a notification, which has 255 in all."""


def tell_confirmed(event: BookingCreated) -> None:
    """Tell the owner that the booking is confirmed."""
    text = _in_app(event, "BOOKING_CONFIRMED", "confirmed", "is confirmed")
    _tell(event, text, **_confirmation(event))


def tell_restored(event: BookingRestored) -> None:
    """Tell the owner that the booking is confirmed again.

    There is no further e-mail where the confirmation has not left. What still waits to tell that the booking
    was cancelled is skipped, since it is not (emails.py).
    """
    text = _in_app(event, "BOOKING_CONFIRMED", "confirmed", "is confirmed again")
    _tell(event, text, **({} if reuse_confirmation(event.db, event.booking_id) else _confirmation(event)))


def tell_moved(event: BookingUpdated) -> None:
    """Tell the owner that the booking has other times; another title alone is no news.

    Each move is a notice in the application. The e-mail waits for further moves, and tells the first of the
    old times and the last of the new ones. There is none where another one is going to show the new times.
    """
    if not event.is_moved:
        return
    zone = preferences_of(event.db, event.user_id).time_zone
    before = format_span(event.old_start_time, event.old_end_time, zone)
    what = f"is now on {format_span(event.start_time, event.end_time, zone)}; it was on {before}"
    text = _in_app(event, "BOOKING_RESCHEDULED", "rescheduled", what)
    if reuse_waiting_email(event.db, event.booking_id):
        _tell(event, text)
        return
    data = {
        "old_start_time": format_timestamp(event.old_start_time),
        "old_end_time": format_timestamp(event.old_end_time),
    }
    key, due_at = rescheduled_key(event.booking_id), utcnow() + QUIET
    _tell(event, text, email="BOOKING_RESCHEDULED", data=data, email_key=key, email_due_at=due_at)


def tell_cancelled(event: BookingCancelled) -> None:
    """Tell the owner that the booking is cancelled."""
    text = _in_app(event, "BOOKING_CANCELLED", "cancelled", "is cancelled")
    data = _for_the_release_before(event) | {"cancellation_reason": event.reason}
    _tell(event, text, email="BOOKING_CANCELLED", data=data)


def _confirmation(event: BookingEvent) -> dict[str, Any]:
    key = confirmation_key(event.booking_id)
    return {"email": "BOOKING_CONFIRMATION", "email_key": key, "data": _for_the_release_before(event)}


def _in_app(event: BookingEvent, kind: str, state: str, what: str) -> InApp:
    return InApp(
        type=kind,
        title=f'Booking "{shorten(event.title, MAX_TITLE)}" {state}',
        message=f"Your booking “{event.title}” {what}.",
        metadata={"booking_id": event.booking_id},
    )


def _tell(event: BookingEvent, text: InApp, *, data: dict[str, Any] | None = None, **email: Any) -> None:
    data = {"booking_id": event.booking_id} | (data or {})
    publish(Notice(db=event.db, user_id=event.user_id, in_app=text, data=data, **email))


def _for_the_release_before(event: BookingEvent) -> dict[str, Any]:
    """Return what its templates need, which may run beside this one; it goes with the next release."""
    return {
        "title": event.title,
        "start_time": format_timestamp(event.start_time),
        "end_time": format_timestamp(event.end_time),
    }


def includeme(config: Configurator) -> None:
    """Register the subscribers, and what they tell."""
    config.add_notice_type("BOOKING_CONFIRMED", "A booking is confirmed")
    config.add_notice_type("BOOKING_RESCHEDULED", "A booking has another time")
    config.add_notice_type("BOOKING_CANCELLED", "A booking is cancelled")
    config.add_subscriber(tell_confirmed, BookingCreated)
    config.add_subscriber(tell_moved, BookingUpdated)
    config.add_subscriber(tell_cancelled, BookingCancelled)
    config.add_subscriber(tell_restored, BookingRestored)
