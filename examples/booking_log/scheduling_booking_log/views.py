"""``GET /api/v1/booking-log``: the end of the log, for site admins."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate
from pyramid.authorization import Allow
from pyramid.view import view_config

from scheduling.plugin import (
    SITE_ADMIN,
    Acl,
    AnswerSchema,
    Moment,
    Permission,
    RequestSchema,
    Resource,
    WholeNumber,
)

if TYPE_CHECKING:
    from scheduling.plugin import Request


class BookingLog(Resource):
    """``/booking-log``."""

    def __acl__(self) -> Acl:
        return [(Allow, SITE_ADMIN, Permission.LIST)]


class LogQuery(RequestSchema):
    """How many of the last lines are wanted."""

    lines = WholeNumber(load_default=20, validate=validate.Range(1, 200, error="must be from {min} to {max}"))


class LogLine(AnswerSchema):
    """A line of the log."""

    id = fields.UUID()
    event = fields.String()
    user_id = fields.Integer()
    booking_id = fields.Integer()
    title = fields.String()
    start_time = Moment()
    end_time = Moment()


@view_config(
    context=BookingLog,
    request_method="GET",
    permission=Permission.LIST,
    query=LogQuery,
    response=LogLine(many=True),
)
def index(context: BookingLog, request: Request) -> list[dict[str, Any]]:
    """List the last lines of the log, in the order in which they were written."""
    path = Path(request.registry.plugin_settings["booking_log"]["path"])
    if not path.is_file():
        return []
    with path.open() as log:
        # The last line may still be being written.
        whole = (line for line in log if line.endswith("\n"))
        return [json.loads(line) for line in deque(whole, request.validated["lines"])]
