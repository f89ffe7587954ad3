"""Refuses a time at which its owner is busy, however many calls want one at the same moment.

See docs/decisions/busy.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields

from scheduling.plugin import AnswerSchema, Code, Moment, Refusal, format_timestamp
from scheduling_bookings.busy import find_busy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from scheduling.plugin import Session
    from scheduling_bookings.busy import Busy

ON_CONFLICT, ALLOW, REJECT = "on_conflict", "allow", "reject"
"""The member of a request, and the setting, that says whether bookings may overlap; and its values."""

MOST_CONFLICTS = 10
"""How many of the things that are in the way an answer names."""

_LOCKS = 0x626F6F6B
"""The namespace of the locks, one for each owner: any number that no other program uses for advisory locks of
two numbers on the same database."""


class Conflict(AnswerSchema):
    """What is in the way of a booking."""

    optional = ("booking_id",)

    start_time = Moment()
    end_time = Moment(metadata={"examples": ["2099-04-01T10:00:00.000Z"]})
    booking_id = fields.Integer(metadata={"description": "The owner's booking, where it is one."})


class Conflicts(AnswerSchema):
    """What is in the way of a booking: the earliest, at most 10."""

    conflicts = fields.List(fields.Nested(Conflict))


TIME_TAKEN = Code(
    "time_taken", 409, "The owner of the booking is busy then: `conflicts` says with what.", Conflicts
)


def refuses_overlaps(db: Session, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a call refuses a time that is taken: as it says itself, or else as the setting does."""
    setting: str = db.registry.plugin_settings["bookings"][ON_CONFLICT]
    return bool(wanted.get(ON_CONFLICT, setting) == REJECT)


def require_free(
    db: Session, user_id: int, start: datetime, end: datetime, *, besides: int | None = None
) -> None:
    """Raise ``Refusal`` where a user is busy between two moments, but for the booking ``besides``.

    Takes a lock of the user, which lasts until the transaction ends; other calls for this user wait for it.
    """
    db.lock(_LOCKS, user_id)
    found = [
        busy for busy in find_busy(db, [user_id], start, end) if besides is None or busy.booking_id != besides
    ]
    if found:
        raise Refusal(TIME_TAKEN, "The time is taken.", conflicts=_shown(found))


def _shown(found: Iterable[Busy]) -> list[dict[str, Any]]:
    earliest = sorted(found, key=lambda busy: (busy.start, busy.end))[:MOST_CONFLICTS]
    return [
        {"start_time": format_timestamp(busy.start), "end_time": format_timestamp(busy.end)}
        | ({} if busy.booking_id is None else {"booking_id": busy.booking_id})
        for busy in earliest
    ]
