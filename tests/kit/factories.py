"""What tests make and read again and again: through a client over the API, or in the database of a site."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import State, outbox
from scheduling.testing.site import PASSWORD

BOOKING = {"title": "Standup", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
"""A body of POST /bookings."""

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def log_in(site, email="alice@example.com", password=PASSWORD, status=200):
    """Return the answer to a log-in; AssertionError if its status is another one."""
    return site.anonymous.post("/auth/login", {"email": email, "password": password}, status=status)


def book(client, **changes):
    """Make a booking and return its JSON."""
    return client.post("/bookings", BOOKING | changes, status=201).json["booking"]


def create_organization(client, name="Example Ltd"):
    """Make an organization of the client's and return its id."""
    return client.post("/organizations", {"name": name}, status=201).json["organization"]["id"]


def add_member(owner, organization_id, user, **fields):
    """Add a user to an organization and return the membership's JSON."""
    sent = {"email": user.email} | fields
    return owner.post(f"/organizations/{organization_id}/members", sent, status=201).json["member"]


def refused_fields(answer):
    """Return the names of the members that a 400 complains about."""
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == answer.status_int == 400
    assert answer.json["error"]
    return set(answer.json["errors"])


def insert_message(site, state=State.DEAD, **values):
    """Insert a row of the outbox, which nothing handles, and return its id."""
    row = {
        "id": uuid4(),
        "kind": "THING",
        "consumer": "test",
        "payload": {"title": "Größe"},
        "state": state,
        "attempts": 3,
        "due_at": LONG_AGO,
        "created_at": LONG_AGO,
        "last_error": "Transient: busy",
        **values,
    }
    with session_scope(site.registry) as db:
        db.write(sa.insert(outbox).values(row))
    return row["id"]


def message_row(site, message_id):
    """Return a row of the outbox; None if there is none of this id."""
    with session_scope(site.registry) as db:
        return db.row(sa.select(outbox).where(outbox.c.id == message_id))


def messages_of(site, kind):
    """Return the rows of the outbox of a kind, oldest first."""
    with session_scope(site.registry) as db:
        return db.rows(sa.select(outbox).where(outbox.c.kind == kind).order_by(outbox.c.created_at))


def age_messages(site, seconds):
    """Have all messages written, and due, so many seconds earlier, as if that time had passed."""
    with session_scope(site.registry) as db:
        for row in db.rows(sa.select(outbox)):
            moments = {
                name: getattr(row, name) - timedelta(seconds=seconds) for name in ("created_at", "due_at")
            }
            db.write(sa.update(outbox).where(outbox.c.id == row.id).values(moments))


def count_rows(site, table):
    """Return how many rows a table has."""
    with session_scope(site.registry) as db:
        return db.scalar(sa.select(sa.func.count()).select_from(table))
