"""The calls that are timed: for each the requests, and a check of its answers that comes first."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx2

API = "/api/v1"
PASSWORD = "password123"  # noqa: S105 - seed.sql gives it to everybody
READERS, WRITERS = range(1, 101), range(501, 541)
"""The users whose rows are read, and those who make bookings; seed.sql numbers them from 1."""

UNREAD = 8
BOOKINGS = 20
_LATER = {"start": "2098-04-01T09:00:00Z", "end": "2098-04-01T09:30:00Z"}
_COUNTS = """count(*), count(DISTINCT user_id) FROM analytics_events
             WHERE created_at >= now() - interval '720 hours'"""


class WrongAnswer(Exception):
    """An answer is not what the contract says, so that its speed is of no interest."""


def demand(ok: object, what: object) -> None:
    """Raise ``WrongAnswer`` unless ``ok``."""
    if not ok:
        raise WrongAnswer(str(what)[:500])


class Site:
    """The seeded site that is measured: its API, its database, and its users."""

    def __init__(self, http: httpx2.Client, database_url: str) -> None:
        self._http = http
        self.database_url = database_url
        self._tokens: dict[int, str] = {}

    def call(
        self, method: str, path: str, body: Any = None, *, user: int = 0, token: str = ""
    ) -> httpx2.Response:
        """Send a request, as a user who is logged in, or with another token."""
        token = token or (self.token(user) if user else "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._http.request(method, path, json=body, headers=headers)

    def token(self, user: int) -> str:
        """Return a user's token, logging the user in when it is first asked for."""
        if user not in self._tokens:
            answer = self.call("POST", f"{API}/auth/login", credentials(user))
            demand(answer.status_code == HTTPStatus.OK, answer.text)
            self._tokens[user] = answer.json()["token"]
        return self._tokens[user]

    def encoded(self, method: str, path: str, body: Any = None, *, user: int = 0) -> bytes:
        """Return the bytes of a request, for the load client."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
        if user:
            lines.append(f"Authorization: Bearer {self.token(user)}")
        content = b"" if body is None else json.dumps(body).encode()
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database itself."""
        with psycopg.connect(self.database_url, row_factory=tuple_row) as connection:
            return connection.execute(query, parameters).fetchall()


@dataclass(frozen=True)
class Scenario:
    """A kind of request; ``check`` raises ``WrongAnswer``, ``requests`` gives what is sent in turn."""

    name: str
    check: Callable[[Site], None]
    requests: Callable[[Site], Sequence[bytes]]
    status: int = HTTPStatus.OK


def check(scenario: Scenario, site: Site) -> None:
    """Raise ``WrongAnswer`` unless the API answers as it should, or if its answer cannot even be read."""
    try:
        scenario.check(site)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise WrongAnswer(f"{type(error).__name__}: {error}") from error


def credentials(user: int) -> dict[str, str]:
    """Return what a user logs in with."""
    return {"email": f"user{user}@bench.test", "password": PASSWORD}


def gets(path: str) -> Callable[[Site], list[bytes]]:
    """Return what makes the same GET for every reader."""
    return lambda site: [site.encoded("GET", path, user=user) for user in READERS]


def check_health(site: Site) -> None:
    """It is OK, and has the security headers."""
    answer = site.call("GET", "/health")
    demand(answer.status_code == HTTPStatus.OK and answer.json()["status"] == "OK", answer.text)
    demand(answer.headers.get("X-Content-Type-Options") == "nosniff", answer.headers)


def check_verify(site: Site) -> None:
    """A token is told from none and from a forged one."""
    path = f"{API}/auth/verify"
    answer = site.call("GET", path, user=1)
    demand(answer.json().get("user", {}).get("email") == "user1@bench.test", answer.text)
    head, payload, signature = site.token(1).split(".")
    other_payload = site.token(2).split(".")[1]
    for forged in ("", f"{head}.{other_payload}.{signature}", f"{head}.{payload}."):
        demand(site.call("GET", path, token=forged).status_code == HTTPStatus.UNAUTHORIZED, "a forged token")


