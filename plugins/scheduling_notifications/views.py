"""The notification calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.view import view_config

from scheduling.plugin import Done, Keyset, Page, PageQuery, Permission, paginate
from scheduling_notifications import service
from scheduling_notifications.models import notifications
from scheduling_notifications.resources import Notification, Notifications
from scheduling_notifications.schemas import (
    AllNotificationsRead,
    NotificationAnswer,
    NotificationRead,
    UnreadCount,
)

if TYPE_CHECKING:
    from scheduling.plugin import Request

DEFAULT_ROWS = 50

NEWEST_FIRST = Keyset((notifications.c.created_at, notifications.c.id), (True, True))
UNREAD_FIRST = Keyset(
    (notifications.c.is_read, notifications.c.created_at, notifications.c.id), (False, True, True)
)


@view_config(
    context=Notifications,
    request_method="GET",
    permission=Permission.LIST,
    query=PageQuery,
    response=NotificationAnswer(many=True),
)
def index(context: Notifications, request: Request) -> Page:
    """List my notifications, unread first, then newest first."""
    mine = {"owner_id": request.identity.id}
    return paginate(request, service.select_of_user, UNREAD_FIRST, DEFAULT_ROWS, mine)


@view_config(
    context=Notifications,
    name="unread",
    request_method="GET",
    permission=Permission.LIST,
    query=PageQuery,
    response=NotificationAnswer(many=True),
    operation_id="list_unread_notifications",
)
def unread(context: Notifications, request: Request) -> Page:
    """List my unread notifications, newest first."""
    mine = {"owner_id": request.identity.id}
    return paginate(request, service.select_unread, NEWEST_FIRST, DEFAULT_ROWS, mine)


@view_config(
    context=Notifications,
    name="count",
    request_method="GET",
    permission=Permission.LIST,
    response=UnreadCount,
    operation_id="count_unread_notifications",
)
def count(context: Notifications, request: Request) -> dict[str, int]:
    """Count my unread notifications."""
    return {"unread": service.count_unread(request.db, request.identity.id)}


@view_config(
    context=Notifications,
    name="read-all",
    request_method="PATCH",
    permission=Permission.EDIT,
    response=AllNotificationsRead,
    operation_id="mark_all_notifications_read",
)
def read_all(context: Notifications, request: Request) -> dict[str, Any]:
    """Mark all my notifications as read."""
    updated = service.mark_all_read(request.db, request.identity.id)
    return {"message": "All notifications marked as read", "updated": updated}


@view_config(
    context=Notification,
    name="read",
    request_method="PATCH",
    permission=Permission.EDIT,
    response=NotificationRead,
    operation_id="mark_notification_read",
)
def read(context: Notification, request: Request) -> dict[str, Any]:
    """Mark a notification as read."""
    return {
        "message": "Notification marked as read",
        "notification": service.mark_read(request.db, context.id),
    }


@view_config(context=Notification, request_method="DELETE", permission=Permission.DELETE, response=Done)
def delete(context: Notification, request: Request) -> dict[str, Any]:
    """Delete a notification."""
    service.delete(request.db, context.id)
    return {"message": "Notification deleted"}
