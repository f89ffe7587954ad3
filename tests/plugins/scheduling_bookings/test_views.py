import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.times import format_timestamp
from scheduling_bookings.models import bookings
from tests.kit.factories import BOOKING, book, refused_fields

START, END = "2099-01-01T10:00:00.000Z", "2099-01-01T11:00:00.000Z"
WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MEMBERS = {
    "id",
    "user_id",
    "title",
    "start_time",
    "end_time",
    "status",
    "created_at",
    "updated_at",
    "version",
    "description",
    "location",
    "time_zone",
    "metadata",
    "cancellation_reason",
    # What the plugin reminders adds.
    "reminders",
}
NO_IDS = ("0", "-1", "+1", "01", "1.0", "abc", "1e3", "9223372036854775808", "%C2%B2", "99999999")


def book_days(client, *days):
    times = [(f"2099-01-{day:02}T10:00:00Z", f"2099-01-{day:02}T11:00:00Z") for day in days]
    return [book(client, title=f"Day {day}", start=s, end=e) for day, (s, e) in zip(days, times, strict=True)]


def running_booking(site, owner, **fields):
    now = datetime.now(UTC).replace(microsecond=0)
    row = {
        "user_id": owner.id,
        "title": "Running",
        "start_time": now - timedelta(hours=1),
        "end_time": now + timedelta(hours=1),
        "created_at": now - timedelta(days=1),
        "updated_at": now - timedelta(days=1),
    }
    with session_scope(site.registry) as db:
        row["id"] = db.write(sa.insert(bookings).values(row | fields).returning(bookings.c.id)).scalar_one()
    return row


def titles(answer):
    return [booking["title"] for booking in answer.json]


def test_a_new_booking_has_the_contracts_shape(site):
    alice = site.user()
    answer = alice.post("/bookings", BOOKING, status=201).json
    assert set(answer) == {"message", "booking"}
    assert isinstance(answer["message"], str)
    booking = answer["booking"]
    assert set(booking) == MEMBERS
    assert isinstance(booking["id"], int)
    assert (booking["user_id"], booking["title"], booking["status"]) == (alice.id, "Standup", "confirmed")
    assert (booking["start_time"], booking["end_time"]) == (START, END)
    assert WIRE_TIME.fullmatch(booking["created_at"])
    assert WIRE_TIME.fullmatch(booking["updated_at"])


@pytest.mark.parametrize("field", ["title", "start", "end"])
@pytest.mark.parametrize("blank", [None, "", " \t\n"])
def test_a_blank_field_is_missing(site, field, blank):
    assert refused_fields(site.user().post("/bookings", BOOKING | {field: blank}, status=400)) == {field}


def test_every_missing_field_is_named(site):
    assert refused_fields(site.user().post("/bookings", {}, status=400)) == {"title", "start", "end"}


@pytest.mark.parametrize("field", ["title", "start", "end"])
@pytest.mark.parametrize("wrong", [7, 0.5, True, [], ["Standup"], {}, {"a": 1}])
def test_a_field_of_the_wrong_type_is_refused(site, field, wrong):
    assert refused_fields(site.user().post("/bookings", BOOKING | {field: wrong}, status=400)) == {field}


def test_a_nul_character_is_refused(site):
    assert refused_fields(site.user().post("/bookings", BOOKING | {"title": "a\0b"}, status=400)) == {"title"}


@pytest.mark.parametrize("letter", ["x", "é", "会", "😀"])
def test_a_title_has_at_most_255_characters(site, letter):
    alice = site.user()
    assert book(alice, title=letter * 255)["title"] == letter * 255
    assert refused_fields(alice.post("/bookings", BOOKING | {"title": letter * 256}, status=400)) == {"title"}
    booking = book(alice)
    too_long = alice.patch(f"/bookings/{booking['id']}", {"title": letter * 256}, status=400)
    assert refused_fields(too_long) == {"title"}


def test_a_title_is_trimmed_before_it_is_measured(site):
    assert book(site.user(), title=f"  {'x' * 255}\n")["title"] == "x" * 255


def test_a_start_before_now_is_refused(site):
    past = format_timestamp(datetime.now(UTC) - timedelta(seconds=1))
    assert refused_fields(site.user().post("/bookings", BOOKING | {"start": past}, status=400)) == {"start"}


