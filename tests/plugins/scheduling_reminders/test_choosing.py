"""Which reminders a booking has, and what is refused."""

import pytest

from tests.kit.factories import BOOKING, book, refused_fields

HOUR_BY_MAIL = {"minutes": 60, "channel": "email"}
DAY_IN_APP = {"minutes": 24 * 60, "channel": "in_app"}


@pytest.fixture
def alice(site):
    return site.user("Alice")


def prefer(client, reminders):
    client.patch("/users/me/preferences", {"reminders": reminders}, status=200)


def test_a_booking_has_no_reminder_unless_somebody_wants_one(alice):
    assert book(alice)["reminders"] == []
    assert alice.get("/users/me/preferences").json["reminders"] == []


def test_a_booking_has_the_reminders_that_its_call_names(alice):
    booking = book(alice, reminders=[HOUR_BY_MAIL, DAY_IN_APP])
    assert booking["reminders"] == [HOUR_BY_MAIL, DAY_IN_APP]
    assert alice.get(f"/bookings/{booking['id']}").json["reminders"] == [HOUR_BY_MAIL, DAY_IN_APP]
    assert alice.get("/bookings").json[0]["reminders"] == [HOUR_BY_MAIL, DAY_IN_APP]


def test_a_new_booking_that_names_none_has_those_that_its_owner_prefers(alice, site):
    prefer(alice, [HOUR_BY_MAIL])
    assert book(alice)["reminders"] == [HOUR_BY_MAIL]
    assert book(alice, reminders=[DAY_IN_APP])["reminders"] == [DAY_IN_APP]
    assert book(alice, reminders=[])["reminders"] == []
    assert book(site.user("Bob"))["reminders"] == []


def test_other_preferences_change_no_booking_that_is_there(alice):
    before = book(alice)
    prefer(alice, [HOUR_BY_MAIL])
    path = f"/bookings/{before['id']}"
    assert alice.get(path).json["reminders"] == []
    assert alice.patch(path, {"title": "Yoga"}, status=200).json["booking"]["reminders"] == []


def test_reminders_are_changed_by_a_patch_which_a_version_covers(alice):
    booking = book(alice, reminders=[HOUR_BY_MAIL])
    path = f"/bookings/{booking['id']}"
    changed = alice.patch(path, {"reminders": [DAY_IN_APP]}, status=200).json["booking"]
    assert changed["reminders"] == [DAY_IN_APP]
    assert changed["version"] == booking["version"] + 1
    assert alice.patch(path, {"reminders": []}, status=200).json["booking"]["reminders"] == []


@pytest.mark.parametrize(
    ("reminders", "field"),
    [
        ([{"minutes": minutes, "channel": "email"} for minutes in range(6)], "reminders"),
        ([HOUR_BY_MAIL, HOUR_BY_MAIL], "reminders"),
        ([{"minutes": -1, "channel": "email"}], "reminders.0.minutes"),
        ([{"minutes": 40_321, "channel": "email"}], "reminders.0.minutes"),
        ([HOUR_BY_MAIL, {"minutes": 1.0, "channel": "email"}], "reminders.1.minutes"),
        ([{"minutes": True, "channel": "email"}], "reminders.0.minutes"),
        ([{"minutes": "5", "channel": "email"}], "reminders.0.minutes"),
        ([{"minutes": 5, "channel": "sms"}], "reminders.0.channel"),
        ([{"minutes": 5}], "reminders.0.channel"),
        ([{"channel": "email"}], "reminders.0.minutes"),
        ([HOUR_BY_MAIL | {"colour": "red"}], "reminders.0.colour"),
        ({"minutes": 5, "channel": "email"}, "reminders"),
        ([5], "reminders.0"),
    ],
)
def test_what_is_no_list_of_reminders_is_refused(alice, reminders, field):
    path = f"/bookings/{book(alice)['id']}"
    for answer in (
        alice.post("/bookings", BOOKING | {"reminders": reminders}, status=400),
        alice.patch(path, {"reminders": reminders}, status=400),
        alice.patch("/users/me/preferences", {"reminders": reminders}, status=400),
    ):
        assert refused_fields(answer) == {field}


def test_the_largest_and_the_smallest_are_allowed_and_the_same_time_on_both_channels(alice):
    allowed = [{"minutes": 40_320, "channel": "email"}, {"minutes": 0, "channel": "email"}]
    allowed += [{"minutes": 0, "channel": "in_app"}]
    assert book(alice, reminders=allowed)["reminders"] == allowed
