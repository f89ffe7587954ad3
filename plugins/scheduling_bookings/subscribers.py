"""Tells a booking's owner what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import InApp, Notice, format_timestamp, publish
from scheduling_bookings.events import BookingCancelled, BookingCreated

if TYPE_CHECKING:
    from scheduling.plugin import Configurator
    from scheduling_bookings.events import BookingEvent


def tell_confirmed(event: BookingCreated) -> None:
    """Tell the owner that the booking is confirmed."""
    _tell(event, "BOOKING_CONFIRMATION", "BOOKING_CONFIRMED", "Booking confirmed", "is confirmed")


def tell_cancelled(event: BookingCancelled) -> None:
    """Tell the owner that the booking is cancelled."""
    _tell(event, "BOOKING_CANCELLED", "BOOKING_CANCELLED", "Booking cancelled", "is cancelled")


def _tell(event: BookingEvent, email: str, kind: str, title: str, what: str) -> None:
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
            in_app=InApp(
                type=kind,
                title=title,
                message=f"Your booking “{event.title}” {what}.",
                metadata={"booking_id": event.booking_id},
            ),
        )
    )


def includeme(config: Configurator) -> None:
    """Register the subscribers."""
    config.add_subscriber(tell_confirmed, BookingCreated)
    config.add_subscriber(tell_cancelled, BookingCancelled)
