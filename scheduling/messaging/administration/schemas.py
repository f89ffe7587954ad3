"""The schemas of what requests to ``/outbox`` may say."""

from scheduling.messaging.models import State
from scheduling.web.pagination import PageQuery
from scheduling.web.schemas import Choice, Text


class OutboxQuery(PageQuery):
    """``GET /outbox``."""

    state = Choice(*State)
    kind = Text(limit=100)
