"""The messages of reminders follow their booking, in the transaction that changes it."""

from datetime import timedelta

import pytest
from pyramid.httpexceptions import HTTPConflict

from scheduling.db.session import session_scope
from scheduling.messaging.claims import claim, new_owner
from scheduling.messaging.models import State
from scheduling.times import format_timestamp
from scheduling_bookings import queries, service
from tests.kit.factories import book
from tests.kit.messages import change, mark, rows
from tests.kit.reminders import MINUTE, book_in, let_time_pass, reminder, reminders_of, times_in

HOUR = timedelta(hours=1)


@pytest.fixture
def alice(site):
    return site.user("Alice")


@pytest.fixture
def path(alice):
    """The path of a booking in two hours, with reminders an hour and ten minutes before."""
    return f"/bookings/{book_in(alice, 2 * HOUR, reminder(60), reminder(10))['id']}"


def waiting(site):
    """Return how many minutes before which start somebody is going to be reminded."""
    data = [found.payload["data"] for found in reminders_of(site, State.SCHEDULED)]
    return sorted((each["start_time"], each["minutes"]) for each in data)


def all_of(site):
    return [found for found in rows(site) if found.kind == "REMINDER"]


def test_each_is_due_so_long_before_the_start_and_of_no_use_after_it(site, alice):
    booking = book_in(alice, 2 * HOUR, reminder(60), reminder(0))
    first, second = reminders_of(site, State.SCHEDULED)
    assert format_timestamp(first.expires_at) == format_timestamp(second.due_at) == booking["start_time"]
    assert first.due_at == second.due_at - HOUR
    assert second.expires_at == second.due_at + 5 * MINUTE


def test_a_booking_in_the_last_minutes_of_the_calendar_is_reminded_of_too(site, alice):
    last = {"start": "9999-12-31T23:59:59.998Z", "end": "9999-12-31T23:59:59.999Z"}
    booking = book(alice, reminders=[reminder(0), reminder(5)], **last)
    assert [found.expires_at.year for found in reminders_of(site, State.SCHEDULED)] == [9999, 9999]
    alice.delete(f"/bookings/{booking['id']}", status=200)
    alice.post(f"/bookings/{booking['id']}/restore", status=200)
    assert len(reminders_of(site, State.SCHEDULED)) == 2


def test_a_moved_booking_has_each_of_its_reminders_once_for_the_new_start(site, alice, path):
    times = times_in(5 * HOUR)
    alice.patch(path, times, status=200)
    assert waiting(site) == [(times["start"], 10), (times["start"], 60)]
    assert len(all_of(site)) == 2


def test_a_booking_that_was_moved_away_and_back_has_each_once(site, alice, path):
    before = waiting(site)
    booking = alice.get(path).json
    alice.patch(path, times_in(5 * HOUR), status=200)
    alice.patch(path, {"start": booking["start_time"], "end": booking["end_time"]}, status=200)
    assert waiting(site) == before


def test_what_is_past_after_a_move_is_not_told(site, alice, path):
    times = times_in(30 * MINUTE)
    alice.patch(path, times, status=200)
    assert waiting(site) == [(times["start"], 10)]


def test_another_end_or_title_changes_no_message(site, alice, path):
    ids = {found.id for found in all_of(site)}
    alice.patch(path, {"title": "Yoga", "end": times_in(9 * HOUR)["end"]}, status=200)
    assert {found.id for found in all_of(site)} == ids


def test_other_reminders_replace_those_that_were(site, alice, path):
    [kept] = [found.id for found in all_of(site) if found.payload["data"]["minutes"] == 10]
    alice.patch(path, {"reminders": [reminder(10), reminder(20, "in_app")]}, status=200)
    found = {message.payload["data"]["minutes"]: message.id for message in all_of(site)}
    assert found.keys() == {10, 20}
    assert found[10] == kept


def test_one_that_is_due_already_is_not_lost_where_another_is_added(site, alice, path):
    let_time_pass(site, 61 * MINUTE)
    alice.patch(path, {"reminders": [reminder(60), reminder(10), reminder(5)]}, status=200)
    site.deliver()
    assert [mail.subject.startswith("Reminder") for mail in site.mail].count(True) == 1
    assert len(waiting(site)) == 2


def test_a_cancelled_booking_has_none_and_a_restored_one_those_of_the_future_again(site, alice, path):
    before = waiting(site)
    alice.delete(path, status=200)
    assert all_of(site) == []
    alice.post(f"{path}/restore", {}, status=200)
    assert waiting(site) == before
    alice.delete(path, status=200)
    let_time_pass(site, 90 * MINUTE)
    alice.post(f"{path}/restore", {}, status=200)
    assert [minutes for _, minutes in waiting(site)] == [10]


def test_a_restored_booking_is_not_told_again_what_was_told(site, alice, path):
    let_time_pass(site, 61 * MINUTE)
    site.deliver()
    alice.delete(path, status=200)
    alice.post(f"{path}/restore", {}, status=200)
    assert [minutes for _, minutes in waiting(site)] == [10]
    site.deliver()
    assert [mail.subject.startswith("Reminder") for mail in site.mail].count(True) == 1


def test_what_is_undone_leaves_the_messages_as_they_were(site, alice, path):
    before = [(found.id, found.due_at) for found in all_of(site)]
    registry, booking_id = site.registry, int(path.rpartition("/")[2])
    with pytest.raises(RuntimeError), session_scope(registry) as db:  # noqa: PT012
        service.cancel(db, queries.find(db, booking_id), None, None)
        raise RuntimeError("after the event")
    assert [(found.id, found.due_at) for found in all_of(site)] == before


def test_of_two_changes_at_once_the_second_is_refused_and_the_first_is_told(site, alice, path):
    registry, booking_id = site.registry, int(path.rpartition("/")[2])
    with session_scope(registry) as db:
        as_both_read_it = queries.find(db, booking_id)
    with session_scope(registry) as db:
        service.update(db, as_both_read_it, {}, {"reminders": [reminder(20)]}, None)
    with session_scope(registry) as db, pytest.raises(HTTPConflict):
        service.update(db, as_both_read_it, {}, {"reminders": [reminder(30)]}, None)
    change(site, due_at=all_of(site)[0].created_at)
    site.deliver()
    told = [found.payload["data"]["minutes"] for found in all_of(site) if found.state == State.DONE]
    assert told == [20]


def test_a_move_leaves_what_a_worker_has_in_hand_and_that_is_not_told(site, alice, path):
    let_time_pass(site, 61 * MINUTE)
    ids = mark(site, "reminders")
    claim(site.registry, ids, new_owner())
    times = times_in(5 * HOUR)
    alice.patch(path, times, status=200)
    assert waiting(site) == [(times["start"], 10), (times["start"], 60)]
    past = all_of(site)[0].created_at
    change(site, *ids, due_at=past, lease_until=past)
    site.deliver()
    assert [found.state for found in all_of(site) if found.id in ids] == [State.SKIPPED]
