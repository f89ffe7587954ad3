"""Each check passes against a seeded site, and fails when its answers are others."""

import json

import httpx2
import pytest

from bench import stack
from bench.scenarios import SCENARIOS, Site, WrongAnswer, check
from scheduling import testing
from scheduling.db.session import session_scope
from scheduling_analytics import rollups

CHECKED = [*range(1, 9), 501]
"""The users whose rows the checks look at."""


class Transport(httpx2.BaseTransport):
    """Answers like the site, or with what ``change`` makes of an answer."""

    def __init__(self, app):
        self._transport = httpx2.WSGITransport(app)
        self.change = lambda request, response: response

    def handle_request(self, request):
        response = self._transport.handle_request(request)
        response.read()
        return self.change(request, response)


@pytest.fixture(scope="module")
def transport(postgres, enabled_plugins):
    url = postgres.create_database("bench_checks")
    site = testing.Site(url, enabled_plugins, {"scheduling.bcrypt_cost": "10"})
    stack.run_file(url, "users.sql")
    stack.seed(url)
    with session_scope(site.registry) as db:
        rollups.rebuild(db)
    transport = Transport(site.wsgi_app)
    transport.database_url = url
    yield transport
    site.close()
    postgres.drop_database("bench_checks")


@pytest.fixture(scope="module")
def seeded(transport):
    with httpx2.Client(base_url="http://localhost", transport=transport) as http:
        site = Site(http, transport.database_url)
        for user in CHECKED:
            site.token(user)
        yield site


@pytest.fixture
def spoil(transport, monkeypatch):
    """Changes what is answered from now on."""
    return lambda change: monkeypatch.setattr(transport, "change", change)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_right_answers_pass(seeded, scenario):
    check(scenario, seeded)


@pytest.mark.parametrize("body", ["{}", "[]", "null", "no JSON"])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_an_answer_that_says_nothing_is_wrong(seeded, spoil, scenario, body):
    spoil(lambda request, response: httpx2.Response(scenario.status, text=body))
    with pytest.raises(WrongAnswer):
        check(scenario, seeded)


def as_another_user(request, response):
    body = response.text
    for user in CHECKED:
        body = body.replace(f"user{user}@", "user999@").replace(f"User {user}", "User 999")
    return httpx2.Response(response.status_code, text=body, headers=response.headers)


def one_less(request, response):
    body = response.json()
    if isinstance(body, list):
        body = body[1:]
    elif "unread" in body:
        body["unread"] -= 1
    elif "breakdown" in body:
        body["breakdown"][0]["unique_users"] -= 1
    return httpx2.Response(response.status_code, json=body)


def always(status):
    return lambda request, response: httpx2.Response(
        status, content=response.content, headers=response.headers
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("health", always(503)),
        ("verify", always(200)),
        ("verify", as_another_user),
        ("me", as_another_user),
        ("list", as_another_user),
        ("list", one_less),
        ("get", always(200)),
        ("get", as_another_user),
        ("count", one_less),
        ("create", always(201)),
        ("dashboard", one_less),
        ("register", always(201)),
        ("login", always(200)),
        ("login", as_another_user),
    ],
)
def test_an_answer_that_is_nearly_right_is_wrong(seeded, spoil, name, change):
    spoil(change)
    with pytest.raises(WrongAnswer):
        check(SCENARIOS[name], seeded)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_requests_are_whole(seeded, scenario, monkeypatch):
    monkeypatch.setattr("bench.scenarios.READERS", CHECKED[:2])
    monkeypatch.setattr("bench.scenarios.WRITERS", CHECKED[-1:])
    for request in scenario.requests(seeded)[:50]:
        head, _, content = request.partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0].split()[::2] in ([b"GET", b"HTTP/1.1"], [b"POST", b"HTTP/1.1"])
        if content:
            assert f"Content-Length: {len(content)}".encode() in head
            json.loads(content)
