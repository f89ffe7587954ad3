"""What the booking calls read and answer."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields

from scheduling.plugin import (
    AnswerSchema,
    Choice,
    Done,
    JsonObject,
    Moment,
    OneLine,
    PageQuery,
    PatchSchema,
    RequestSchema,
    Text,
    Version,
    ZoneName,
)
from scheduling_bookings.conflicts import ALLOW, ON_CONFLICT, REJECT
from scheduling_bookings.queries import ORDERS

STATUSES = ("confirmed", "cancelled")

_TITLE = {"examples": ["Yoga"]}
_END = {"examples": ["2099-04-01T10:00:00.000Z"]}
_DESCRIPTION = {"description": "What it is about, in any number of lines.", "examples": ["Bring a mat."]}
_LOCATION = {"examples": ["Room 2"]}
_ZONE = {
    "description": "The booking's own zone, a name of the IANA database; by default its owner's.",
    "examples": ["Europe/Berlin"],
}
_METADATA = {
    "description": "Whatever the client wants to keep with it, at most 16 KiB as JSON.",
    "examples": [{"order": 7}],
}
_ON_CONFLICT = {
    "description": "`reject` answers 409 `time_taken` where the owner is busy then, `allow` does not look; "
    "by default as the installation says.",
    "examples": ["reject"],
}
_REASON = {"description": "Why it was cancelled.", "examples": ["Ill"]}

# Answers say start_time and end_time; requests may use these names too.
SYNONYMS = {"start_time": "start", "end_time": "end"}


class Statuses(fields.Field[frozenset[str]]):
    """One status of a booking or several, separated by commas."""

    json_schema = {  # noqa: RUF012
        "type": "string",
        "pattern": "^({0})(,({0}))*$".format("|".join(STATUSES)),
        "examples": ["confirmed"],
    }
    default_error_messages = {"invalid": f"must be of: {', '.join(STATUSES)}"}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> frozenset[str]:
        words = frozenset(re.split(r" *, *", value))
        if not words <= set(STATUSES):
            raise self.make_error("invalid")
        return words


class NewBooking(RequestSchema):
    """A booking that somebody wants."""

    synonyms = SYNONYMS

    title = OneLine(required=True, metadata=_TITLE)
    start = Moment(required=True)
    end = Moment(required=True, metadata=_END)
    description = Text(8000, metadata=_DESCRIPTION)
    location = OneLine(500, metadata=_LOCATION)
    time_zone = ZoneName(metadata=_ZONE)
    metadata = JsonObject(metadata=_METADATA)
    on_conflict = Choice(ALLOW, REJECT, metadata=_ON_CONFLICT)


class BookingPatch(PatchSchema):
    """What changes of a booking; the rest stays. A null takes the description or the location away."""

    synonyms = SYNONYMS
    options = (ON_CONFLICT,)

    title = OneLine(metadata=_TITLE)
    start = Moment()
    end = Moment(metadata=_END)
    description = Text(8000, allow_none=True, metadata=_DESCRIPTION)
    location = OneLine(500, allow_none=True, metadata=_LOCATION)
    time_zone = ZoneName(metadata=_ZONE)
    metadata = JsonObject(metadata=_METADATA)
    on_conflict = Choice(ALLOW, REJECT, metadata=_ON_CONFLICT)


class Restoring(RequestSchema):
    """How a cancelled booking is confirmed again."""

    on_conflict = Choice(ALLOW, REJECT, metadata=_ON_CONFLICT)


class CancelQuery(RequestSchema):
    """``DELETE /bookings/{id}``."""

    reason = OneLine(500, metadata={"description": "Why it is cancelled, for the e-mail and the booking."})


class BookingQuery(PageQuery):
    """``GET /bookings``: ``from`` and ``to`` keep the bookings that overlap the window."""

    status = Statuses(metadata={"description": "Only bookings with this status, or one of several: `a,b`."})
    window_start = Moment(data_key="from", metadata={"description": "Bookings that end after this moment."})
    window_end = Moment(data_key="to", metadata={"description": "Bookings that start before this moment."})
    updated_since = Moment(
        metadata={
            "description": "Bookings that changed at this moment or later; read them by `sort=updated_at`."
        }
    )
    sort = Choice(*ORDERS, metadata={"description": "The order, `-` for descending; by default -start_time."})


class BookingAnswer(AnswerSchema):
    """A booking."""

    id = fields.Integer()
    user_id = fields.Integer()
    title = fields.String(metadata=_TITLE)
    start_time = Moment()
    end_time = Moment(metadata=_END)
    status = Choice(*STATUSES)
    created_at = Moment()
    updated_at = Moment()
    version = Version()
    description = fields.String(allow_none=True, metadata=_DESCRIPTION)
    location = fields.String(allow_none=True, metadata=_LOCATION)
    time_zone = fields.String(metadata=_ZONE)
    metadata = JsonObject(metadata=_METADATA)
    cancellation_reason = fields.String(allow_none=True, metadata=_REASON)


class BookingDone(Done):
    """What was done with a booking, and the booking as it is now."""

    booking = fields.Nested(BookingAnswer)
