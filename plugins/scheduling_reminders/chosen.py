"""Which reminders a booking has: those that its call names, or else those that its owner prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling.plugin import preferences_of
from scheduling_reminders.schemas import reminders_field

if TYPE_CHECKING:
    from scheduling.plugin import Configurator, Session

REMINDERS = "reminders"
"""The name of the member of bookings, and of the preference."""

_OF_BOOKING = (
    "When its owner is reminded of it: at most five; of a new booking by default as its owner prefers."
)
_PREFERENCE = "The reminders of new bookings that name none."


def preferred(db: Session, user_id: int) -> list[dict[str, Any]]:
    """Return the reminders that a new booking of a user has if its call names none."""
    reminders: list[dict[str, Any]] = preferences_of(db, user_id).get(REMINDERS)
    return reminders


def includeme(config: Configurator) -> None:
    """Register the member and the preference."""
    config.add_preference(REMINDERS, lambda: reminders_field(_PREFERENCE), [])
    config.add_member("booking", REMINDERS, lambda: reminders_field(_OF_BOOKING), [], initial=preferred)
