"""What happens to bookings; other plugins may subscribe."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from scheduling.plugin import Activity


@dataclass(frozen=True, kw_only=True)
class BookingEvent(Activity):
    """Something happened to a booking of ``user_id``, its owner. Times are aware, in UTC."""

    user_id: int
    booking_id: int
    title: str
    start_time: datetime
    end_time: datetime

    def metadata(self) -> dict[str, Any]:
        """Return which booking it was."""
        return {"booking_id": self.booking_id}


@dataclass(frozen=True, kw_only=True)
class BookingCreated(BookingEvent):
    """A booking was made."""

    activity_type: ClassVar[str] = "BOOKING_CREATED"


@dataclass(frozen=True, kw_only=True)
class BookingUpdated(BookingEvent):
    """A booking got another title or other times."""

    activity_type: ClassVar[str] = "BOOKING_UPDATED"


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(BookingEvent):
    """A booking was cancelled."""

    activity_type: ClassVar[str] = "BOOKING_CANCELLED"
