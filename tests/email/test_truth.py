"""Every kind of e-mail tells what holds when it is sent, and is skipped where that is nothing any more."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State, outbox
from scheduling.plugin import Notice, publish
from scheduling_bookings.models import bookings
from scheduling_organizations.models import organization_members
from tests.kit.factories import add_member, age_messages, book, create_organization, messages_of
from tests.kit.messages import mark

MOVED = {"start": "2099-03-03T10:00:00Z", "end": "2099-03-03T11:00:00Z"}
MOVED_BACK = {"start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
REMINDER = {"minutes": 60, "channel": "email"}
CHANGED = {"title": "Yoga", "start": "2099-05-05T15:00:00Z", "end": "2099-05-05T16:00:00Z"}


def write(site, statement):
    with session_scope(site.registry) as db:
        db.write(statement)


def an_account(site):
    return SimpleNamespace(reader=site.user("Alice"))


def a_booking(site):
    made = an_account(site)
    made.path = f"/bookings/{book(made.reader)['id']}"
    return made


def a_moved_booking(site):
    made = a_booking(site)
    site.deliver()
    made.reader.patch(made.path, MOVED, status=200)
    return made


def a_cancelled_booking(site):
    made = a_booking(site)
    site.deliver()
    cancel(site, made)
    return made


def a_reminded_booking(site):
    made = an_account(site)
    booking = book(made.reader, reminders=[REMINDER])
    made.path = f"/bookings/{booking['id']}"
    data = {"booking_id": booking["id"], "start_time": booking["start_time"], **REMINDER}
    site.deliver()
    with session_scope(site.registry) as db:
        publish(Notice(db=db, user_id=made.reader.id, email="BOOKING_REMINDER", data=data))
    return made


def retitle_the_booking(site, made):
    made.reader.patch(made.path, {"title": "Yoga"}, status=200)


def take_the_reminder_away(site, made):
    made.reader.patch(made.path, {"reminders": []}, status=200)


def a_membership(site):
    made = SimpleNamespace(reader=site.user("Bob"), owner=site.user("Alice"))
    organization = create_organization(made.owner, "Acme Ltd")
    made.path = f"/organizations/{organization}"
    add_member(made.owner, organization, made.reader, role="admin")
    return made


def rename_the_account(site, made):
    made.reader.patch("/users/me", {"name": "Berta"}, status=200)


def change_the_booking(site, made):
    made.reader.patch(made.path, CHANGED, status=200)


def move_the_booking_back(site, made):
    made.reader.patch(made.path, MOVED_BACK, status=200)


def cancel(site, made):
    made.reader.delete(made.path, status=200)


def retitle_the_cancelled_booking(site, made):
    write(site, sa.update(bookings).values(title="Yoga", start_time=bookings.c.end_time))


def confirm_again(site, made):
    write(site, sa.update(bookings).values(status="confirmed"))


def forget_the_booking(site, made):
    write(site, sa.delete(bookings))


def change_the_membership(site, made):
    made.owner.patch(made.path, {"name": "Better Ltd"}, status=200)
    write(site, sa.update(organization_members).values(role="member"))


def remove_the_member(site, made):
    made.owner.delete(f"{made.path}/members/{made.reader.id}", status=200)


def leave(site, made):
    made.reader.delete(f"{made.path}/members/{made.reader.id}", status=200)


def delete_the_organization(site, made):
    made.owner.delete(made.path, status=200)


def delete_the_account(site, made):
    write(site, sa.delete(users).where(users.c.id == made.reader.id))


@dataclass(frozen=True)
class Case:
    """How a kind of e-mail comes about, and what can happen before it leaves."""

    cause: Callable
    change: Callable
    old: tuple[str, ...]
    """What it would have shown without the change."""
    new: tuple[str, ...]
    """What it shows after it."""
    ends: tuple[Callable, ...]
    """Each makes it pointless."""


CASES = {
    "WELCOME": Case(an_account, rename_the_account, ("Alice",), ("Berta",), (delete_the_account,)),
    "BOOKING_CONFIRMATION": Case(
        a_booking,
        change_the_booking,
        ("Standup", "Thu 1 January 2099, 10:00–11:00 UTC"),
        ("Yoga", "Tue 5 May 2099, 15:00–16:00 UTC"),
        (cancel, forget_the_booking, delete_the_account),
    ),
    "BOOKING_RESCHEDULED": Case(
        a_moved_booking,
        change_the_booking,
        ("Standup", "Tue 3 March 2099, 10:00–11:00 UTC"),
        ("Yoga", "Tue 5 May 2099, 15:00–16:00 UTC", "Thu 1 January 2099, 10:00–11:00 UTC"),
        (cancel, move_the_booking_back, forget_the_booking, delete_the_account),
    ),
    "BOOKING_CANCELLED": Case(
        a_cancelled_booking,
        retitle_the_cancelled_booking,
        ("Standup", "1 January 2099, 10:00–11:00 UTC"),
        ("Yoga", "1 January 2099, 11:00–11:00 UTC"),
        (confirm_again, forget_the_booking, delete_the_account),
    ),
    "BOOKING_REMINDER": Case(
        a_reminded_booking,
        retitle_the_booking,
        ("Standup",),
        ("Yoga", "Thu 1 January 2099, 10:00–11:00 UTC"),
        (cancel, change_the_booking, take_the_reminder_away, forget_the_booking, delete_the_account),
    ),
    "ORG_INVITE": Case(
        a_membership,
        change_the_membership,
        ("Acme Ltd", "as an admin"),
        ("Better Ltd",),
        (remove_the_member, leave, delete_the_organization, delete_the_account),
    ),
}
ENDS = [(kind, end) for kind, case in CASES.items() for end in case.ends]

TIMES = {"start_time": "2098-01-01T10:00:00.000Z", "end_time": "2098-01-01T11:00:00.000Z"}
OLDER_DATA = {
    "WELCOME": {},
    "BOOKING_CONFIRMATION": {"title": "As it was", **TIMES},
    "BOOKING_CANCELLED": {"title": "As it was", **TIMES},
    "ORG_INVITE": {"organization": "As it was", "role": "member"},
}
"""What the release before wrote, beside the ids, by the kinds that it has."""


def caused(site, kind):
    """Have the cause of an e-mail happen, and return it and the e-mail's message, which is due."""
    made = CASES[kind].cause(site)
    age_messages(site, 120)
    return made, *[row for row in messages_of(site, kind) if row.payload["user_id"] == made.reader.id]


