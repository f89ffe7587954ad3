"""The views of ``/outbox``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.messaging.administration import service
from scheduling.messaging.administration.resources import Outbox, OutboxMessage
from scheduling.messaging.administration.schemas import (
    OutboxMessageAnswer,
    OutboxMessageRedriven,
    OutboxMessageWithPayload,
    OutboxQuery,
)
from scheduling.security.permissions import Permission
from scheduling.web.pagination import Page, paginate

if TYPE_CHECKING:
    from scheduling.db.metadata import Row
    from scheduling.web.request import Request


@view_config(
    context=Outbox,
    request_method="GET",
    permission=Permission.LIST,
    query=OutboxQuery,
    response=OutboxMessageAnswer(many=True),
    operation_id="list_outbox_messages",
)
def index(context: Outbox, request: Request) -> Page:
    """List messages, newest first."""
    sent = request.validated
    return paginate(request, service.select(sent.get("state"), sent.get("kind")), service.NEWEST_FIRST)


@view_config(
    context=OutboxMessage,
    request_method="GET",
    permission=Permission.VIEW,
    etag=True,
    response=OutboxMessageWithPayload,
    operation_id="get_outbox_message",
)
def show(context: OutboxMessage, request: Request) -> Row:
    """Show a message with its payload."""
    return service.find(request.db, context.id)


@view_config(
    context=OutboxMessage,
    name="redrive",
    request_method="POST",
    permission=Permission.EDIT,
    status=202,
    response=OutboxMessageRedriven,
    operation_id="redrive_outbox_message",
)
def redrive(context: OutboxMessage, request: Request) -> dict[str, Any]:
    """Have a message tried again."""
    return {"message": "Message redriven", "outbox": service.redrive(request.db, context.id)}
