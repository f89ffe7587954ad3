"""Keeps the messages of reminders as the bookings are, in the transactions that change these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling_bookings.events import BookingCancelled, BookingCreated, BookingRestored, BookingUpdated
from scheduling_reminders import messages
from scheduling_reminders.chosen import REMINDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduling.plugin import Configurator


def remind(event: BookingCreated | BookingRestored) -> None:
    """Write the messages of a booking that is confirmed now."""
    messages.write(event, _of(event.members))


def follow(event: BookingUpdated) -> None:
    """Move the messages of a booking that begins at another time now, or has other reminders.

    A reminder that it keeps for the same time keeps its message, which may be on its way.
    """
    before, now = _of(event.old_members), _of(event.members)
    is_moved = event.start_time != event.old_start_time
    if is_moved or before != now:
        gone = [reminder for reminder in before if is_moved or reminder not in now]
        messages.end(event.db, event.booking_id, event.old_start_time, gone)
        messages.write(event, now)


def forget(event: BookingCancelled) -> None:
    """Withdraw the messages of a booking that is cancelled."""
    messages.end(event.db, event.booking_id, event.start_time, _of(event.members))


def _of(members: Mapping[str, Any]) -> messages.Reminders:
    reminders: messages.Reminders = members.get(REMINDERS, [])
    return reminders


def includeme(config: Configurator) -> None:
    """Register the subscribers."""
    config.add_subscriber(remind, BookingCreated)
    config.add_subscriber(remind, BookingRestored)
    config.add_subscriber(follow, BookingUpdated)
    config.add_subscriber(forget, BookingCancelled)
