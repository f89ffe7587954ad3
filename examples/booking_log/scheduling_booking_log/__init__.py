"""Booking log: a line of JSON in a file for every booking made or cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import Schema, fields

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from pyramid.config import Configurator


class LogSettings(Schema):
    """``booking_log.path`` in the ini file, SCHEDULING_BOOKING_LOG_PATH in the environment."""

    path = fields.String(required=True)


plugin = Plugin(
    name="booking_log",
    summary="Booking log: a line of JSON in a file for every booking made or cancelled.",
    api=(1, 2),
    requires=("bookings",),
    settings=LogSettings,
)


def includeme(config: Configurator) -> None:
    """Register a durable consumer for each of the two events, and the calls that show the log."""
    from scheduling_booking_log.consumer import write_line  # noqa: PLC0415 - the manifest must import alone
    from scheduling_booking_log.resources import Log  # noqa: PLC0415
    from scheduling_booking_log.views import NO_LOG  # noqa: PLC0415
    from scheduling_bookings.events import BookingCancelled, BookingCreated  # noqa: PLC0415

    config.add_event_consumer("booking_log.created", BookingCreated, write_line)
    config.add_event_consumer("booking_log.cancelled", BookingCancelled, write_line)
    config.add_api_resource("booking-log", Log)
    config.add_problem_code(NO_LOG)
    config.scan("scheduling_booking_log.views")
