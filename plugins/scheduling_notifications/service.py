"""The SQL of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.plugin import Missing, Statement, utcnow, wants_notice
from scheduling_notifications.models import notifications

if TYPE_CHECKING:
    from scheduling.plugin import Notice, Row, Session

PUBLIC = (
    notifications.c.id,
    notifications.c.user_id,
    notifications.c.type,
    notifications.c.title,
    notifications.c.message,
    notifications.c.is_read,
    notifications.c.metadata,
    notifications.c.created_at,
)
"""The columns of a notification as the API answers it (schemas.py)."""

_MAX_TITLE = 255

select_of_user = sa.select(*PUBLIC).where(notifications.c.user_id == sa.bindparam("owner_id"))
"""The query for the notifications of ``:owner_id``."""

_is_unread = sa.and_(notifications.c.user_id == sa.bindparam("owner_id"), notifications.c.is_read.is_(False))

select_unread = sa.select(*PUBLIC).where(_is_unread)
"""The query for the notifications that ``:owner_id`` has not read."""

_count_unread = Statement(sa.select(sa.func.count()).where(_is_unread))
_insert_statement = Statement(sa.insert(notifications))


def count_unread(db: Session, user_id: int) -> int:
    """Return how many notifications a user has not read."""
    return db.scalar(_count_unread, {"owner_id": user_id}) or 0


def owner(db: Session, notification_id: int) -> int | None:
    """Return the id of the user whose notification this is, or None."""
    return db.scalar(sa.select(notifications.c.user_id).where(notifications.c.id == notification_id))


def add(notice: Notice) -> None:
    """Keep the text of a notice for its user, if it has one for this channel and its user wants that."""
    text = notice.in_app
    if text is None or not wants_notice(notice.db, notice.user_id, notice.switch, "in_app"):
        return
    values = {
        "user_id": notice.user_id,
        "type": text.type,
        "title": text.title[:_MAX_TITLE],
        "message": text.message,
        "is_read": False,
        "metadata": text.metadata,
        "created_at": utcnow(),
    }
    notice.db.insert_at_commit(_insert_statement, values)


def mark_read(db: Session, notification_id: int) -> Row:
    """Mark a notification as read and return it; raise ``Missing`` if it was just deleted."""
    update = sa.update(notifications).where(notifications.c.id == notification_id).values(is_read=True)
    row = db.write(update.returning(*PUBLIC)).first()
    if row is None:
        raise Missing("Notification not found")
    return row


def mark_all_read(db: Session, user_id: int) -> int:
    """Mark all of a user's notifications as read; return how many were unread."""
    update = sa.update(notifications).where(_is_unread).values(is_read=True)
    return db.write(update, {"owner_id": user_id}).rowcount


def delete(db: Session, notification_id: int) -> None:
    """Delete a notification; raise ``Missing`` if somebody just did."""
    if not db.write(sa.delete(notifications).where(notifications.c.id == notification_id)).rowcount:
        raise Missing("Notification not found")
