"""Reminders: tells a booking's owner that it is about to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator

plugin = Plugin(
    name="reminders",
    summary="Reminders: minutes or days before a booking begins.",
    api=(1, 3),
    requires=("bookings",),
)


def includeme(config: Configurator) -> None:
    """Register the member of bookings and the preference, the subscribers, the consumer and the e-mail."""
    config.include("scheduling_reminders.chosen")
    config.include("scheduling_reminders.subscribers")
    config.include("scheduling_reminders.telling")