@pytest.mark.parametrize("end", [START, "2099-01-01T09:59:59.999Z", "2099-01-01T11:00:00+02:00"])
def test_an_end_that_is_not_after_the_start_is_refused(site, end):
    assert refused_fields(site.user().post("/bookings", BOOKING | {"end": end}, status=400)) == {"end"}


def test_a_booking_may_last_a_millisecond(site):
    assert book(site.user(), end="2099-01-01T10:00:00.001Z")["end_time"] == "2099-01-01T10:00:00.001Z"


def test_bookings_may_overlap(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    assert len({book(client)["id"] for client in (alice, alice, bob)}) == 3


def test_start_time_and_end_time_are_synonyms(site):
    alice = site.user()
    sent = {"title": "Standup", "start_time": START, "end_time": END}
    booking = alice.post("/bookings", sent, status=201).json["booking"]
    assert (booking["start_time"], booking["end_time"]) == (START, END)
    moved = {"start_time": "2099-01-02T10:00:00Z", "end_time": "2099-01-02T11:00:00Z"}
    changed = alice.patch(f"/bookings/{booking['id']}", moved).json["booking"]
    assert changed["start_time"] == "2099-01-02T10:00:00.000Z"
    assert changed["end_time"] == "2099-01-02T11:00:00.000Z"


def test_a_synonym_stands_in_for_a_blank_time(site):
    times = {"start": None, "start_time": START, "end": " ", "end_time": END}
    assert book(site.user(), **times)["end_time"] == END


def test_what_was_read_can_be_sent_back(site):
    alice = site.user()
    booking = book(alice)
    again = alice.post("/bookings", booking, status=201).json["booking"]
    changed = alice.patch(f"/bookings/{booking['id']}", booking).json["booking"]
    assert again["id"] != booking["id"]
    assert changed["id"] == booking["id"]
    for field in ("title", "start_time", "end_time", "status", "user_id"):
        assert again[field] == changed[field] == booking[field]


def test_what_a_client_may_not_choose_is_ignored(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    booking = book(alice, user_id=bob.id, id=77, status="cancelled", created_at=START, unknown=[1])
    assert (booking["user_id"], booking["status"]) == (alice.id, "confirmed")
    assert booking["created_at"] != START
    forged = {"title": "Mine", "user_id": bob.id, "status": "cancelled"}
    changed = alice.patch(f"/bookings/{booking['id']}", forged).json["booking"]
    assert (changed["user_id"], changed["status"], changed["title"]) == (alice.id, "confirmed", "Mine")


def test_the_list_has_my_bookings_latest_start_first(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    book_days(alice, 3, 5, 4)
    book_days(bob, 6)
    listed = alice.get("/bookings")
    assert listed.content_type == "application/json"
    assert titles(listed) == ["Day 5", "Day 4", "Day 3"]
    assert all(set(booking) == MEMBERS for booking in listed.json)
    assert "Link" not in listed.headers


def test_the_list_of_a_site_admin_has_its_own_bookings_alone(site):
    book(site.user("Alice"))
    assert site.user("Ada", admin=True).get("/bookings").json == []


def test_a_status_narrows_the_list(site):
    alice = site.user()
    kept, dropped = book_days(alice, 1, 2)
    alice.delete(f"/bookings/{dropped['id']}")
    assert titles(alice.get("/bookings?status=confirmed")) == [kept["title"]]
    assert titles(alice.get("/bookings?status=cancelled")) == [dropped["title"]]
    assert titles(alice.get("/bookings")) == [dropped["title"], kept["title"]]
    assert refused_fields(alice.get("/bookings?status=open", status=400)) == {"status"}


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ("from=2099-01-01T10:59:59.999Z", True),
        ("from=2099-01-01T11:00:00Z", False),
        ("to=2099-01-01T10:00:00.001Z", True),
        ("to=2099-01-01T10:00:00Z", False),
        ("from=2099-01-01T10:20:00Z&to=2099-01-01T10:30:00Z", True),
        ("from=2099-01-01T09:00:00Z&to=2099-01-01T12:00:00Z", True),
        ("from=2099-01-01T08:00:00Z&to=2099-01-01T09:00:00Z", False),
        ("from=2099-01-01T12:30:00%2B02:00", True),
        ("from=2099-01-01T12:30:00", False),
        ("from=2099-01-01T10:30:00Z&status=cancelled", False),
    ],
)
def test_a_window_keeps_the_bookings_that_overlap_it(site, window, found):
    alice = site.user()
    book(alice)
    assert titles(alice.get(f"/bookings?{window}")) == (["Standup"] if found else [])


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize("wrong", ["tomorrow", "2099-01-01", "2099-13-01T10:00:00Z", "4070944800"])
def test_a_window_that_is_no_timestamp_is_refused(site, field, wrong):
    assert refused_fields(site.user().get(f"/bookings?{field}={wrong}", status=400)) == {field}


def test_pages_follow_each_other_through_equal_starts_and_keep_the_filter(site):
    alice = site.user()
    for title in "ABCDE":
        book(alice, title=title)
    alice.delete(f"/bookings/{book(alice, title='gone')['id']}")
    whole = alice.get("/bookings?status=confirmed").json
    path, seen = "/api/v1/bookings?status=confirmed&limit=2", []
    while path:
        page = alice.get(path.removeprefix("/api/v1"))
        assert 1 <= len(page.json) <= 2
        seen += page.json
        following = re.fullmatch('<(.+)>; rel="next"', page.headers.get("Link", ""))
        path = following and following[1]
    assert seen == whole
    assert len(whole) == 5


@pytest.mark.parametrize("limit", ["0", "201", "-1", "ten", "1.5", "%2B1", "99999999999999999999"])
def test_a_bad_limit_is_refused(site, limit):
    assert refused_fields(site.user().get(f"/bookings?limit={limit}", status=400)) == {"limit"}


def test_limits_of_1_and_200_are_good(site):
    alice = site.user()
    book_days(alice, 1, 2)
    assert titles(alice.get("/bookings?limit=1")) == ["Day 2"]
    assert titles(alice.get("/bookings?limit=200")) == ["Day 2", "Day 1"]


def test_a_cursor_that_this_list_did_not_give_is_refused(site):
    alice = site.user()
    book_days(alice, 1, 2)
    for path in ("/notifications?limit=1", "/notifications/unread?limit=1"):
        foreign = re.search("cursor=([^>&]+)", alice.get(path).headers["Link"])[1]
        assert refused_fields(alice.get(f"/bookings?cursor={foreign}", status=400)) == {"cursor"}
    assert refused_fields(alice.get("/bookings?cursor=nonsense", status=400)) == {"cursor"}


def test_a_booking_is_shown_to_its_owner_and_to_a_site_admin(site):
    alice = site.user()
    booking = book(alice)
    path = f"/bookings/{booking['id']}"
    assert alice.get(path).json == booking
    assert alice.get(f"{path}/").json == booking
    assert alice.head(path).headers["Content-Length"] != "0"
    assert site.user("Ada", admin=True).get(path).json == booking


def test_a_booking_has_an_etag_that_changes_with_it(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    etag = alice.get(path).headers["ETag"]
    unchanged = alice.get(path, headers={"If-None-Match": etag}, status=304)
    assert unchanged.body == b""
    alice.patch(path, {"title": "Other"})
    assert alice.get(path, headers={"If-None-Match": etag}, status=200).json["title"] == "Other"


@pytest.mark.parametrize("booking_id", NO_IDS)
def test_a_booking_that_does_not_exist_is_a_404(site, booking_id):
    alice, path = site.user(), f"/bookings/{booking_id}"
    assert alice.get(path, status=404).json["status"] == 404
    assert alice.patch(path, {"title": "x"}, status=404).json["error"]
    assert alice.delete(path, status=404).json["error"]


def test_somebody_elses_booking_is_a_403_and_stays_as_it_is(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    booking = book(alice)
    path = f"/bookings/{booking['id']}"
    bob.get(path, status=403)
    bob.patch(path, {"title": "Mine now"}, status=403)
    bob.delete(path, status=403)
    assert alice.get(path).json == booking
    alice.delete(path)
    bob.delete(path, status=403)
    bob.patch(path, {"title": "Mine now"}, status=403)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"title": "Retro"}, {"title": "Retro"}),
        ({"start": "2099-01-01T09:00:00Z"}, {"start_time": "2099-01-01T09:00:00.000Z"}),
        ({"end": "2099-01-01T12:00:00Z"}, {"end_time": "2099-01-01T12:00:00.000Z"}),
        (
            {"start": "2099-01-01T11:00:00Z", "end": "2099-01-01T12:00:00Z"},
            {"start_time": "2099-01-01T11:00:00.000Z", "end_time": "2099-01-01T12:00:00.000Z"},
        ),
    ],
)
def test_a_change_touches_what_was_sent_alone(site, change, expected):
    alice = site.user()
    booking = book(alice)
    answer = alice.patch(f"/bookings/{booking['id']}", change).json
    assert set(answer) == {"message", "booking"}
    dated = booking | {"updated_at": answer["booking"]["updated_at"], "version": booking["version"] + 1}
    assert answer["booking"] == dated | expected
    assert alice.get(f"/bookings/{booking['id']}").json == answer["booking"]


