import pytest

from scheduling.testing.site import PASSWORD
from tests.kit.factories import BOOKING


def recorded(site, event_type):
    """Give the users and the metadata of the events of one type, oldest first."""
    found = site.user("Ada", admin=True).get(f"/analytics/events?type={event_type}").json
    return [(event["user_id"], event["metadata"]) for event in reversed(found)]


def test_a_registration_is_recorded(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    assert [user_id for user_id, _ in recorded(site, "USER_REGISTERED")][:2] == [alice.id, bob.id]


def test_a_login_is_recorded(site):
    alice = site.user()
    site.anonymous.post("/auth/login", {"email": alice.email, "password": PASSWORD}, status=200)
    assert [user_id for user_id, _ in recorded(site, "LOGIN")] == [alice.id]
    assert recorded(site, "LOGIN_FAILED") == []


def test_a_failed_login_is_recorded_without_what_was_tried(site):
    alice = site.user()
    for email in (alice.email, "nobody@example.com"):
        site.anonymous.post("/auth/login", {"email": email, "password": "wrong-password"}, status=401)
    failed = recorded(site, "LOGIN_FAILED")
    assert len(failed) == 2
    assert failed[1][0] is None
    assert not any(text in str(failed) for text in ("wrong-password", "nobody@example.com", alice.email))
    assert recorded(site, "LOGIN") == []


def test_a_booking_and_its_cancellation_are_recorded(site):
    alice = site.user()
    booking = alice.post("/bookings", BOOKING, status=201).json["booking"]
    assert recorded(site, "BOOKING_CANCELLED") == []
    alice.delete(f"/bookings/{booking['id']}")
    for event_type in ("BOOKING_CREATED", "BOOKING_CANCELLED"):
        [(user_id, metadata)] = recorded(site, event_type)
        assert user_id == alice.id
        assert metadata["booking_id"] == booking["id"]


def test_a_new_member_is_recorded(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    organization_id = alice.post("/organizations", {"name": "X"}, status=201).json["organization"]["id"]
    alice.post(f"/organizations/{organization_id}/members", {"email": bob.email}, status=201)
    [(_, metadata)] = recorded(site, "MEMBER_ADDED")
    assert metadata["organization_id"] == organization_id


def test_what_the_system_recorded_is_on_the_dashboard(site):
    alice = site.user()
    alice.post("/bookings", BOOKING, status=201)
    dashboard = alice.get("/analytics/dashboard").json
    assert dashboard["overview"] == {"total_events": 2, "unique_users": 1, "event_types": 2}
    assert {row["event_type"] for row in dashboard["breakdown"]} == {"USER_REGISTERED", "BOOKING_CREATED"}


@pytest.mark.parametrize(
    ("event_type", "path", "sent", "status"),
    [
        ("BOOKING_CREATED", "/bookings", BOOKING | {"end": BOOKING["start"]}, 400),
        (
            "USER_REGISTERED",
            "/auth/register",
            {"name": "A", "email": "ALICE@example.com", "password": PASSWORD},
            400,
        ),
        ("MEMBER_ADDED", "/organizations/{id}/members", {"email": "alice@example.com"}, 400),
        ("MEMBER_ADDED", "/organizations/{id}/members", {"email": "nobody@example.com"}, 404),
        ("LOGIN_FAILED", "/auth/login", {"email": "alice@example.com"}, 400),
    ],
)
def test_a_request_that_is_refused_records_nothing(site, event_type, path, sent, status):
    alice = site.user(email="alice@example.com")
    organization_id = alice.post("/organizations", {"name": "X"}, status=201).json["organization"]["id"]
    before = len(recorded(site, event_type))
    alice.post(path.format(id=organization_id), sent, status=status)
    registered_meanwhile = event_type == "USER_REGISTERED"  # the admin who looks
    assert len(recorded(site, event_type)) == before + registered_meanwhile
