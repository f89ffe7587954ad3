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
    """A booking got another title or other times; the old ones are those before, moved or not."""

    activity_type: ClassVar[str] = "BOOKING_UPDATED"
    old_start_time: datetime
    old_end_time: datetime

    @property
    def is_moved(self) -> bool:
        """True if it begins or ends at another time than before."""
        return (self.start_time, self.end_time) != (self.old_start_time, self.old_end_time)


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(BookingEvent):
    """A booking was cancelled."""

    activity_type: ClassVar[str] = "BOOKING_CANCELLED"
