"""What the booking calls read and answer."""

from __future__ import annotations

import re
from typing import Any, ClassVar

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
    parse_id,
)
from scheduling_bookings.conflicts import ALLOW, ON_CONFLICT, REJECT
from scheduling_bookings.queries import ORDERS, THING

MOST_USERS = 50
"""Of how many users free/busy can be asked at once."""

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


class UserIds(fields.Field[list[int]]):
    """The ids of users, at most 50, separated by commas; each counts once."""

    json_schema = {  # noqa: RUF012
        "type": "string",
        "pattern": "^[1-9][0-9]{0,18}(,[1-9][0-9]{0,18}){0,49}$",
        "examples": ["1,2"],
    }
    default_error_messages = {  # noqa: RUF012
        "invalid": "must be ids of users, separated by commas",
        "too_many": "must be at most 50",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[int]:
        ids = [parse_id(word) for word in dict.fromkeys(value.split(","))]
        if None in ids:
            raise self.make_error("invalid")
        if len(ids) > MOST_USERS:
            raise self.make_error("too_many")
        return [user_id for user_id in ids if user_id is not None]


class NewBooking(RequestSchema):
    """A booking that somebody wants."""

    members_of: ClassVar = THING
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

    members_of: ClassVar = THING
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


class FreeBusyQuery(RequestSchema):
    """``GET /bookings/freebusy``."""

    window_start = Moment(
        data_key="from", required=True, metadata={"description": "Busy times that end after this moment."}
    )
    window_end = Moment(
        data_key="to",
        required=True,
        metadata={"description": "At most 92 days after `from`.", "examples": ["2099-05-01T09:00:00.000Z"]},
    )
    user_ids = UserIds(metadata={"description": "Whose, by their ids, separated by commas; by default mine."})


class BookingAnswer(AnswerSchema):
    """A booking."""

    members_of: ClassVar = THING

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


class BusyAnswer(AnswerSchema):
    """A time at which somebody is busy, with whatever it is."""

    start_time = Moment()
    end_time = Moment(metadata=_END)


class FreeBusyAnswer(AnswerSchema):
    """When a user is busy in the window: in order, apart from each other, and cut to the window."""

    user_id = fields.Integer()
    busy = fields.List(fields.Nested(BusyAnswer))


class BookingDone(Done):
    """What was done with a booking, and the booking as it is now."""

    booking = fields.Nested(BookingAnswer)
