"""What the outbox calls read."""

from scheduling.outbox import State
from scheduling.pagination import PageQuery
from scheduling.schemas import Choice, Text


class OutboxQuery(PageQuery):
    """``GET /outbox``."""

    state = Choice(*State)
    kind = Text(limit=100)
