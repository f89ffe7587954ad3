"""Bookings with reminders, and time that passes for them."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import outbox
from scheduling.times import format_timestamp, utcnow
from scheduling_bookings.models import bookings
from tests.kit.factories import book, messages_of

MINUTE = timedelta(minutes=1)


def reminder(minutes=60, channel="email"):
    """Return a reminder as the API has it."""
    return {"minutes": minutes, "channel": channel}


def times_in(begins_in):
    """Return the members of half an hour that begins in some time."""
    start = utcnow() + begins_in
    return {"start": format_timestamp(start), "end": format_timestamp(start + 30 * MINUTE)}


def book_in(client, begins_in, *reminders, **changes):
    """Book half an hour that begins in some time, and return its JSON."""
    return book(client, reminders=list(reminders), **times_in(begins_in), **changes)


def reminders_of(site, *states):
    """Return the messages of reminders in some states, the one that is due first before the others."""
    found = [message for message in messages_of(site, "REMINDER") if message.state in states]
    return sorted(found, key=lambda message: message.due_at)


def let_time_pass(site, time):
    """Have bookings begin, and their reminders be due, so much earlier."""
    with session_scope(site.registry) as db:
        for row in db.rows(sa.select(bookings)):
            moments = {"start_time": row.start_time - time, "end_time": row.end_time - time}
            db.write(sa.update(bookings).where(bookings.c.id == row.id).values(moments))
        for row in db.rows(sa.select(outbox).where(outbox.c.kind == "REMINDER")):
            db.write(sa.update(outbox).where(outbox.c.id == row.id).values(_earlier(row, time)))


def _earlier(row, time):
    data = row.payload["data"]
    start = format_timestamp(datetime.fromisoformat(data["start_time"]) - time)
    return {
        "due_at": row.due_at - time,
        "expires_at": row.expires_at - time,
        "payload": row.payload | {"data": data | {"start_time": start}},
        "dedupe_key": row.dedupe_key.replace(data["start_time"], start),
    }
