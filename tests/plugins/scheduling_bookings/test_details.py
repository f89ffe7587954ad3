"""What a booking has beside a title and its times."""

import pytest

from tests.kit.factories import BOOKING, book, refused_fields

DETAILS = {
    "description": "Bring a mat.\nAnd water.",
    "location": "Room 2",
    "time_zone": "Europe/Berlin",
    "metadata": {"z": 1, "a": {"deep": [1.5, None, True, "ü"]}},
}


def test_a_booking_is_made_with_its_details_and_read_back(site):
    alice = site.user()
    made = alice.post("/bookings", BOOKING | DETAILS, status=201)
    booking = made.json["booking"]
    assert DETAILS.items() <= booking.items()
    assert booking["cancellation_reason"] is None
    shown = alice.get(f"/bookings/{booking['id']}")
    assert shown.json == booking
    assert alice.get("/bookings").json == [booking]
    # Also the order of the members of the metadata is as it was sent.
    assert shown.headers["ETag"] == made.headers["ETag"]


def test_without_details_a_booking_has_none_and_the_zone_of_its_owner_then(site):
    alice = site.user()
    alice.patch("/users/me", {"time_zone": "Asia/Kathmandu"}, status=200)
    booking = book(alice)
    told = {"description": None, "location": None, "metadata": {}, "time_zone": "Asia/Kathmandu"}
    assert told.items() <= booking.items()
    alice.patch("/users/me", {"time_zone": "Europe/Berlin"}, status=200)
    assert alice.get(f"/bookings/{booking['id']}").json == booking


def test_details_are_changed_one_by_one(site):
    alice = site.user()
    booking = book(alice)
    path = f"/bookings/{booking['id']}"
    for name, value in DETAILS.items():
        changed = alice.patch(path, {name: value}, status=200)
        booking |= {name: value} | {k: changed.json["booking"][k] for k in ("updated_at", "version")}
        assert changed.json["booking"] == booking
        shown = alice.get(path)
        assert (shown.json, shown.headers["ETag"]) == (booking, changed.headers["ETag"])


def test_a_null_takes_away_what_a_booking_need_not_have(site):
    alice = site.user()
    booking = book(alice, **DETAILS)
    path = f"/bookings/{booking['id']}"
    nulls = dict.fromkeys(["title", "start", "end", *DETAILS])
    changed = alice.patch(path, nulls, status=200).json["booking"]
    for name in ("title", "start_time", "end_time", "time_zone", "metadata"):
        assert changed[name] == booking[name]
    assert (changed["description"], changed["location"]) == (None, None)
    assert alice.patch(path, {"metadata": {}}, status=200).json["booking"]["metadata"] == {}
    assert alice.get(path).json["metadata"] == {}


def test_a_blank_text_changes_nothing(site):
    alice = site.user()
    booking = book(alice, **DETAILS)
    alice.patch(f"/bookings/{booking['id']}", {"description": " ", "location": "\t"}, status=400)
    assert alice.get(f"/bookings/{booking['id']}").json == booking


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("description", "x" * 8001),
        ("description", 7),
        ("description", "a\0b"),
        ("location", "x" * 501),
        ("location", ["Room 2"]),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "CEST+2"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "europe/berlin"),
        ("time_zone", 2),
        ("metadata", "{}"),
        ("metadata", []),
        ("metadata", {"a": "x" * 16384}),
        ("metadata", {"a": nested(500)}),
        ("metadata", {"a": {"b\0": 1}}),
        ("metadata", {"a": ["\0"]}),
    ],
)
def test_a_wrong_detail_is_refused_by_its_name(site, field, wrong):
    alice = site.user()
    assert refused_fields(alice.post("/bookings", BOOKING | {field: wrong}, status=400)) == {field}
    path = f"/bookings/{book(alice)['id']}"
    assert refused_fields(alice.patch(path, {field: wrong}, status=400)) == {field}


def test_details_may_be_as_large_as_the_contract_says(site):
    metadata = {"a": "x" * (16384 - len('{"a":""}'))}
    largest = {"description": "😀" * 8000, "location": "ü" * 500, "metadata": metadata}
    assert largest.items() <= book(site.user(), **largest).items()


def test_metadata_may_be_nested_and_is_given_back_wherever_it_is_shown(site):
    alice = site.user()
    booking = book(alice, metadata={"a": nested(100)})
    assert alice.get("/bookings").json == [booking]
    assert alice.delete(f"/bookings/{booking['id']}").json["booking"]["metadata"] == booking["metadata"]


def test_a_location_is_one_line(site):
    assert book(site.user(), location="Room 2\r\nBcc: eve")["location"] == "Room 2 Bcc: eve"


def test_a_list_is_narrowed_to_several_statuses(site):
    alice = site.user()
    kept, cancelled = book(alice, title="kept"), book(alice, title="cancelled")
    alice.delete(f"/bookings/{cancelled['id']}")
    for both in ("confirmed,cancelled", "cancelled,confirmed,cancelled", "confirmed,%20cancelled"):
        assert {row["id"] for row in alice.get(f"/bookings?status={both}").json} == {
            kept["id"],
            cancelled["id"],
        }
    assert [row["id"] for row in alice.get("/bookings?status=confirmed,confirmed").json] == [kept["id"]]
    for wrong in ("confirmed,open", "confirmed,,cancelled", "confirmed,", "Confirmed"):
        assert refused_fields(alice.get(f"/bookings?status={wrong}", status=400)) == {"status"}


def test_a_list_of_what_changed_since_a_moment(site):
    alice = site.user()
    first, second = book(alice, title="first"), book(alice, title="second")
    changed = alice.patch(f"/bookings/{first['id']}", {"title": "changed"}).json["booking"]
    since = changed["updated_at"]
    assert alice.get(f"/bookings?updated_since={since}&sort=updated_at").json[-1] == changed
    after = alice.get("/bookings?updated_since=2098-01-01T00:00:00Z").json
    assert after == []
    rows = alice.get("/bookings?sort=updated_at").json
    assert [row["id"] for row in rows] == [second["id"], first["id"]]
    assert alice.get("/bookings?sort=-updated_at").json == rows[::-1]
    assert refused_fields(alice.get("/bookings?updated_since=today", status=400)) == {"updated_since"}


@pytest.mark.parametrize("sort", ["title", "--start_time", "start_time,updated_at", "-created_at"])
def test_an_order_that_there_is_not_is_refused(site, sort):
    assert refused_fields(site.user().get(f"/bookings?sort={sort}", status=400)) == {"sort"}


def test_a_cursor_of_another_order_is_refused(site):
    alice = site.user()
    for _ in range(2):
        book(alice)
    sorts = ("-start_time", "start_time", "updated_at", "-updated_at")
    links = {sort: alice.get(f"/bookings?limit=1&sort={sort}").headers["Link"] for sort in sorts}
    for sort in sorts:
        for other, link in links.items():
            cursor = link.partition("cursor=")[2].partition(">")[0]
            status = 200 if other == sort else 400
            answer = alice.get(f"/bookings?sort={sort}&cursor={cursor}", status=status)
            if status == 400:
                assert refused_fields(answer) == {"cursor"}
