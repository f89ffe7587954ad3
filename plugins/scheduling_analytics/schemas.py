"""What the analytics calls read and answer."""

from typing import ClassVar

from marshmallow import fields, validate

from scheduling.plugin import (
    AnswerSchema,
    Choice,
    Done,
    JsonObject,
    Moment,
    PageQuery,
    RequestSchema,
    Text,
    WholeNumber,
)
from scheduling_analytics.models import MAX_TYPE

_TYPE = {"examples": ["PAGE_VIEW"]}
_ONE_TYPE = {"description": "Only events of this type, as it is kept, such as `client:LOGIN`."}
_METADATA = {
    "description": "Facts about the event; at most 16 KiB as compact JSON.",
    "examples": [{"page": "/prices"}],
}


class NewEvent(RequestSchema):
    """An event that a client reports."""

    synonyms: ClassVar = {"event_type": "eventType"}

    event_type = Text(limit=MAX_TYPE, required=True, data_key="eventType", metadata=_TYPE)
    metadata = JsonObject(load_default=dict, metadata=_METADATA)


class DashboardQuery(RequestSchema):
    """``GET /analytics/dashboard``."""

    days = WholeNumber(
        load_default=30,
        validate=validate.Range(1, 366, error="must be from {min} to {max}"),
        metadata={"description": "How many times 24 hours are counted, back from now."},
    )


class EventQuery(PageQuery):
    """``GET /analytics/events``."""

    type = Text(limit=MAX_TYPE, metadata=_ONE_TYPE)


class SeriesQuery(RequestSchema):
    """``GET /analytics/series``; both ends of the window have defaults that go by the interval."""

    interval = Choice(
        "hour",
        "day",
        load_default="day",
        metadata={"description": "How much time, of UTC, each count is of."},
    )
    event_type = Text(limit=MAX_TYPE, metadata=_ONE_TYPE)
    window_start = Moment(
        data_key="from",
        metadata={
            "description": "Where the window begins: with the whole interval in which this is. By default 30 "
            "days before `to`, for hours one day. A window has at most 366 days, for hours 31."
        },
    )
    window_end = Moment(
        data_key="to", metadata={"description": "Before which moment the window ends, by default now."}
    )


class EventCount(AnswerSchema):
    """How many events of a type there were in the hour or day that begins ``at``."""

    at = Moment()
    event_type = fields.String(metadata=_TYPE)
    count = fields.Integer()


class EventReference(AnswerSchema):
    """An event as it is answered to who has reported it."""

    id = fields.Integer()
    event_type = fields.String(metadata=_TYPE)


class EventRecorded(Done):
    """That an event was recorded."""

    event = fields.Nested(EventReference)


class EventAnswer(EventReference):
    """An event with its user, if it has one."""

    user_id = fields.Integer(allow_none=True)
    metadata = JsonObject(allow_none=True, metadata=_METADATA)
    created_at = Moment()
    user_name = fields.String(allow_none=True, metadata={"examples": ["Alice"]})
    user_email = fields.String(allow_none=True, metadata={"examples": ["alice@example.com"]})


class DashboardOverview(AnswerSchema):
    """All events of the period."""

    total_events = fields.Integer()
    unique_users = fields.Integer()
    event_types = fields.Integer()


class EventTypeCount(AnswerSchema):
    """The events of one type, or as ``OTHER`` of all that are not told by name."""

    event_type = fields.String(metadata=_TYPE)
    count = fields.Integer()
    unique_users = fields.Integer()
    first_event = Moment()
    last_event = Moment()


class DashboardAnswer(AnswerSchema):
    """What happened in the last days: all events, and those of each type."""

    period = fields.String(metadata={"examples": ["Last 30 days"]})
    overview = fields.Nested(DashboardOverview)
    breakdown = fields.List(fields.Nested(EventTypeCount))
