"""Bookings: who has which time, and the mail and notices about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import Schema, fields, validate

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator


class BookingsSettings(Schema):
    """``bookings.…`` in the ini file, ``SCHEDULING_BOOKINGS_…`` in the environment."""

    # Whether a booking may overlap another of its owner where a call does not say so.
    on_conflict = fields.String(
        load_default="allow",
        validate=validate.OneOf(["allow", "reject"], error="must be one of: {choices}"),
    )


plugin = Plugin(
    name="bookings",
    summary="Bookings: create, list, change and cancel times.",
    api=(1, 3),
    settings=BookingsSettings,
    tables=("bookings",),
    migrations=True,
    smoke_test=True,
)


def includeme(config: Configurator) -> None:
    """Register the resource, the views, the busy source, the preference, the subscribers and the e-mails."""
    # Here, since the manifest must import alone.
    from scheduling_bookings.conflicts import TIME_TAKEN  # noqa: PLC0415
    from scheduling_bookings.resources import Bookings  # noqa: PLC0415
    from scheduling_bookings.service import BOOKING_CANCELLED  # noqa: PLC0415

    config.add_api_resource("bookings", Bookings)
    config.add_problem_code(BOOKING_CANCELLED)
    config.add_problem_code(TIME_TAKEN)
    config.include("scheduling_bookings.busy")
    config.include("scheduling_bookings.overlaps")
    config.include("scheduling_bookings.freebusy")
    config.include("scheduling_bookings.emails")
    config.include("scheduling_bookings.subscribers")
    config.scan("scheduling_bookings.views")
