"""Tells a booking's owner what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import InApp, Notice, format_timestamp, publish, shorten
from scheduling_bookings.events import BookingCancelled, BookingCreated, BookingUpdated

if TYPE_CHECKING:
    from datetime import datetime

    from scheduling.plugin import Configurator
    from scheduling_bookings.events import BookingEvent

MAX_TITLE = 200
"""How many characters of a booking's title are in the title of a notification, which has 255 in all."""


def tell_confirmed(event: BookingCreated) -> None:
    """Tell the owner that the booking is confirmed."""
    text = _in_app(event, "BOOKING_CONFIRMED", "confirmed", "is confirmed")
    _tell(event, text, email="BOOKING_CONFIRMATION")


def tell_moved(event: BookingUpdated) -> None:
    """Tell the owner that the booking has other times; another title alone is no news."""
    if not event.is_moved:
        return
    before = _span(event.old_start_time, event.old_end_time)
    what = f"is now from {_span(event.start_time, event.end_time)}; it was from {before}"
    _tell(event, _in_app(event, "BOOKING_RESCHEDULED", "rescheduled", what))


def tell_cancelled(event: BookingCancelled) -> None:
    """Tell the owner that the booking is cancelled."""
    text = _in_app(event, "BOOKING_CANCELLED", "cancelled", "is cancelled")
    _tell(event, text, email="BOOKING_CANCELLED")


def _in_app(event: BookingEvent, kind: str, state: str, what: str) -> InApp:
    return InApp(
        type=kind,
        title=f'Booking "{shorten(event.title, MAX_TITLE)}" {state}',
        message=f"Your booking “{event.title}” {what}.",
        metadata={"booking_id": event.booking_id},
    )


def _tell(event: BookingEvent, text: InApp, email: str | None = None) -> None:
    publish(
        Notice(
            db=event.db,
            user_id=event.user_id,
            email=email,
            data={
                "booking_id": event.booking_id,
                "title": event.title,
                "start_time": format_timestamp(event.start_time),
                "end_time": format_timestamp(event.end_time),
            },
            in_app=text,
        )
    )


def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def includeme(config: Configurator) -> None:
    """Register the subscribers."""
    config.add_subscriber(tell_confirmed, BookingCreated)
    config.add_subscriber(tell_moved, BookingUpdated)
    config.add_subscriber(tell_cancelled, BookingCancelled)
