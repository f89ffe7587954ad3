"""What the calls of ``/outbox`` read and answer."""

from marshmallow import fields

from scheduling.messaging.models import State
from scheduling.web.pagination import PageQuery
from scheduling.web.schemas import AnswerSchema, Choice, Done, JsonObject, Moment, Text


class OutboxQuery(PageQuery):
    """``GET /outbox``."""

    state = Choice(*State)
    kind = Text(limit=100)


class OutboxMessageAnswer(AnswerSchema):
    """A message in a list."""

    id = fields.UUID()
    kind = fields.String()
    consumer = fields.String()
    state = Choice(*State)
    attempts = fields.Integer()
    due_at = Moment()
    created_at = Moment()
    done_at = Moment(allow_none=True)
    provider_id = fields.String(allow_none=True)
    last_error = fields.String(allow_none=True)
    dedupe_key = fields.String(allow_none=True)


class OutboxMessageWithPayload(OutboxMessageAnswer):
    """A message with its payload."""

    payload = JsonObject()
    lease_until = Moment(allow_none=True)
    owner = fields.String(allow_none=True)
    traceparent = fields.String(allow_none=True)


class OutboxMessageRedriven(Done):
    """``POST /outbox/{id}/redrive``."""

    outbox = fields.Nested(OutboxMessageWithPayload)
