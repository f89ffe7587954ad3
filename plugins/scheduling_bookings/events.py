"""What happens to bookings; other plugins may subscribe."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from scheduling.plugin import Activity


@dataclass(frozen=True, kw_only=True)
class BookingEvent(Activity):
    """Something happened to a booking of ``user_id``, its owner. Times are aware, in UTC.

    ``time_zone`` is the IANA name of the booking's own zone. ``members`` has what other plugins have added to
    the booking, by name, as it is now.
    """

    user_id: int
    booking_id: int
    title: str
    start_time: datetime
    end_time: datetime
    time_zone: str = "UTC"
    members: dict[str, Any] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Return which booking it was."""
        return {"booking_id": self.booking_id}


@dataclass(frozen=True, kw_only=True)
class BookingCreated(BookingEvent):
    """A booking was made."""

    activity_type: ClassVar[str] = "BOOKING_CREATED"


@dataclass(frozen=True, kw_only=True)
class BookingUpdated(BookingEvent):
    """A booking was changed; the old times and members are those before, changed or not."""

    activity_type: ClassVar[str] = "BOOKING_UPDATED"
    old_start_time: datetime
    old_end_time: datetime
    old_members: dict[str, Any] = field(default_factory=dict)

    @property
    def is_moved(self) -> bool:
        """True if it begins or ends at another time than before."""
        return (self.start_time, self.end_time) != (self.old_start_time, self.old_end_time)


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(BookingEvent):
    """A booking was cancelled, perhaps for a reason, of at most 500 characters on one line."""

    activity_type: ClassVar[str] = "BOOKING_CANCELLED"
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class BookingRestored(BookingEvent):
    """A cancelled booking was confirmed again."""

    activity_type: ClassVar[str] = "BOOKING_RESTORED"
