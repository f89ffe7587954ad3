"""What the analytics calls read."""

from typing import ClassVar

from marshmallow import fields, validate

from scheduling.plugin import (
    AnswerSchema,
    Choice,
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

    event_type = Text(limit=MAX_TYPE, required=True, data_key="eventType")
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


class CountAnswer(AnswerSchema):
    """How many events of a type there were in the hour or day that begins ``at``."""

    at = Moment()
    event_type = fields.String()
    count = fields.Integer()
