"""When the e-mail about a moved booking leaves, what it tells, and when there is none."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.claims import claim, new_owner, put_back
from scheduling.messaging.models import Delay, State, outbox
from scheduling.times import utcnow
from tests.kit.factories import age_messages, book, messages_of
from tests.kit.messages import mark

KIND = "BOOKING_RESCHEDULED"


@pytest.fixture
def alice(site):
    return site.user("Alice")


@pytest.fixture
def path(site, alice):
    """The path of a booking from 10 to 11 o'clock, not confirmed by e-mail yet."""
    return f"/bookings/{book(alice)['id']}"


@pytest.fixture
def told_path(site, path):
    """The same, after the confirmation has left."""
    site.deliver()
    site.clear_mail()
    return path


def move(client, path, hour):
    times = {"start": f"2099-01-01T{hour}:00:00Z", "end": f"2099-01-01T{hour + 1}:00:00Z"}
    client.patch(path, times, status=200)


def subjects(site):
    return [mail.subject for mail in site.mail]


def test_a_moved_booking_is_told_by_mail_with_its_old_and_new_times_in_utc(site, alice, told_path):
    ada = site.user("Ada", admin=True)
    site.deliver()
    site.clear_mail()
    changes = {"title": "Yoga", "start": "2099-01-02T12:00:00+02:00", "end": "2099-01-02T11:00:00Z"}
    ada.patch(told_path, changes, status=200)
    assert site.deliver() == []
    age_messages(site, 30)
    assert site.deliver() == [State.DONE]
    [mail] = site.mail
    assert (mail.to_name, mail.to_address) == ("Alice", alice.email)
    assert mail.subject == "Booking rescheduled: Yoga"
    assert "Hello Alice" in mail.text
    for body in (mail.text, mail.html):
        times = ("Fri 2 January 2099, 10:00–11:00 UTC", "Thu 1 January 2099, 10:00–11:00 UTC")
        places = [body.index(time) for time in times]
        assert places == sorted(places), "the new times, then the old ones"


def test_several_moves_are_one_email_with_the_first_old_and_the_last_new_times(site, alice, told_path):
    for hour in (12, 14, 16):
        move(alice, told_path, hour)
    age_messages(site, 30)
    assert site.deliver() == [State.DONE]
    [mail] = site.mail
    assert re.findall(r"January 2099, (\d\d):00–(\d\d):00", mail.text) == [("16", "17"), ("10", "11")]


def test_each_move_is_a_notice_though_several_are_one_email(alice, told_path):
    move(alice, told_path, 12)
    move(alice, told_path, 14)
    types = [notice["type"] for notice in alice.get("/notifications").json]
    assert types == [KIND, KIND, "BOOKING_CONFIRMED"]


def test_the_email_leaves_30_seconds_after_the_last_move(site, alice, told_path):
    for hour in (12, 13, 14):
        age_messages(site, 25)
        began = utcnow()
        move(alice, told_path, hour)
        ended = utcnow()
        [message] = messages_of(site, KIND)
        assert began <= message.due_at - timedelta(seconds=30) <= ended


def test_the_email_leaves_2_minutes_after_the_first_move_at_the_latest(site, alice, told_path):
    for hour in (12, 13, 14, 15, 16):
        move(alice, told_path, hour)
        age_messages(site, 25)
    [message] = messages_of(site, KIND)
    assert message.due_at == message.created_at + timedelta(minutes=2)
    move(alice, told_path, 17)
    assert messages_of(site, KIND) == [message]


def test_a_move_after_the_email_has_left_is_an_email_of_its_own(site, alice, told_path):
    move(alice, told_path, 12)
    age_messages(site, 30)
    site.deliver()
    site.clear_mail()
    move(alice, told_path, 14)
    age_messages(site, 30)
    assert site.deliver() == [State.DONE]
    [mail] = site.mail
    assert re.findall(r"January 2099, (\d\d):00–(\d\d):00", mail.text) == [("14", "15"), ("12", "13")]


def test_another_title_alone_is_no_email(site, alice, told_path):
    alice.patch(told_path, {"title": "Yoga"}, status=200)
    assert messages_of(site, KIND) == []


def test_where_the_confirmation_has_not_left_it_tells_the_new_times_and_nothing_follows(site, alice, path):
    move(alice, path, 14)
    site.deliver()
    assert subjects(site) == ["Welcome, Alice", "Booking confirmed: Standup"]
    assert "1 January 2099, 14:00" in site.mail[-1].text
    assert messages_of(site, KIND) == []
    assert [notice["type"] for notice in alice.get("/notifications").json] == [KIND, "BOOKING_CONFIRMED"]


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RETRY])
def test_a_confirmation_that_waits_for_whatever_reason_has_not_left(site, alice, path, state):
    with session_scope(site.registry) as db:
        is_it = outbox.c.kind == "BOOKING_CONFIRMATION"
        db.write(sa.update(outbox).where(is_it).values(state=state))
    move(alice, path, 14)
    assert messages_of(site, KIND) == []


def test_a_confirmation_that_a_worker_gave_back_has_not_left(site, alice, path):
    owner = new_owner()
    ids = mark(site, "email")
    claim(site.registry, ids, owner)
    put_back(site.registry, ids, owner)
    move(alice, path, 14)
    assert messages_of(site, KIND) == []


def test_a_move_is_told_where_a_worker_has_the_confirmation_in_hand(site, alice, path):
    claim(site.registry, mark(site, "email"), new_owner())
    move(alice, path, 14)
    assert len(messages_of(site, KIND)) == 1


def test_a_move_is_told_where_nobody_knows_whether_the_confirmation_was_accepted(site, alice, path):
    with session_scope(site.registry) as db:
        is_it = outbox.c.kind == "BOOKING_CONFIRMATION"
        db.write(sa.update(outbox).where(is_it).values(state=State.RETRY, attempts=1, handed_at=utcnow()))
    move(alice, path, 14)
    assert len(messages_of(site, KIND)) == 1


def test_a_move_while_a_worker_has_the_email_in_hand_is_an_email_of_its_own(site, alice, told_path):
    move(alice, told_path, 12)
    age_messages(site, 30)
    claim(site.registry, mark(site, "email"), new_owner())
    move(alice, told_path, 14)
    first, second = messages_of(site, KIND)
    assert (first.state, second.state) == (State.RUNNING, State.SCHEDULED)
    assert second.payload["data"]["old_start_time"] == "2099-01-01T12:00:00.000Z"


def test_a_move_does_not_hurry_an_email_that_the_provider_wants_later(site, alice, told_path):
    move(alice, told_path, 12)
    later = utcnow() + timedelta(minutes=30)
    with session_scope(site.registry) as db:
        is_it = outbox.c.kind == KIND
        db.write(
            sa.update(outbox)
            .where(is_it)
            .values(state=State.RETRY, delay=Delay.RETRY, due_at=later, postponed=1)
        )
    move(alice, told_path, 14)
    [message] = messages_of(site, KIND)
    assert message.due_at == later