def delivered(site, message):
    """Deliver what is due, and return the state of a message and the e-mail that it became, or None."""
    site.deliver()
    with session_scope(site.registry) as db:
        state = db.scalar(sa.select(outbox.c.state).where(outbox.c.id == message.id))
    return state, site.provider.sent.get(str(message.id))


def test_every_kind_of_the_registry_has_a_case(site):
    assert set(CASES) == set(site.registry.email_templates.samples)
    assert all(case.old and case.new and case.ends for case in CASES.values())


@pytest.mark.parametrize("kind", CASES)
def test_an_email_shows_what_it_would_without_a_change(site, kind):
    _, message = caused(site, kind)
    state, mail = delivered(site, message)
    assert state == State.DONE
    assert [text for text in CASES[kind].old if text not in mail.text or text not in mail.html] == []


@pytest.mark.parametrize("kind", CASES)
def test_what_changed_before_an_email_left_is_what_it_shows(site, kind):
    made, message = caused(site, kind)
    CASES[kind].change(site, made)
    age_messages(site, 120)
    state, mail = delivered(site, message)
    assert state == State.DONE
    for body in (mail.text, mail.html):
        assert [text for text in CASES[kind].new if text not in body] == []
    for part in (mail.subject, mail.text, mail.html):
        assert [text for text in CASES[kind].old if text in part] == []


@pytest.mark.parametrize(("kind", "end"), ENDS, ids=[f"{kind}-{end.__name__}" for kind, end in ENDS])
def test_an_email_is_skipped_when_what_it_tells_has_ended(site, kind, end):
    made, message = caused(site, kind)
    end(site, made)
    age_messages(site, 120)
    assert delivered(site, message) == (State.SKIPPED, None)


@pytest.mark.parametrize("kind", OLDER_DATA)
def test_a_message_of_the_release_before_is_delivered_and_shows_what_holds_now(site, kind):
    _, message = caused(site, kind)
    ids = {name: value for name, value in message.payload["data"].items() if name.endswith("_id")}
    payload = message.payload | {"data": ids | OLDER_DATA[kind]}
    is_it = outbox.c.id == message.id
    write(site, sa.update(outbox).where(is_it).values(payload=payload, dedupe_key=None, delay=None))
    state, mail = delivered(site, message)
    assert state == State.DONE
    assert "As it was" not in mail.text
    assert [text for text in CASES[kind].old if text not in mail.text] == []


@pytest.mark.parametrize("kind", OLDER_DATA)
def test_a_worker_of_the_release_before_can_render_a_message(site, kind):
    _, message = caused(site, kind)
    mail = site.registry.email_templates.render(kind, "Alice", message.payload["data"])
    assert [text for text in CASES[kind].old if text not in mail.text] == []


def test_a_batch_loads_what_its_emails_show_by_one_query_for_each_kind(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    for name in ("One Ltd", "Two Ltd", "Three Ltd"):
        add_member(alice, create_organization(alice, name), bob)
        book(alice)
    ids = mark(site, "email")
    with site.queries() as queries:
        assert deliver(site.registry, "email", ids) == [State.DONE] * 8
    for table in ("bookings", "organization_members", "users"):
        assert len([s for s in queries.statements if f"FROM {table}" in s]) == 1, table