@pytest.mark.parametrize(
    "nothing", [{}, {"status": "cancelled"}, {"title": None}, {"title": " ", "end": None}]
)
def test_a_change_of_nothing_is_refused(site, nothing):
    alice = site.user()
    booking = book(alice)
    alice.patch(f"/bookings/{booking['id']}", nothing, status=400)
    assert alice.get(f"/bookings/{booking['id']}").json == booking


@pytest.mark.parametrize(
    "change",
    [{"start": END}, {"start": "2099-01-01T12:00:00Z"}, {"end": START}, {"end": "2099-01-01T12:00:00+03:00"}],
)
def test_a_change_is_judged_by_the_times_that_would_result(site, change):
    alice = site.user()
    booking = book(alice)
    alice.patch(f"/bookings/{booking['id']}", change, status=400)
    assert alice.get(f"/bookings/{booking['id']}").json == booking


def test_a_changed_start_must_not_be_past(site):
    alice = site.user()
    booking = book(alice)
    past = {"start": format_timestamp(datetime.now(UTC) - timedelta(minutes=1))}
    assert refused_fields(alice.patch(f"/bookings/{booking['id']}", past, status=400)) == {"start"}


def test_a_running_booking_can_be_renamed_and_prolonged(site):
    alice = site.user()
    row = running_booking(site, alice)
    path = f"/bookings/{row['id']}"
    assert alice.patch(path, {"title": "Renamed"}).json["booking"]["title"] == "Renamed"
    later = format_timestamp(row["end_time"] + timedelta(hours=1))
    assert alice.patch(path, {"end": later}).json["booking"]["end_time"] == later
    assert alice.patch(path, alice.get(path).json).json["booking"]["end_time"] == later
    earlier = format_timestamp(row["start_time"] - timedelta(minutes=1))
    assert refused_fields(alice.patch(path, {"start": earlier}, status=400)) == {"start"}


