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


class NewEvent(RequestSchema):
    """``POST /analytics/event``."""

    synonyms: ClassVar = {"event_type": "eventType"}

    event_type = Text(
        limit=MAX_TYPE, required=True, data_key="eventType", metadata={"examples": ["PAGE_VIEW"]}
    )
    metadata = JsonObject(load_default=dict)


class DashboardQuery(RequestSchema):
    """``GET /analytics/dashboard``."""

    days = WholeNumber(load_default=30, validate=validate.Range(1, 366, error="must be from {min} to {max}"))


class EventQuery(PageQuery):
    """``GET /analytics/events``."""

    type = Text(limit=MAX_TYPE)


class SeriesQuery(RequestSchema):
    """``GET /analytics/series``; both ends of the window have defaults that go by the interval."""

    interval = Choice("hour", "day", load_default="day")
    event_type = Text(limit=MAX_TYPE)
    window_start = Moment(data_key="from")
    window_end = Moment(data_key="to")


class EventCount(AnswerSchema):
    """How many events of a type there were in the hour or day that begins ``at``."""

    at = Moment()
    event_type = fields.String()
    count = fields.Integer()


class EventReference(AnswerSchema):
    """An event as it is answered to who has reported it."""

    id = fields.Integer()
    event_type = fields.String()


class EventRecorded(Done):
    """``POST /analytics/event``."""

    event = fields.Nested(EventReference)


class EventAnswer(EventReference):
    """An event with its user, if it has one."""

    user_id = fields.Integer(allow_none=True)
    metadata = JsonObject(allow_none=True)
    created_at = Moment()
    user_name = fields.String(allow_none=True)
    user_email = fields.String(allow_none=True)


class DashboardOverview(AnswerSchema):
    """All events of the period."""

    total_events = fields.Integer()
    unique_users = fields.Integer()
    event_types = fields.Integer()


class EventTypeCount(AnswerSchema):
    """The events of one type."""

    event_type = fields.String()
    count = fields.Integer()
    unique_users = fields.Integer()
    first_event = Moment()
    last_event = Moment()


class DashboardAnswer(AnswerSchema):
    """``GET /analytics/dashboard``."""

    period = fields.String()
    overview = fields.Nested(DashboardOverview)
    breakdown = fields.List(fields.Nested(EventTypeCount))
