"""Why a booking was cancelled, and how it is confirmed again."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.claims import claim, new_owner
from scheduling_analytics.models import analytics_events
from scheduling_bookings.events import BookingCancelled, BookingRestored
from scheduling_bookings.models import bookings
from tests.kit.factories import book, messages_of, refused_fields
from tests.kit.messages import mark


@pytest.fixture
def alice(site):
    return site.user("Alice")


@pytest.fixture
def path(alice):
    return f"/bookings/{book(alice)['id']}"


def restore(client, path, status=200):
    return client.post(f"{path}/restore", {}, status=status)


def subjects_delivered(site):
    site.deliver()
    subjects = [mail.subject for mail in site.mail if not mail.subject.startswith("Welcome")]
    site.clear_mail()
    return subjects


CONFIRMED, CANCELLED = "Booking confirmed: Standup", "Booking cancelled: Standup"


def test_a_reason_is_kept_and_told(site, alice, path):
    site.deliver()
    site.clear_mail()
    answer = alice.delete(f"{path}?reason=%20The%20heating%0Ais%20broken%20", status=200).json["booking"]
    assert answer["cancellation_reason"] == "The heating is broken"
    assert alice.get(path).json == answer
    site.deliver()
    [mail] = site.mail
    assert "The heating is broken" in mail.text
    assert "The heating is broken" in mail.html


@pytest.mark.parametrize("query", ["", "?reason=", "?reason=%20%E2%80%8B"])
def test_without_a_reason_there_is_none(site, alice, path, query):
    assert alice.delete(f"{path}{query}", status=200).json["booking"]["cancellation_reason"] is None
    site.deliver()
    assert "Why" not in site.mail[-1].text


@pytest.mark.parametrize("reason", ["x" * 501, "a%00b"])
def test_a_reason_that_cannot_be_kept_is_refused(alice, path, reason):
    assert refused_fields(alice.delete(f"{path}?reason={reason}", status=400)) == {"reason"}
    assert alice.get(path).json["status"] == "confirmed"


def test_a_reason_has_at_most_500_characters(alice, path):
    reason = "%C3%BC" * 500
    kept = alice.delete(f"{path}?reason={reason}", status=200).json["booking"]["cancellation_reason"]
    assert kept == "ü" * 500


def test_a_restored_booking_is_as_it_was(alice, path):
    before = alice.get(path).json
    alice.delete(f"{path}?reason=Ill")
    answer = restore(alice, path)
    assert answer.json == before | {name: answer.json[name] for name in ("updated_at", "version")}
    assert answer.json["version"] == before["version"] + 2
    shown = alice.get(path)
    assert (shown.json, shown.headers["ETag"]) == (answer.json, answer.headers["ETag"])
    alice.patch(path, {"title": "Yoga"}, status=200)


def test_what_is_not_cancelled_or_has_begun_is_not_restored(site, alice, path):
    assert restore(alice, path, status=409).json["code"] == "conflict"
    alice.delete(path)
    with session_scope(site.registry) as db:
        began = datetime.now(UTC) - timedelta(minutes=1)
        db.write(sa.update(bookings).values(start_time=began))
    assert restore(alice, path, status=409).json["code"] == "conflict"
    assert alice.get(path).json["status"] == "cancelled"


def test_restoring_with_a_key_is_done_once(alice, path):
    alice.delete(path)
    answers = [
        alice.post(f"{path}/restore", {}, headers={"Idempotency-Key": "again"}, status=200) for _ in range(2)
    ]
    assert answers[0].json == answers[1].json
    assert "Idempotent-Replayed" in answers[1].headers


def test_a_restored_booking_is_confirmed_again_by_mail_and_notice(site, alice, path):
    assert subjects_delivered(site) == [CONFIRMED]
    alice.delete(path)
    assert subjects_delivered(site) == [CANCELLED]
    restore(alice, path)
    assert subjects_delivered(site) == [CONFIRMED]
    notice, *_ = alice.get("/notifications").json
    assert (notice["type"], notice["message"]) == (
        "BOOKING_CONFIRMED",
        "Your booking “Standup” is confirmed again.",
    )
    # And a second time.
    alice.delete(path)
    restore(alice, path)
    assert subjects_delivered(site) == [CONFIRMED]


def test_what_happens_while_the_confirmation_waits_is_one_confirmation(site, alice, path):
    alice.delete(path)
    restore(alice, path)
    assert len(messages_of(site, "BOOKING_CONFIRMATION")) == 1
    assert subjects_delivered(site) == [CONFIRMED]


def test_what_is_cancelled_again_before_it_is_told_is_never_confirmed(site, alice, path):
    assert subjects_delivered(site) == [CONFIRMED]
    alice.delete(f"{path}?reason=first")
    restore(alice, path)
    alice.delete(f"{path}?reason=last")
    site.deliver()
    assert {mail.subject for mail in site.mail} == {CANCELLED}
    assert all("last" in mail.text for mail in site.mail)


def test_a_booking_whose_confirmation_was_skipped_is_confirmed_when_it_is_restored(site, alice, path):
    alice.delete(path)
    assert subjects_delivered(site) == [CANCELLED]
    restore(alice, path)
    assert subjects_delivered(site) == [CONFIRMED]


def test_a_booking_is_confirmed_again_where_a_worker_has_the_confirmation_in_hand(site, alice, path):
    claim(site.registry, mark(site, "email"), new_owner())
    alice.delete(path)
    restore(alice, path)
    assert len(messages_of(site, "BOOKING_CONFIRMATION")) == 2


def test_a_restored_booking_that_moves_before_it_is_told_is_one_email(site, alice, path):
    assert subjects_delivered(site) == [CONFIRMED]
    alice.delete(path)
    restore(alice, path)
    alice.patch(path, {"end": "2099-01-01T12:00:00Z"}, status=200)
    assert messages_of(site, "BOOKING_RESCHEDULED") == []
    assert subjects_delivered(site) == [CONFIRMED]


def test_events_tell_the_reason_and_the_zone(site, alice, path):
    heard = []
    kinds = (BookingCancelled, BookingRestored)
    for kind in kinds:
        site.registry.registerHandler(heard.append, [kind])
    try:
        alice.delete(f"{path}?reason=Ill")
        restore(alice, path)
    finally:
        for kind in kinds:
            site.registry.unregisterHandler(heard.append, [kind])
    cancelled, restored = heard
    assert (cancelled.reason, cancelled.time_zone) == ("Ill", "UTC")
    assert restored.start_time == cancelled.start_time
    with session_scope(site.registry) as db:
        types = {row.event_type for row in db.rows(sa.select(analytics_events.c.event_type))}
    assert "BOOKING_RESTORED" in types
