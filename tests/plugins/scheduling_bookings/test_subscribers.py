import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.exceptions import Invalid
from scheduling.messaging.models import outbox
from scheduling_analytics.models import analytics_events
from scheduling_bookings.events import BookingCreated
from scheduling_bookings.models import bookings
from scheduling_notifications.models import notifications
from tests.kit.factories import BOOKING, book, count_rows, messages_of

ABROAD = {"start": "2099-01-01T10:00:00+02:00", "end": "2099-01-01T11:30:00+02:00"}
NASTY = "<script>alert('Tom & \"Jerry\"')</script>"


def book_abroad(client, **changes):
    return book(client, **ABROAD | changes)


def rows_of_each_table(site):
    return [count_rows(site, table) for table in (bookings, notifications, analytics_events, outbox)]


def mail_after(site, act):
    site.deliver()
    site.clear_mail()
    answer = act()
    site.deliver()
    return site.mail, answer


def test_a_new_booking_is_confirmed_by_mail_with_its_times_in_utc(site):
    alice = site.user("Alice")
    [mail], _ = mail_after(site, lambda: book_abroad(alice))
    assert (mail.to_name, mail.to_address) == ("Alice", alice.email)
    assert mail.subject == "Booking confirmed: Standup"
    for body in (mail.text, mail.html):
        assert "Standup" in body
        assert "Thu 1 January 2099, 08:00–09:30 UTC" in body
    assert "Hello Alice" in mail.text


def test_times_in_a_mail_are_in_the_zone_that_its_reader_has_when_it_is_sent(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    alice.patch("/users/me", {"time_zone": "Asia/Kathmandu"}, status=200)
    site.deliver()
    site.clear_mail()
    book_abroad(alice)
    book_abroad(bob)
    bob.patch("/users/me", {"time_zone": "America/New_York"}, status=200)
    site.deliver()
    shown = {
        alice.email: "Thu 1 January 2099, 13:45–15:15 (UTC+5:45)",
        bob.email: "Thu 1 January 2099, 03:00–04:30 EST (UTC-5)",
    }
    assert {mail.to_address for mail in site.mail} == set(shown)
    for mail in site.mail:
        for body in (mail.text, mail.html):
            assert shown[mail.to_address] in body


def test_a_cancelled_booking_is_announced_by_mail_with_its_times_in_utc(site):
    alice = site.user("Alice")
    booking = book_abroad(alice)
    [mail], _ = mail_after(site, lambda: alice.delete(f"/bookings/{booking['id']}"))
    assert (mail.to_name, mail.to_address) == ("Alice", alice.email)
    assert mail.subject == "Booking cancelled: Standup"
    for body in (mail.text, mail.html):
        assert "Standup" in body
        assert "Thu 1 January 2099, 08:00–09:30 UTC" in body


def test_a_new_booking_is_a_notification_for_its_owner(site):
    alice = site.user()
    booking = book_abroad(alice)
    [notification] = alice.get("/notifications").json
    assert (notification["type"], notification["user_id"]) == ("BOOKING_CONFIRMED", alice.id)
    assert notification["metadata"] == {"booking_id": booking["id"]}
    assert notification["is_read"] is False
    assert notification["title"] == 'Booking "Standup" confirmed'
    assert "Standup" in notification["message"]


def test_a_cancelled_booking_is_a_notification_for_its_owner(site):
    alice = site.user()
    booking = book_abroad(alice)
    alice.delete(f"/bookings/{booking['id']}")
    cancelled, confirmed = alice.get("/notifications").json
    assert (cancelled["type"], confirmed["type"]) == ("BOOKING_CANCELLED", "BOOKING_CONFIRMED")
    assert cancelled["metadata"] == {"booking_id": booking["id"]}
    assert cancelled["title"] == 'Booking "Standup" cancelled'
    assert "Standup" in cancelled["message"]


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"start": "2099-01-01T09:00:00Z"}, "Thu 1 January 2099, 10:00–10:30 CET (UTC+1)"),
        (
            {"end": "2099-01-02T09:00:00Z"},
            "Thu 1 January 2099, 09:00 – Fri 2 January 2099, 10:00 CET (UTC+1)",
        ),
        (
            {"end": "2099-01-01T09:00:00Z", "title": "Yoga"},
            "Thu 1 January 2099, 09:00–10:00 CET (UTC+1)",
        ),
    ],
)
def test_a_booking_that_moved_is_a_notification_for_its_owner(site, changes, now):
    alice, ada = site.user("Alice"), site.user("Ada", admin=True)
    alice.patch("/users/me", {"time_zone": "Europe/Berlin"}, status=200)
    booking = book_abroad(alice)
    ada.patch(f"/bookings/{booking['id']}", changes, status=200)
    title = changes.get("title", "Standup")
    moved, _ = alice.get("/notifications").json
    assert (moved["type"], moved["title"]) == ("BOOKING_RESCHEDULED", f'Booking "{title}" rescheduled')
    assert moved["metadata"] == {"booking_id": booking["id"]}
    assert moved["message"] == (
        f"Your booking “{title}” is now on {now}; it was on Thu 1 January 2099, 09:00–10:30 CET (UTC+1)."
    )
    assert ada.get("/notifications").json == []


@pytest.mark.parametrize(
    "changes",
    [{"title": "Yoga"}, {"start": ABROAD["start"]}, {"title": "Yoga", "end": "2099-01-01T09:30:00Z"}],
)
def test_a_booking_that_did_not_move_tells_nobody(site, changes):
    alice = site.user()
    booking = book_abroad(alice)
    site.deliver()
    alice.patch(f"/bookings/{booking['id']}", changes, status=200)
    assert [n["type"] for n in alice.get("/notifications").json] == ["BOOKING_CONFIRMED"]
    assert messages_of(site, "BOOKING_RESCHEDULED") == []


