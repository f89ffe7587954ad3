"""What the analytics calls read."""

from typing import ClassVar

from marshmallow import validate

from scheduling.plugin import JsonObject, PageQuery, RequestSchema, Text, WholeNumber
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
