"""When a reminder is told, how, to whom, and when not."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.claims import claim, new_owner
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.times import format_timestamp, utcnow
from scheduling_bookings.models import bookings
from tests.kit.factories import book, messages_of
from tests.kit.messages import change, mark
from tests.kit.reminders import MINUTE, book_in, let_time_pass, reminder, reminders_of

MAIL, IN_APP = "email", "in_app"


@pytest.fixture
def alice(site):
    return site.user("Alice")


def notices(client):
    return [found for found in client.get("/notifications").json if found["type"] == "BOOKING_REMINDER"]


def reminders_in(site):
    return [mail for mail in site.mail if mail.subject.startswith("Reminder: ")]


def test_an_email_is_sent_when_its_moment_has_come_and_not_before(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60), title="Yoga", location="Room 2")
    site.deliver()
    assert reminders_in(site) == []
    let_time_pass(site, 61 * MINUTE)
    site.deliver()
    [mail] = reminders_in(site)
    assert mail.to_address == alice.email
    assert "Hello Alice" in mail.text
    for text in (mail.text, mail.html):
        assert "Yoga" in text
        assert "Room 2" in text
    site.deliver()
    assert len(reminders_in(site)) == 1


def test_the_subject_and_the_notice_say_when_in_the_readers_zone(site, alice):
    alice.patch("/users/me", {"time_zone": "Europe/Berlin"}, status=200)
    book(
        alice,
        title="Yoga",
        start="2098-04-01T09:00:00Z",
        end="2098-04-01T09:30:00Z",
        reminders=[reminder(60), reminder(60, IN_APP)],
    )
    change(site, due_at=utcnow() - MINUTE)
    site.deliver()
    [mail] = reminders_in(site)
    assert mail.subject == "Reminder: Yoga, Tue 1 April 2098, 11:00 CEST (UTC+2)"
    assert "Tue 1 April 2098, 11:00–11:30 CEST (UTC+2)" in mail.text
    [notice] = notices(alice)
    assert notice["title"] == 'Reminder: "Yoga"'
    assert notice["message"] == "Your booking “Yoga” is on Tue 1 April 2098, 11:00–11:30 CEST (UTC+2)."
    assert not notice["is_read"]


def test_a_notice_is_in_the_application_from_its_moment_on(site, alice):
    booking = book_in(alice, timedelta(hours=2), reminder(60, IN_APP))
    site.deliver()
    assert notices(alice) == []
    let_time_pass(site, 61 * MINUTE)
    site.deliver()
    [notice] = notices(alice)
    assert notice["metadata"] == {"booking_id": booking["id"]}
    assert reminders_in(site) == []


def test_each_of_several_is_told_at_its_own_time(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60), reminder(10), reminder(0))
    for passes, told in ((61, 1), (50, 2), (10, 3)):
        let_time_pass(site, passes * MINUTE)
        site.deliver()
        assert len(reminders_in(site)) == told


def test_one_that_would_have_been_due_before_the_booking_was_made_is_not_told(site, alice):
    book_in(alice, 30 * MINUTE, reminder(60), reminder(10))
    assert [found.payload["data"]["minutes"] for found in reminders_of(site, State.SCHEDULED)] == [10]


def test_the_owner_is_told_whoever_books_or_moves(site, alice):
    ada = site.user("Ada", admin=True)
    path = f"/bookings/{book_in(alice, timedelta(hours=2), reminder(60))['id']}"
    start = utcnow() + timedelta(hours=3)
    times = {"start": format_timestamp(start), "end": format_timestamp(start + MINUTE)}
    ada.patch(path, times, status=200)
    let_time_pass(site, 121 * MINUTE)
    site.deliver()
    assert [mail.to_address for mail in reminders_in(site)] == [alice.email]


def test_a_late_one_is_told_while_the_booking_has_not_begun(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60), reminder(60, IN_APP))
    let_time_pass(site, 119 * MINUTE)
    site.deliver()
    assert (len(reminders_in(site)), len(notices(alice))) == (1, 1)


def test_a_late_one_is_not_told_when_the_booking_has_begun(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60), reminder(60, IN_APP))
    let_time_pass(site, 121 * MINUTE)
    site.deliver()
    assert (reminders_in(site), notices(alice)) == ([], [])
    assert {found.state for found in messages_of(site, "REMINDER")} == {State.SKIPPED}


@pytest.mark.parametrize(("late", "told"), [(1, 1), (4, 1), (6, 0)])
def test_one_for_the_start_itself_is_told_up_to_five_minutes_late(site, alice, late, told):
    book_in(alice, timedelta(hours=2), reminder(0), reminder(0, IN_APP))
    let_time_pass(site, (120 + late) * MINUTE)
    site.deliver()
    assert (len(reminders_in(site)), len(notices(alice))) == (told, told)


def test_an_email_that_was_written_in_time_is_not_sent_when_the_booking_has_begun(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60))
    let_time_pass(site, 61 * MINUTE)
    while not messages_of(site, "BOOKING_REMINDER"):
        deliver_reminders(site)
    change(site, *[found.id for found in messages_of(site, "BOOKING_REMINDER")], expires_at=utcnow() - MINUTE)
    site.deliver()
    assert reminders_in(site) == []


def deliver_reminders(site):
    """Deliver the messages to the plugin alone, and none of the e-mails that follow."""
    deliver(site.registry, "reminders", mark(site, "reminders"))


@pytest.mark.parametrize("channel", [MAIL, IN_APP])
def test_preferences_are_asked_when_it_is_told(site, alice, channel):
    book_in(alice, timedelta(hours=2), reminder(60), reminder(60, IN_APP))
    switched = {"notices": {"BOOKING_REMINDER": {channel: False}}}
    alice.patch("/users/me/preferences", switched, status=200)
    let_time_pass(site, 61 * MINUTE)
    site.deliver()
    told = {MAIL: len(reminders_in(site)), IN_APP: len(notices(alice))}
    assert told == {MAIL: 1, IN_APP: 1} | {channel: 0}


def test_a_message_that_is_delivered_twice_is_told_once(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60), reminder(60, IN_APP))
    let_time_pass(site, 61 * MINUTE)
    deliver_reminders(site)
    past = utcnow() - timedelta(seconds=1)
    # As if the worker had died before it wrote the results.
    for found in messages_of(site, "REMINDER"):
        change(site, found.id, due_at=past, lease_until=past, owner="gone")
    site.deliver()
    site.deliver()
    assert (len(reminders_in(site)), len(notices(alice))) == (1, 1)


def test_one_in_hand_when_the_booking_is_cancelled_is_not_told(site, alice):
    booking = book_in(alice, timedelta(hours=2), reminder(60))
    let_time_pass(site, 61 * MINUTE)
    ids = mark(site, "reminders")
    claim(site.registry, ids, new_owner())
    alice.delete(f"/bookings/{booking['id']}", status=200)
    past = utcnow() - timedelta(seconds=1)
    change(site, *ids, due_at=past, lease_until=past)
    site.deliver()
    assert reminders_in(site) == []
    [message] = messages_of(site, "REMINDER")
    assert (message.state, message.last_error) == ("skipped", "the booking has no such reminder any more")


def test_an_email_of_a_booking_that_is_cancelled_before_it_leaves_is_not_sent(site, alice):
    booking = book_in(alice, timedelta(hours=2), reminder(60))
    let_time_pass(site, 61 * MINUTE)
    deliver_reminders(site)
    alice.delete(f"/bookings/{booking['id']}", status=200)
    site.deliver()
    assert reminders_in(site) == []


def test_nobody_is_told_of_a_booking_that_is_gone(site, alice):
    book_in(alice, timedelta(hours=2), reminder(60))
    let_time_pass(site, 61 * MINUTE)
    with session_scope(site.registry) as db:
        db.write(sa.delete(bookings))
    site.deliver()
    assert reminders_in(site) == []


def test_a_start_is_compared_as_the_wire_shows_it(site, alice):
    start = datetime(2098, 4, 1, 9, 0, 0, 123456, tzinfo=UTC)
    booking = book_in(alice, timedelta(hours=2), reminder(60))
    with session_scope(site.registry) as db:
        db.write(sa.update(bookings).where(bookings.c.id == booking["id"]).values(start_time=start))
    change(site, payload=reminders_of(site, State.SCHEDULED)[0].payload, due_at=utcnow())
    site.deliver()
    assert reminders_in(site) == []
