"""Free/busy: when users are busy, for themselves and for those to whom they show it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPForbidden

from scheduling.plugin import Choice, Invalid, fellows_of, preference_of_users
from scheduling_bookings.busy import merged_by_user

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scheduling.plugin import Configurator, Session

PREFERENCE, NOBODY, MEMBERS = "free_busy", "nobody", "members"
"""The preference that says to whom a user's free/busy is shown beside the user, and its values."""

LONGEST = timedelta(days=92)
"""The longest window for which it can be asked."""


def find(
    db: Session, reader_id: int, user_ids: Sequence[int], start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Return for each user when it is busy in a window.

    Raises ``Invalid`` for a window that is too long or none, and ``HTTPForbidden`` where the reader may not
    see that of one of the users, or there is no such user.
    """
    if end <= start:
        raise Invalid({"to": ["must be after from"]})
    if end - start > LONGEST:
        raise Invalid({"to": [f"must be at most {LONGEST.days} days after from"]})
    _require_readable(db, reader_id, set(user_ids) - {reader_id})
    spans = merged_by_user(db, user_ids, start, end)
    return [
        {"user_id": user_id, "busy": [{"start_time": begins, "end_time": ends} for begins, ends in busy]}
        for user_id, busy in spans.items()
    ]


def _require_readable(db: Session, reader_id: int, others: set[int]) -> None:
    if not others:
        return
    fellows = fellows_of(db, reader_id, others)
    if fellows == others:
        chosen = preference_of_users(db, sorted(others), PREFERENCE)
        if all(choice == MEMBERS for choice in chosen.values()):
            return
    raise HTTPForbidden


def includeme(config: Configurator) -> None:
    """Register the preference."""
    told = {
        "description": "To whom it is shown when I am busy: members of an organization of mine, or nobody."
    }
    config.add_preference(PREFERENCE, lambda: Choice(NOBODY, MEMBERS, metadata=told), NOBODY)