def test_the_title_of_a_notification_says_what_happened_however_long_the_bookings_is(site):
    alice = site.user()
    booking = book_abroad(alice, title="😀" * 255)
    alice.patch(f"/bookings/{booking['id']}", {"start": "2099-01-01T09:00:00Z"}, status=200)
    alice.delete(f"/bookings/{booking['id']}")
    states = [n["title"].removeprefix(f'Booking "{"😀" * 199}…" ') for n in alice.get("/notifications").json]
    assert states == ["cancelled", "rescheduled", "confirmed"]


def test_the_owner_is_told_what_a_site_admin_did(site):
    alice, ada = site.user("Alice"), site.user("Ada", admin=True)
    booking = book_abroad(alice)
    [mail], _ = mail_after(site, lambda: ada.delete(f"/bookings/{booking['id']}"))
    assert (mail.to_address, mail.subject) == (alice.email, "Booking cancelled: Standup")
    assert [n["type"] for n in alice.get("/notifications").json] == ["BOOKING_CANCELLED", "BOOKING_CONFIRMED"]
    assert ada.get("/notifications").json == []


def test_mail_goes_to_the_address_and_name_of_the_moment_of_sending(site):
    alice = site.user("Alice")
    site.deliver()
    site.clear_mail()
    book_abroad(alice)
    alice.patch("/users/me", {"email": "new.address@example.com", "name": "Alicia"})
    site.deliver()
    [mail] = site.mail
    assert (mail.to_address, mail.to_name) == ("new.address@example.com", "Alicia")
    assert "Hello Alicia" in mail.text


def test_an_account_that_is_gone_gets_no_mail(site):
    alice = site.user()
    book_abroad(alice)
    with session_scope(site.registry) as db:
        db.write(sa.text("DELETE FROM users WHERE id = :id"), {"id": alice.id})
    assert set(site.deliver()) == {"skipped"}
    assert site.mail == []


@pytest.mark.parametrize("title", ["Café mit Jürgen", "会議 ☕ 🎉", "فطور عمل"])
def test_a_title_in_any_script_arrives_unchanged(site, title):
    alice = site.user("Zoë")
    [mail], booking = mail_after(site, lambda: book_abroad(alice, title=title))
    assert booking["title"] == title
    assert mail.subject == f"Booking confirmed: {title}"
    assert title in mail.text
    assert title in mail.html
    assert "Zoë" in mail.html
    assert mail.to_name == "Zoë"
    assert title in alice.get("/notifications").json[0]["message"]


def test_markup_in_a_title_or_name_is_text_in_the_html(site):
    alice = site.user(NASTY, email="alice@example.com")
    booking = book_abroad(alice, title=NASTY)
    cancelled, _ = mail_after(site, lambda: alice.delete(f"/bookings/{booking['id']}"))
    confirmed, _ = mail_after(site, lambda: book_abroad(alice, title=NASTY))
    for mail in (*confirmed, *cancelled):
        assert "<script" not in mail.html
        assert mail.html.count("&lt;script&gt;") == 2  # the name and the title
        assert NASTY in mail.text
        assert NASTY in mail.subject


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028"])
def test_a_line_break_reaches_no_header(site, line_break):
    alice = site.user(f"Alice{line_break}Bcc: eve@example.com", email="alice@example.com")
    [mail], _ = mail_after(site, lambda: book_abroad(alice, title=f"Standup{line_break}Bcc: eve@example.com"))
    assert mail.subject == "Booking confirmed: Standup Bcc: eve@\u200bexample.\u200bcom"
    assert mail.to_name == "Alice Bcc: eve@\u200bexample.\u200bcom"


def test_a_mail_shows_60_characters_of_a_title_and_a_notification_all(site):
    alice = site.user()
    title = "😀" * 255
    [mail], _ = mail_after(site, lambda: book_abroad(alice, title=title))
    assert mail.subject == f"Booking confirmed: {'😀' * 59}…"
    assert title in alice.get("/notifications").json[0]["message"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
def test_a_title_is_kept_as_one_line(site, line_break):
    alice = site.user()
    title = f"Stand{line_break}up"
    booking = book_abroad(alice, title=title)
    assert booking["title"] == "Stand up"
    assert alice.patch(f"/bookings/{booking['id']}", {"title": title}).json["booking"]["title"] == "Stand up"


@pytest.mark.parametrize(
    "refused", [{"title": ""}, {"end": ABROAD["start"]}, {"start": "2001-01-01T10:00:00Z"}]
)
def test_a_refused_booking_tells_nobody(site, refused):
    alice = site.user()
    mails, _ = mail_after(site, lambda: alice.post("/bookings", BOOKING | refused, status=400))
    assert mails == []
    assert alice.get("/notifications").json == []


def test_cancelling_twice_tells_once(site):
    alice = site.user()
    path = f"/bookings/{book_abroad(alice)['id']}"
    alice.delete(path)
    mails, _ = mail_after(site, lambda: alice.delete(path, status=404))
    assert mails == []
    assert len(alice.get("/notifications").json) == 2


def test_a_booking_that_a_plugin_vetoes_leaves_nothing(site):
    alice = site.user()
    before = rows_of_each_table(site)

    def veto(event):
        raise Invalid({"title": ["is not wanted here"]})

    site.registry.registerHandler(veto, [BookingCreated])
    try:
        refused = alice.post("/bookings", BOOKING, status=400)
    finally:
        site.registry.unregisterHandler(veto, [BookingCreated])
    assert refused.json["errors"] == {"title": ["is not wanted here"]}
    assert rows_of_each_table(site) == before
    book_abroad(alice)
    assert rows_of_each_table(site) == [number + 1 for number in before]
