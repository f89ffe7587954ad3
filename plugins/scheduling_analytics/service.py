"""The SQL of analytics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.plugin import Statement, users, utcnow
from scheduling_analytics.models import analytics_events as events

if TYPE_CHECKING:
    from scheduling.plugin import Activity, Query, Session

_record_activity = Statement(sa.insert(events))
_user_if_there = sa.select(users.c.id).where(users.c.id == sa.bindparam("sender_id")).scalar_subquery()


def record(db: Session, event_type: str, user_id: int | None, metadata: dict[str, Any]) -> int:
    """Record an event and return its id; of an account that is gone it becomes anonymous."""
    values = {"event_type": event_type, "metadata": metadata, "user_id": _user_if_there}
    insert = sa.insert(events).values(values).returning(events.c.id)
    return int(db.write(insert, {"sender_id": user_id}).scalar_one())


def record_activity(activity: Activity) -> None:
    """Record something that happened in the system."""
    values = {
        "event_type": activity.activity_type,
        "metadata": activity.metadata(),
        "user_id": activity.user_id,
        "created_at": utcnow(),
    }
    activity.db.insert_at_commit(_record_activity, values)


def select_events(event_type: str | None) -> Query:
    """Return the query for single events with the name and address of their user."""
    query = sa.select(
        events.c.id,
        events.c.user_id,
        events.c.event_type,
        events.c.metadata,
        events.c.created_at,
        users.c.name.label("user_name"),
        users.c.email.label("user_email"),
    ).outerjoin(users, users.c.id == events.c.user_id)
    return query if event_type is None else query.where(events.c.event_type == event_type)