def check_me(site: Site) -> None:
    """The profile is the user's own, without the password's hash."""
    answer = site.call("GET", f"{API}/users/me", user=2)
    row = answer.json()
    demand(
        (row.get("email"), row.get("name"), row.get("role")) == ("user2@bench.test", "User 2", "member"), row
    )
    demand(
        set(row)
        == {"id", "name", "email", "role", "time_zone", "created_at", "email_deliverable", "version"},
        row,
    )


def check_list(site: Site) -> None:
    """All bookings of the user and nobody else's, the latest start first."""
    rows = site.call("GET", f"{API}/bookings", user=3).json()
    demand(len({row["id"] for row in rows}) == BOOKINGS and {row["user_id"] for row in rows} == {3}, rows)
    starts = [row["start_time"] for row in rows]
    demand(starts == sorted(starts, reverse=True), starts)
    stored = site.sql("SELECT id, title, start_time FROM bookings WHERE user_id = 3")
    told = {(row["id"], row["title"], datetime.fromisoformat(row["start_time"])) for row in rows}
    demand(told == set(stored), rows)


def check_get(site: Site) -> None:
    """The booking, for its owner alone."""
    path = f"{API}/bookings/{_bookings(site, 4)[7]}"
    answer = site.call("GET", path, user=4)
    demand(answer.status_code == HTTPStatus.OK and answer.json()["title"].endswith("of User 4"), answer.text)
    demand(site.call("GET", path, user=5).status_code == HTTPStatus.FORBIDDEN, "somebody else's booking")


def get_requests(site: Site) -> list[bytes]:
    """Return requests for every second booking of every reader."""
    paths = {user: [f"{API}/bookings/{number}" for number in _bookings(site, user)] for user in READERS}
    return [
        site.encoded("GET", paths[user][nth], user=user)
        for nth, user in product(range(0, BOOKINGS, 2), READERS)
    ]


def _bookings(site: Site, user: int) -> list[int]:
    rows = site.sql("SELECT id FROM bookings WHERE user_id = %s ORDER BY id LIMIT %s", user, BOOKINGS)
    return [number for (number,) in rows]


def check_count(site: Site) -> None:
    """As many as are unread."""
    answer = site.call("GET", f"{API}/notifications/count", user=6)
    demand(answer.json() == {"unread": UNREAD}, answer.text)


def check_create(site: Site) -> None:
    """The booking is there at once, with a notification, an event and an e-mail; bad ones are refused."""
    user = WRITERS[0]
    path = f"{API}/bookings"
    booking = {"title": 'Checked "standup"', **_LATER}
    query = """SELECT (SELECT count(*) FROM notifications WHERE user_id = %s AND NOT is_read),
                      (SELECT count(*) FROM outbox),
                      (SELECT count(*) FROM analytics_events
                       WHERE user_id = %s AND event_type = 'BOOKING_CREATED')"""
    [before] = site.sql(query, user, user)
    answer = site.call("POST", path, booking, user=user)
    demand(answer.status_code == HTTPStatus.CREATED, answer.text)
    row = answer.json()["booking"]
    told = (row["title"], row["start_time"], row["status"])
    demand(told == (booking["title"], "2098-04-01T09:00:00.000Z", "confirmed"), row)
    demand(site.call("GET", f"{path}/{row['id']}", user=user).json() == row, "read back it is another")
    [after] = site.sql(query, user, user)
    demand(
        after == tuple(count + 1 for count in before),
        f"notifications, messages, events: {before}, then {after}",
    )
    for bad in (
        {**booking, "start": "2001-01-01T00:00:00Z"},
        {**booking, "end": booking["start"]},
        {"title": "x"},
    ):
        demand(site.call("POST", path, bad, user=user).status_code == HTTPStatus.BAD_REQUEST, bad)


