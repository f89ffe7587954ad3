"""``on_conflict: "reject"``: a time at which the owner is busy is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduling.times import format_timestamp
from scheduling_bookings.models import bookings
from tests.kit.factories import BOOKING, book, count_rows, refused_fields

START, END = "2099-01-01T10:00:00.000Z", "2099-01-01T11:00:00.000Z"
REJECT = {"on_conflict": "reject"}


@pytest.fixture
def alice(site):
    return site.user("Alice")


@pytest.fixture
def rejecting_site(site):
    """The same site, whose setting says that overlaps are refused."""
    settings = site.registry.plugin_settings["bookings"]
    before = settings["on_conflict"]
    settings["on_conflict"] = "reject"
    yield site
    settings["on_conflict"] = before


def at(start, end):
    return {"start": f"2099-01-01T{start}:00Z", "end": f"2099-01-01T{end}:00Z"}


def wish(client, start, end, status=201, **fields):
    return client.post("/bookings", BOOKING | at(start, end) | REJECT | fields, status=status)


def taken_by(answer):
    assert answer.content_type == "application/problem+json"
    assert (answer.json["status"], answer.json["code"]) == (409, "time_taken")
    return answer.json["conflicts"]


def test_a_time_that_is_taken_is_refused_with_what_is_in_the_way(site, alice):
    booking = book(alice)
    before = count_rows(site, bookings)
    conflict = {"start_time": START, "end_time": END, "booking_id": booking["id"]}
    assert taken_by(wish(alice, "10:30", "10:45", status=409)) == [conflict]
    assert count_rows(site, bookings) == before
    assert len(alice.get("/notifications").json) == 1


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("09:00", "10:00", 201),
        ("11:00", "12:00", 201),
        ("09:00", "10:01", 409),
        ("10:59", "12:00", 409),
        ("10:00", "11:00", 409),
        ("09:00", "12:00", 409),
        ("10:15", "10:30", 409),
    ],
)
def test_intervals_are_half_open(alice, start, end, status):
    book(alice)
    wish(alice, start, end, status=status)


def test_overlaps_are_allowed_where_nobody_refuses_them(alice):
    book(alice)
    book(alice)
    alice.post("/bookings", BOOKING | {"on_conflict": "allow"}, status=201)


def test_the_setting_decides_where_a_call_does_not(rejecting_site, alice):
    booking = book(alice)
    taken_by(alice.post("/bookings", BOOKING, status=409))
    other = book(alice, on_conflict="allow")
    path = f"/bookings/{other['id']}"
    taken_by(alice.patch(path, {"end": "2099-01-01T10:30:00Z"}, status=409))
    alice.patch(path, {"end": "2099-01-01T10:30:00Z", "on_conflict": "allow"}, status=200)
    alice.delete(path)
    taken_by(alice.post(f"{path}/restore", {}, status=409))
    alice.post(f"{path}/restore", {"on_conflict": "allow"}, status=200)
    assert booking["id"] != other["id"]


@pytest.mark.parametrize("wrong", ["replace", "REJECT", 1, True, []])
def test_another_word_is_refused(alice, wrong):
    path = f"/bookings/{book(alice)['id']}"
    assert refused_fields(alice.post("/bookings", BOOKING | {"on_conflict": wrong}, status=400)) == {
        "on_conflict"
    }
    for answer in (
        alice.patch(path, {"title": "x", "on_conflict": wrong}, status=400),
        alice.post(f"{path}/restore", {"on_conflict": wrong}, status=400),
    ):
        assert refused_fields(answer) == {"on_conflict"}


def test_cancelled_bookings_and_those_of_others_are_in_nobodys_way(site, alice):
    book(site.user("Bob"))
    alice.delete(f"/bookings/{book(alice)['id']}")
    wish(alice, "10:00", "11:00")


def test_the_earliest_ten_are_named(alice):
    made = [book(alice, **at(f"10:{minute:02}", "11:00"))["id"] for minute in range(12)][:10]
    conflicts = taken_by(wish(alice, "10:30", "10:45", status=409))
    assert [conflict["booking_id"] for conflict in conflicts] == made


def test_a_change_of_the_times_is_refused_and_any_other_is_not(alice):
    first, second = book(alice, **at("10:00", "11:00")), book(alice, **at("11:00", "12:00"))
    path = f"/bookings/{second['id']}"
    [conflict] = taken_by(alice.patch(path, {"start": "2099-01-01T10:30:00Z"} | REJECT, status=409))
    assert conflict["booking_id"] == first["id"]
    assert alice.get(path).json == second
    book(alice, **at("11:00", "12:00"))
    # It overlaps, and does not move.
    alice.patch(path, {"title": "Retro", "end": second["end_time"]} | REJECT, status=200)
    # Its own time is not in its way.
    alice.patch(path, at("14:00", "16:00") | REJECT, status=200)
    alice.patch(path, at("15:00", "17:00") | REJECT, status=200)


def test_the_word_alone_is_no_change(alice):
    path = f"/bookings/{book(alice)['id']}"
    refused = alice.patch(path, REJECT, status=400)
    assert "on_conflict" not in refused.json["error"]


def test_a_cancelled_booking_is_not_restored_into_a_time_that_is_taken(alice):
    cancelled = book(alice)
    path = f"/bookings/{cancelled['id']}"
    alice.delete(path)
    other = book(alice)
    [conflict] = taken_by(alice.post(f"{path}/restore", REJECT, status=409))
    assert conflict["booking_id"] == other["id"]
    assert alice.get(path).json["status"] == "cancelled"
    alice.delete(f"/bookings/{other['id']}")
    alice.post(f"{path}/restore", REJECT, status=200)


def test_the_owner_is_who_must_be_free_whoever_changes_the_booking(site, alice):
    ada = site.user("Ada", admin=True)
    book(ada)
    path = f"/bookings/{book(alice, **at('14:00', '15:00'))['id']}"
    ada.patch(path, at("10:00", "11:00") | REJECT, status=200)
    book(alice, **at("16:00", "17:00"))
    taken_by(ada.patch(path, at("16:00", "17:00") | REJECT, status=409))


def test_a_refused_call_is_done_anew_with_its_key_and_a_good_one_once(alice):
    in_the_way = book(alice)
    wanted, key = BOOKING | REJECT, {"Idempotency-Key": "mine"}
    taken_by(alice.post("/bookings", wanted, headers=key, status=409))
    alice.delete(f"/bookings/{in_the_way['id']}")
    made = alice.post("/bookings", wanted, headers=key, status=201)
    again = alice.post("/bookings", wanted, headers=key, status=201)
    assert made.json == again.json
    taken_by(alice.post("/bookings", wanted, status=409))


def test_a_stale_version_is_told_before_a_conflict(alice):
    book(alice)
    path = f"/bookings/{book(alice, **at('14:00', '15:00'))['id']}"
    moved = at("10:00", "11:00") | REJECT
    alice.patch(path, moved, headers={"If-Match": '"7"'}, status=412)
    taken_by(alice.patch(path, moved, headers={"If-Match": '"1"'}, status=409))


@pytest.mark.parametrize("days", [0.5, 1, 1.5, 32, 32.5, 400, 20000])
def test_a_long_booking_is_in_the_way_until_it_ends(alice, days):
    start = datetime(2099, 1, 1, 10, tzinfo=UTC)
    end = start + timedelta(days=days)
    times = {"start": format_timestamp(start), "end": format_timestamp(end)}
    booking = book(alice, **times)

    def answer(start, end, status):
        moments = {"start": format_timestamp(start), "end": format_timestamp(end)}
        return alice.post("/bookings", BOOKING | moments | REJECT, status=status)

    instant = timedelta(milliseconds=1)
    [conflict] = taken_by(answer(end - instant, end + timedelta(hours=1), 409))
    assert conflict["booking_id"] == booking["id"]
    taken_by(answer(start - timedelta(hours=1), start + instant, 409))
    answer(end, end + timedelta(hours=1), 201)
    answer(start - timedelta(hours=1), start, 201)
