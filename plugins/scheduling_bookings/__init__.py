"""Bookings: who has which time, and the mail and notices about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator

plugin = Plugin(
    name="bookings",
    summary="Bookings: create, list, change and cancel times.",
    api=(1, 0),
    tables=("bookings",),
    migrations=True,
    smoke_test=True,
)


def includeme(config: Configurator) -> None:
    """Register the resource, the views, the subscribers and the e-mails."""
    from scheduling_bookings.resources import Bookings  # noqa: PLC0415 - the manifest must import alone
    from scheduling_bookings.service import BOOKING_CANCELLED  # noqa: PLC0415

    config.add_api_resource("bookings", Bookings)
    config.add_problem_code(BOOKING_CANCELLED)
    config.include("scheduling_bookings.emails")
    config.include("scheduling_bookings.subscribers")
    config.scan("scheduling_bookings.views")