def create_requests(site: Site) -> list[bytes]:
    """Return a booking for each writer."""
    booking = {"title": "Team standup", **_LATER}
    return [site.encoded("POST", f"{API}/bookings", booking, user=user) for user in WRITERS]


def check_dashboard(site: Site) -> None:
    """What it says is what the raw events say, an event of just now included."""
    sent = {"eventType": "CHECKED", "metadata": {"page": "/p/1"}}
    demand(
        site.call("POST", f"{API}/analytics/event", sent, user=7).status_code == HTTPStatus.CREATED, "event"
    )
    for _ in range(10):
        # The window's far edge moves on: the truth has to be the same before and after.
        truth = _dashboard(site)
        told = site.call("GET", f"{API}/analytics/dashboard?days=30", user=7).json()
        if truth == _dashboard(site):
            break
    overview = told["overview"]
    rows = {(row["event_type"], row["count"], row["unique_users"]) for row in told["breakdown"]}
    demand((overview["total_events"], overview["unique_users"], rows) == truth, f"{told}, but it is {truth}")
    demand("CHECKED" in {name for name, *_ in rows}, "an event of just now is missing")


def _dashboard(site: Site) -> tuple[int, int, set[tuple[Any, ...]]]:
    [(total, unique_users)] = site.sql(f"SELECT {_COUNTS}")
    return total, unique_users, set(site.sql(f"SELECT event_type, {_COUNTS} GROUP BY event_type"))


def check_register(site: Site) -> None:
    """The account is usable, its address is taken, and its password is hashed at cost 10."""
    account = _account(0)
    path = f"{API}/auth/register"
    answer = site.call("POST", path, account)
    demand(answer.status_code == HTTPStatus.CREATED, answer.text)
    verified = site.call("GET", f"{API}/auth/verify", token=answer.json()["token"])
    demand(verified.status_code == HTTPStatus.OK, verified.text)
    demand(site.call("POST", path, account).status_code == HTTPStatus.BAD_REQUEST, "an address that is taken")
    [(stored,)] = site.sql("SELECT password_hash FROM users WHERE email = %s", account["email"])
    demand(stored.startswith("$2b$10$"), f"not bcrypt at cost 10: {stored[:7]}")


def register_requests(site: Site) -> list[bytes]:
    """Return more accounts than bcrypt lets anybody make in a run."""
    return [site.encoded("POST", f"{API}/auth/register", _account(number)) for number in range(5000)]


def _account(number: int) -> dict[str, str]:
    return {"name": "Alice", "email": f"alice{number}.{time.time_ns()}@bench.test", "password": PASSWORD}


def check_login(site: Site) -> None:
    """The right password alone."""
    path = f"{API}/auth/login"
    answer = site.call("POST", path, credentials(8))
    demand(
        answer.status_code == HTTPStatus.OK and answer.json()["user"]["email"] == "user8@bench.test",
        answer.text,
    )
    wrong = site.call("POST", path, {**credentials(8), "password": "wrong one"})
    demand(wrong.status_code == HTTPStatus.UNAUTHORIZED, wrong.text)


def login_requests(site: Site) -> list[bytes]:
    """Return a log-in for every reader."""
    return [site.encoded("POST", f"{API}/auth/login", credentials(user)) for user in READERS]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("health", check_health, lambda site: [site.encoded("GET", "/health")]),
        Scenario("verify", check_verify, gets(f"{API}/auth/verify")),
        Scenario("me", check_me, gets(f"{API}/users/me")),
        Scenario("list", check_list, gets(f"{API}/bookings")),
        Scenario("get", check_get, get_requests),
        Scenario("count", check_count, gets(f"{API}/notifications/count")),
        Scenario("create", check_create, create_requests, HTTPStatus.CREATED),
        Scenario("dashboard", check_dashboard, gets(f"{API}/analytics/dashboard?days=30")),
        Scenario("register", check_register, register_requests, HTTPStatus.CREATED),
        Scenario("login", check_login, login_requests),
    )
}
"""All of them by name, in the order in which they run."""
