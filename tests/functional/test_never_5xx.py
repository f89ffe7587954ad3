"""Whatever a client sends, the answer is never a 5xx."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.factories import book, create_organization

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Every call that reads a body, with its members.
BODIES = [
    ("POST", "/auth/register", ["name", "email", "password"]),
    ("POST", "/auth/login", ["email", "password"]),
    ("POST", "/auth/logout", ["everywhere"]),
    ("PATCH", "/users/me", ["name", "email"]),
    ("PATCH", "/users/me/password", ["currentPassword", "newPassword"]),
    ("POST", "/bookings", ["title", "start", "end", "start_time", "end_time"]),
    ("PATCH", "/bookings/{booking}", ["title", "start", "end", "start_time", "end_time"]),
    ("POST", "/organizations", ["name"]),
    ("PATCH", "/organizations/{organization}", ["name"]),
    ("POST", "/organizations/{organization}/members", ["email", "role"]),
    ("PATCH", "/notifications/read-all", ["any"]),
    ("POST", "/analytics/event", ["eventType", "event_type", "metadata"]),
]
QUERIES = [
    ("/users", ["limit", "cursor", "q"]),
    ("/bookings", ["limit", "cursor", "status", "from", "to"]),
    ("/organizations", ["limit", "cursor", "scope"]),
    ("/organizations/{organization}/members", ["limit", "cursor"]),
    ("/notifications", ["limit", "cursor"]),
    ("/notifications/unread", ["limit", "cursor"]),
    ("/analytics/dashboard", ["days"]),
    ("/analytics/series", ["interval", "event_type", "from", "to"]),
    ("/analytics/events", ["limit", "cursor", "type"]),
    ("/outbox", ["limit", "cursor", "state", "kind"]),
]
PATHS = [
    ("GET", "/{}"),
    ("GET", "/bookings/{}"),
    ("PATCH", "/bookings/{}"),
    ("DELETE", "/bookings/{}"),
    ("GET", "/organizations/{}"),
    ("DELETE", "/organizations/{}"),
    ("POST", "/organizations/{}/members"),
    ("GET", "/organizations/{}/members"),
    ("DELETE", "/organizations/{organization}/members/{}"),
    ("PATCH", "/notifications/{}/read"),
    ("DELETE", "/notifications/{}"),
    ("GET", "/users/{}"),
    ("GET", "/auth/{}"),
    ("GET", "/outbox/{}"),
    ("POST", "/outbox/{}/redrive"),
]

texts = st.text(max_size=40) | st.sampled_from(
    ["", " ", "\0", "a\0b", "x" * 300, "a@b.co", "İ@ex.com", "<b>"]
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
timestamps = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?",
    fullmatch=True,
) | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-01:00"])


@pytest.fixture
def scene(site):
    alice = site.user("Alice", admin=True)
    return alice, {"booking": book(alice)["id"], "organization": create_organization(alice)}


def call(client, method, path, body=b"", content_type="application/json"):
    answer = client.app.request(
        f"/api/v1{path}",
        method=method,
        body=body,
        content_type=content_type,
        headers={"Authorization": f"Bearer {client.token}"},
        expect_errors=True,
    )
    assert answer.status_int < 500, answer.text
    if answer.status_int >= 400 and method != "HEAD":
        assert answer.content_type == "application/problem+json"
        assert answer.json["error"]


def quoted(text):
    from urllib.parse import quote

    return quote(text, safe="")


@pytest.mark.parametrize(("method", "path", "members"), BODIES)
@EXAMPLES
@given(data=st.data())
def test_any_json_in_any_member(scene, method, path, members, data):
    client, ids = scene
    body = data.draw(st.dictionaries(st.sampled_from(members), json_values | timestamps) | json_values)
    call(client, method, path.format(**ids), json.dumps(body).encode())


@pytest.mark.parametrize(("method", "path", "members"), BODIES)
@EXAMPLES
@given(
    body=st.binary(max_size=60), content_type=st.sampled_from(["application/json", "text/plain", "", "a; b"])
)
def test_any_bytes_as_body(scene, method, path, members, body, content_type):
    client, ids = scene
    call(client, method, path.format(**ids), body, content_type)


@pytest.mark.parametrize(("path", "names"), QUERIES)
@EXAMPLES
@given(data=st.data())
def test_any_query_string(scene, path, names, data):
    client, ids = scene
    query = data.draw(st.dictionaries(st.sampled_from(names), texts | timestamps | numbers.map(str)))
    text = "&".join(f"{name}={quoted(value)}" for name, value in query.items())
    call(client, "GET", f"{path.format(**ids)}?{text}")


@pytest.mark.parametrize(("method", "path"), PATHS)
@EXAMPLES
@given(identifier=texts | st.integers(-(2**70), 2**70).map(str))
def test_any_string_as_id(scene, method, path, identifier):
    client, ids = scene
    call(
        client,
        method,
        path.replace("{organization}", str(ids["organization"])).replace("{}", quoted(identifier)),
    )


@pytest.mark.parametrize("raw", ["%ff", "%ed%a0%80", "%00", "%2e%2e", "..", "@@count", "%c3%28/x"])
def test_paths_that_are_not_text(scene, raw):
    client, _ = scene
    call(client, "GET", f"/notifications/{raw}")
    call(client, "GET", f"/notifications?cursor={raw}")


@pytest.mark.parametrize("depth", [200, 300, 900, 1100, 100_000])
def test_deeply_nested_json(scene, depth):
    client, _ = scene
    nested = "[" * depth + "]" * depth
    for body in (nested, f'{{"metadata": {{"a": {nested}}}, "eventType": "X"}}', f'{{"title": {nested}}}'):
        call(client, "POST", "/analytics/event", body.encode())
        call(client, "POST", "/bookings", body.encode())


@EXAMPLES
@given(
    header=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
)
def test_any_text_as_token(site, header):
    for value in (header, f"Bearer {header}", f"Bearer a.{header}.c"):
        for path in ("/api/v1/users/me", "/api/v1/analytics/events"):
            answer = site.app.get(path, headers={"Authorization": value.strip()}, expect_errors=True)
            assert answer.status_int == 401
