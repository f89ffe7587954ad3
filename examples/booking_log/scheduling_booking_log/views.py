"""The calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.plugin import Code, Missing, Permission, Refusal
from scheduling_booking_log.resources import Line, Log
from scheduling_booking_log.schemas import LineAnswer

if TYPE_CHECKING:
    from scheduling.plugin import Request

NO_LOG = Code("no_log", 404, "No booking has been logged yet.")


@view_config(
    context=Log,
    request_method="GET",
    permission=Permission.LIST,
    response=LineAnswer(many=True),
    operation_id="list_booking_log",
)
def index(context: Log, request: Request) -> list[dict[str, Any]]:
    """List the lines, in the order in which they were written."""
    return _lines(request)


@view_config(
    context=Line,
    request_method="GET",
    permission=Permission.VIEW,
    response=LineAnswer,
    errors=(NO_LOG,),
    operation_id="get_booking_log_line",
)
def show(context: Line, request: Request) -> dict[str, Any]:
    """Show the line of a message."""
    lines = _lines(request)
    if not lines:
        raise Refusal(NO_LOG, "No booking has been logged yet.")
    for line in lines:
        if line["id"] == str(context.id):
            return line
    raise Missing("This message has no line.")


def _lines(request: Request) -> list[dict[str, Any]]:
    """Return the lines that are complete: a worker may be writing another one at this moment."""
    path = Path(request.registry.plugin_settings["booking_log"]["path"])
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]
