"""What ``scheduling smoke`` does with bookings: book, read, see the e-mail sent, cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from scheduling.plugin import format_timestamp, utcnow

if TYPE_CHECKING:
    from scheduling.plugin import SmokeStep, SmokeUser


def steps(user: SmokeUser) -> list[SmokeStep]:
    """Return the steps in order, for ``scheduling smoke``."""
    booking = OneBooking(user)
    return [
        ("book", booking.book),
        ("read the booking", booking.read),
        # Before it is cancelled, since the confirmation of a cancelled booking is not sent.
        ("see the e-mail sent", lambda: user.wait_for_email("BOOKING_CONFIRMATION")),
        ("cancel", booking.cancel),
    ]


class OneBooking:
    """The booking that is made, read and cancelled."""

    def __init__(self, user: SmokeUser) -> None:
        self._user = user
        self._booking: dict[str, Any] = {}

    def book(self) -> None:
        """Book an hour of tomorrow."""
        start = utcnow() + timedelta(days=1)
        times = {"start": format_timestamp(start), "end": format_timestamp(start + timedelta(hours=1))}
        self._booking = self._user.call("POST", "/bookings", {"title": self._user.name, **times})["booking"]

    def read(self) -> None:
        """Read the booking back."""
        if self._user.call("GET", f"/bookings/{self._booking['id']}") != self._booking:
            self._user.fail("what was read is not what was booked")

    def cancel(self) -> None:
        """Cancel the booking."""
        cancelled = self._user.call("DELETE", f"/bookings/{self._booking['id']}")["booking"]
        if cancelled["status"] != "cancelled":
            self._user.fail(f"its status is {cancelled['status']}")
