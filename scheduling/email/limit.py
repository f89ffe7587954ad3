"""The e-mail rate limit: at most ``scheduling.email_rate_limit`` e-mails a minute over all workers.

The table ``email_slots`` has as many slots as e-mails a minute are allowed. Sending takes a slot that is free
and blocks it for a minute from then on, so that no window of 60 seconds holds more e-mails than slots. Where
none is free, the message reserves the one that is free first and is tried again at that moment; no thread
sleeps meanwhile.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.email.models import email_slots
from scheduling.messaging.models import Delay
from scheduling.messaging.outcomes import Postpone
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session
    from scheduling.email.registry import EmailRegistry
    from scheduling.messaging.outbox import Message

MAX_DELAY = timedelta(seconds=3)
"""How much later than its slot an e-mail may still be sent with it; what comes later takes another slot."""

MAX_TRANSIT_DIFFERENCE = timedelta(seconds=1)
"""How much longer one e-mail may take from here to the provider than the next."""

WINDOW = timedelta(seconds=60) + MAX_DELAY + MAX_TRANSIT_DIFFERENCE
"""For how long a slot that was taken is blocked."""

_WAITS = "waits for the e-mail rate limit"

_MAX_TRIES = 100

_CANDIDATES = 16
"""Among how many free slots one is chosen at random, so that workers seldom try for the same one."""


def take_slot(registry: EmailRegistry, message: Message, clock: Callable[[], datetime] = utcnow) -> None:
    """Take a slot for sending a message now; raise ``Postpone`` until its slot if none is free now."""
    # A worker that died may have used the slot that was reserved.
    at = None if message.recovered else message.reserved_at
    if at is None or clock() > at + MAX_DELAY:
        at = _reserve_slot(registry, clock())
    now = clock()
    if now < at:
        raise Postpone(_WAITS, at, reserved=True, delay=Delay.RATE_LIMIT)
    if now > at + MAX_DELAY:
        raise Postpone(f"{_WAITS}: the database took too long", now, delay=Delay.RATE_LIMIT)


def _reserve_slot(registry: EmailRegistry, now: datetime) -> datetime:
    """Reserve the slot that is free first, and return the moment for which: ``now`` or later."""
    limit = registry.core_settings.email_rate_limit
    for _ in range(_MAX_TRIES):
        with session_scope(registry) as db:
            slots = _first_free(db, limit)
            if slots and slots[0].last >= limit - 1:
                slot, at = _choose_slot(slots, limit, now)
                # Neither a lock nor a transaction: a worker that is frozen now holds up no other.
                take = (
                    sa.update(email_slots)
                    .where(email_slots.c.slot == slot.slot, email_slots.c.free_at == slot.free_at)
                    .values(free_at=at + WINDOW)
                )
                if db.connection.execute(take).rowcount:
                    return at
            else:
                _make_slots(db, limit, now)
    # Other workers took the chosen slot first every time.
    raise Postpone(_WAITS, now + timedelta(seconds=1), delay=Delay.RATE_LIMIT)


def _first_free(db: Session, limit: int) -> list[Row]:
    """Return the slots that are free first, each with the number of the last slot and the latest moment."""
    last = sa.select(sa.func.max(email_slots.c.slot)).scalar_subquery()
    latest = sa.select(sa.func.max(email_slots.c.free_at)).where(email_slots.c.slot < limit).scalar_subquery()
    free = (
        sa.select(email_slots.c.slot, email_slots.c.free_at, last.label("last"), latest.label("latest"))
        .where(email_slots.c.slot < limit)
        .order_by(email_slots.c.free_at)
        .limit(_CANDIDATES)
    )
    return list(db.rows(free))


def _choose_slot(slots: list[Row], limit: int, now: datetime) -> tuple[Row, datetime]:
    """Return a slot and the moment at which it is used."""
    free = [slot for slot in slots if slot.free_at <= now]
    if free:
        return random.choice(free), now  # noqa: S311
    first = slots[0]
    # Reservations are spread over the minute, however fast the e-mails before were sent: more at one
    # time than the workers can send would come too late for their slots.
    spread = first.latest - WINDOW + WINDOW / limit
    return first, max(first.free_at, spread)


def _make_slots(db: Session, limit: int, now: datetime) -> None:
    """Make the slots that are missing: all of them at first, some after the limit was raised."""
    rows = [{"slot": number, "free_at": now} for number in range(limit)]
    db.write(db.insert(email_slots).on_conflict_do_nothing(index_elements=["slot"]), rows)
