"""Every call of the API that looks at a token."""

from scheduling.testing.site import PASSWORD
from tests.kit.factories import BOOKING, book

# Every call that needs a token; the last one ends it.
CALLS = [
    ("get", "/auth/verify", None),
    ("get", "/users", None),
    ("get", "/users/me", None),
    ("patch", "/users/me", {"name": "Ghost"}),
    ("patch", "/users/me/password", {"currentPassword": PASSWORD, "newPassword": "secret456"}),
    ("get", "/users/me/preferences", None),
    ("patch", "/users/me/preferences", {"notices": {"BOOKING_CONFIRMED": {"email": False}}}),
    ("post", "/bookings", BOOKING),
    ("get", "/bookings", None),
    ("get", "/bookings/freebusy?from=2099-01-01T00:00:00Z&to=2099-01-02T00:00:00Z", None),
    ("get", "/bookings/{booking}", None),
    ("patch", "/bookings/{booking}", {"title": "T"}),
    ("delete", "/bookings/{booking}", None),
    ("post", "/bookings/{cancelled}/restore", {}),
    ("post", "/organizations", {"name": "Acme"}),
    ("get", "/organizations", None),
    ("get", "/organizations?scope=member", None),
    ("get", "/organizations/{organization}", None),
    ("patch", "/organizations/{organization}", {"name": "Acme"}),
    ("post", "/organizations/{organization}/members", {"email": "bob@example.com"}),
    ("get", "/organizations/{organization}/members", None),
    ("delete", "/organizations/{organization}/members/{user}", None),
    ("delete", "/organizations/{organization}", None),
    ("get", "/notifications", None),
    ("get", "/notifications/unread", None),
    ("get", "/notifications/count", None),
    ("patch", "/notifications/read-all", {}),
    ("patch", "/notifications/{notification}/read", {}),
    ("delete", "/notifications/{notification}", None),
    ("post", "/analytics/event", {"eventType": "GHOST"}),
    ("get", "/analytics/dashboard", None),
    ("get", "/analytics/events", None),
    ("post", "/auth/logout", {"everywhere": True}),
]


def things_of(client):
    """Make one of everything, and return the ids by the names that CALLS has."""
    booking, cancelled = (book(client)["id"] for _ in range(2))
    client.delete(f"/bookings/{cancelled}", status=200)
    organization = client.post("/organizations", {"name": "Acme"}, status=201).json["organization"]["id"]
    notification = client.get("/notifications").json[0]["id"]
    return {
        "booking": booking,
        "cancelled": cancelled,
        "organization": organization,
        "notification": notification,
        "user": client.id,
    }


def call(client, things, method, path, body):
    """Send one of CALLS and return its answer, whatever its status is."""
    sent = {} if body is None else {"json": body}
    return getattr(client, method)(path.format(**things), expect_errors=True, **sent)
