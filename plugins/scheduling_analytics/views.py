"""The analytics calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from scheduling.plugin import Keyset, Page, Permission, paginate
from scheduling_analytics import dashboard, event_types, series, service
from scheduling_analytics.models import analytics_events
from scheduling_analytics.resources import Analytics
from scheduling_analytics.schemas import (
    DashboardAnswer,
    DashboardQuery,
    EventAnswer,
    EventCount,
    EventQuery,
    EventRecorded,
    NewEvent,
    SeriesQuery,
)

if TYPE_CHECKING:
    from scheduling.plugin import Request

DEFAULT_ROWS = 50

NEWEST_FIRST = Keyset((analytics_events.c.created_at, analytics_events.c.id), (True, True))


@view_config(
    context=Analytics,
    name="event",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    schema=NewEvent,
    status=201,
    response=EventRecorded,
    operation_id="record_event",
    optional_token=True,
    rate_limit="analytics",
)
def record(context: Analytics, request: Request) -> dict[str, Any]:
    """Record an event that a client reports, anonymous without a valid token."""
    user_id = request.identity.id if request.identity else None
    sent = request.validated
    limit = request.registry.plugin_settings["analytics"]["types_per_day"]
    kept_as = event_types.kept_as(request.db, sent["event_type"], limit)
    event_id = service.record(request.db, kept_as, user_id, sent["metadata"])
    return {"message": "Event recorded", "event": {"id": event_id, "event_type": sent["event_type"]}}


@view_config(
    context=Analytics,
    name="dashboard",
    request_method="GET",
    permission=Permission.VIEW,
    query=DashboardQuery,
    response=DashboardAnswer,
    operation_id="get_dashboard",
)
def show(context: Analytics, request: Request) -> dict[str, Any]:
    """Show how much happened in the last days."""
    return dashboard.read(request.db, request.validated["days"])


@view_config(
    context=Analytics,
    name="series",
    request_method="GET",
    permission=Permission.VIEW,
    query=SeriesQuery,
    response=EventCount(many=True),
    operation_id="get_event_series",
)
def count(context: Analytics, request: Request) -> list[dict[str, Any]]:
    """Count the events of each type in each hour or day of a window."""
    return series.read(request.db, request.validated)


@view_config(
    context=Analytics,
    name="events",
    request_method="GET",
    permission=Permission.LIST,
    query=EventQuery,
    response=EventAnswer(many=True),
    operation_id="list_events",
)
def index(context: Analytics, request: Request) -> Page:
    """List single events, newest first."""
    return paginate(request, service.select_events(request.validated.get("type")), NEWEST_FIRST, DEFAULT_ROWS)