def test_a_change_is_dated(site):
    alice = site.user()
    row = running_booking(site, alice)
    before = alice.get(f"/bookings/{row['id']}").json
    after = alice.patch(f"/bookings/{row['id']}", {"title": "Renamed"}).json["booking"]
    assert after["created_at"] == before["created_at"] == format_timestamp(row["created_at"])
    assert after["updated_at"] > before["updated_at"]


def test_a_cancelled_booking_keeps_its_row(site):
    alice = site.user()
    booking = book(alice)
    path = f"/bookings/{booking['id']}"
    answer = alice.delete(path).json
    assert set(answer) == {"message", "booking"}
    dated = booking | {"updated_at": answer["booking"]["updated_at"], "version": booking["version"] + 1}
    assert answer["booking"] == dated | {"status": "cancelled"}
    assert alice.get(path).json == answer["booking"]
    assert alice.get("/bookings").json == [answer["booking"]]


def test_a_cancelled_booking_cannot_be_cancelled_or_changed_again(site):
    alice, ada = site.user("Alice"), site.user("Ada", admin=True)
    path = f"/bookings/{book(alice)['id']}"
    alice.delete(path)
    for client in (alice, ada):
        assert client.delete(path, status=404).json["error"]
        conflict = client.patch(path, {"title": "Again"}, status=409)
        assert conflict.content_type == "application/problem+json"
        assert conflict.json["title"] == "Conflict"


def test_a_site_admin_changes_and_cancels_somebody_elses_booking(site):
    alice, ada = site.user("Alice"), site.user("Ada", admin=True)
    path = f"/bookings/{book(alice)['id']}"
    assert ada.patch(path, {"title": "By the admin"}).json["booking"]["user_id"] == alice.id
    assert ada.delete(path).json["booking"]["user_id"] == alice.id
    assert alice.get(path).json["status"] == "cancelled"


def test_bookings_go_with_the_account(site):
    alice = site.user()
    booking = book(alice)
    with session_scope(site.registry) as db:
        db.write(sa.text("DELETE FROM users WHERE id = :id"), {"id": alice.id})
    site.user("Ada", admin=True).get(f"/bookings/{booking['id']}", status=404)
