"""What the calls of ``/outbox`` read and answer."""

from marshmallow import fields

from scheduling.messaging.models import State
from scheduling.web.pagination import PageQuery
from scheduling.web.schemas import AnswerSchema, Choice, Done, JsonObject, Moment, Text

_NULL = {"examples": [None]}


class OutboxQuery(PageQuery):
    """``GET /outbox``."""

    state = Choice(*State, metadata={"description": "Only messages in this state."})
    kind = Text(limit=100, metadata={"description": "Only messages of this kind, such as `WELCOME`."})


class OutboxMessageAnswer(AnswerSchema):
    """A message, without its payload."""

    id = fields.UUID()
    kind = fields.String(metadata={"examples": ["WELCOME"]})
    consumer = fields.String(metadata={"examples": ["email"]})
    state = Choice(*State, metadata={"examples": [State.DONE.value]})
    attempts = fields.Integer()
    due_at = Moment()
    created_at = Moment()
    done_at = Moment(allow_none=True)
    provider_id = fields.String(allow_none=True, metadata={"examples": ["msg-0198c5d2"]})
    last_error = fields.String(allow_none=True, metadata=_NULL)
    dedupe_key = fields.String(allow_none=True, metadata=_NULL)


class OutboxMessageWithPayload(OutboxMessageAnswer):
    """A message with its payload."""

    payload = JsonObject(metadata={"examples": [{"user_id": 1, "data": {}}]})
    lease_until = Moment(allow_none=True, metadata=_NULL)
    owner = fields.String(allow_none=True, metadata=_NULL)
    traceparent = fields.String(allow_none=True, metadata=_NULL)


class OutboxMessageRedriven(Done):
    """That a message is tried again, and the message as it is now."""

    outbox = fields.Nested(OutboxMessageWithPayload)
