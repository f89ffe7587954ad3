"""Every failure is problem details with a sentence for people, and says nothing that it must not say."""

from urllib.parse import quote

import pytest

from scheduling.testing import Site
from tests.kit.factories import BOOKING, create_organization

JSON = {"Content-Type": "application/json"}

NO_IDS = ["0", "-1", "+1", "01", "1.0", "1e3", "abc", "%20", "1%20", "%D9%A1", "%00", "null", "me", "1,2"]
NO_IDS += [str(2**63), "9" * 400]


def problem(answer, status, title):
    body = answer.json
    assert answer.status_int == body["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (body["type"], body["title"]) == ("about:blank", title)
    assert body["error"]
    assert body["error"] == body["detail"]
    return body


def send_raw(client, body, path="/bookings", method="POST", content_type="application/json", **headers):
    headers["Content-Type"] = content_type
    if client.token:
        headers["Authorization"] = f"Bearer {client.token}"
    return client.app.request(f"/api/v1{path}", method=method, body=body, headers=headers, expect_errors=True)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"title=Standup",
        b'{"title": "Standup",}',
        b"{'title': 1}",
        b'{"title": NaN}',
        b'{"title": "\xff"}',
        b'{"title": "\\ud800"}',
        b'{"title": "line\nbreak"}',
        b"\x00",
        b" ",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_is_a_400(site, body):
    assert problem(send_raw(site.user(), body), 400, "Bad Request")["errors"].keys() == {"body"}


def test_a_change_of_nothing_is_a_400_that_says_so(site):
    refused = problem(site.user().patch("/users/me", {"role": "admin"}, status=400), 400, "Bad Request")
    assert refused["errors"] == {"body": ["send at least one of: name, email, time_zone"]}


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true", b'[{"title": "Standup"}]'])
def test_a_body_that_is_no_json_object_is_a_400(site, body):
    refused = problem(send_raw(site.user(), body), 400, "Bad Request")
    assert refused["error"] == "The body must be a JSON object."
    assert refused["errors"] == {"body": ["must be a JSON object"]}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"title": "a\0b"},
        {"start": "2099-01-01T10:00:00Z\0"},
        {"unknown": "\0"},
        {"unknown": {"deep": [1, {"\0": 2}]}},
        {"un\0known": 1},
    ],
)
def test_a_nul_character_anywhere_in_a_body_is_a_400(site, spoilt):
    body = problem(site.user().post("/bookings", BOOKING | spoilt, status=400), 400, "Bad Request")
    assert list(body["errors"]) == list(spoilt)


def test_a_nul_character_in_a_query_string_is_a_400(site):
    problem(site.user().get("/bookings?status=%00", status=400), 400, "Bad Request")


@pytest.mark.parametrize("value", [1, 1.5, True, [], ["Standup"], {}, {"a": 1}])
def test_a_member_of_the_wrong_type_is_a_400_that_names_it(site, value):
    answer = site.user().post("/bookings", BOOKING | {"title": value}, status=400)
    assert list(problem(answer, 400, "Bad Request")["errors"]) == ["title"]


def test_all_wrong_members_are_named_at_once(site):
    body = problem(site.user().post("/bookings", {"start": "soon"}, status=400), 400, "Bad Request")
    assert body["errors"].keys() == {"title", "start", "end"}
    assert all(isinstance(text, str) for messages in body["errors"].values() for text in messages)


INVISIBLE = [
    "\u200b",
    "\ufeff",
    "\u2060",
    "\xad",
    "\u200d",
    " \u200b ",
    "\u202e\u2066",
    "\u3164",
    "\u2800",
    "\ufe0f",
]


@pytest.mark.parametrize("blank", ["", "  ", "\t\n", None, *INVISIBLE])
def test_a_blank_or_null_member_counts_as_missing(site, blank):
    answer = site.user().post("/bookings", BOOKING | {"title": blank}, status=400)
    assert answer.json["errors"] == {"title": ["is required"]}


@pytest.mark.parametrize(
    "title",
    [
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "a\u200b",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "🏴\U000e0067\U000e007f",
        "\u0e01\u0e34",
    ],
)
def test_a_title_with_something_to_see_is_kept_as_it_is(site, title):
    assert site.user().post("/bookings", BOOKING | {"title": title}).json["booking"]["title"] == title


def test_a_name_or_a_type_that_shows_nothing_counts_as_missing_and_a_password_does_not(site):
    alice = site.user()
    required = {"name": ["is required"]}
    assert alice.post("/organizations", {"name": "\u200b"}, status=400).json["errors"] == required
    account = {"name": "\u2060", "email": "a@example.com", "password": "\u200b" * 6}
    assert site.anonymous.post("/auth/register", account, status=400).json["errors"] == required
    site.anonymous.post("/auth/register", account | {"name": "Al"}, status=201)


def test_an_offset_whose_plus_was_not_escaped_is_a_400_with_a_hint(site):
    alice = site.user()
    for name in ("from", "to"):
        refused = alice.get(f"/bookings?{name}=2027-04-01T09:00:00+02:00", status=400).json
        assert "%2B" in refused["errors"][name][0]
        alice.get(f"/bookings?{name}=2027-04-01T09:00:00%2B02:00", status=200)
        assert "%2B" not in alice.get(f"/bookings?{name}=2027-04-01 09:00", status=400).json["error"]


def test_a_404_repeats_200_characters_of_a_path_at_most(site):
    path = "/" + "é" * 5000
    body = problem(site.app.get(quote(path), status=404), 404, "Not Found")
    assert body["path"] == path[:200]
    assert body["error"] == f"There is nothing at {path[:200]}."


def test_strings_are_trimmed_and_unknown_members_ignored(site):
    sent = BOOKING | {"title": "  Standup\n", "status": "cancelled", "id": 7, "anything": [1]}
    made = site.user().post("/bookings", sent, status=201).json["booking"]
    assert (made["title"], made["status"]) == ("Standup", "confirmed")
    assert "anything" not in made


def test_no_body_at_all_counts_as_an_empty_object(site):
    alice = site.user()
    send = {"headers": {"Authorization": f"Bearer {alice.token}"}}
    assert site.app.post("/api/v1/auth/logout", status=200, **send).json.keys() == {"message"}
    assert site.app.post("/api/v1/bookings", status=400, **send).json["errors"]["title"] == ["is required"]


@pytest.mark.parametrize("depth", [250, 254, 300, 1000])
def test_deeply_nested_metadata_is_refused_or_can_be_read_back(site, depth):
    admin = site.user(admin=True)
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    sent = b'{"eventType": "DEEP", "metadata": ' + nested + b"}"
    assert send_raw(admin, sent, "/analytics/event").status_int in (201, 400)
    admin.get("/analytics/events", status=200)


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v1/nothing", "/api/v1/bookings/1/x/y"])
def test_an_unknown_route_is_a_404_that_carries_path_and_method(site, path):
    body = problem(site.app.put_json(path, {}, status=404), 404, "Not Found")
    assert (body["path"], body["method"]) == (path, "PUT")


def test_no_header_moves_the_root_of_a_path(site):
    alice = site.user()
    site.app.get(
        "/me",
        headers={"Authorization": f"Bearer {alice.token}", "X-Vhm-Root": "/api/v1/users"},
        status=404,
    )


def test_an_unknown_route_is_a_404_whoever_asks(site):
    site.anonymous.get("/nothing", status=404)
    site.user().get("/nothing", status=404)
    site.user(admin=True).get("/users/1", status=404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/bookings/{}"),
        ("patch", "/bookings/{}"),
        ("delete", "/bookings/{}"),
        ("get", "/organizations/{}"),
        ("get", "/organizations/{}/members"),
        ("delete", "/organizations/{}/members/1"),
        ("patch", "/notifications/{}/read"),
        ("delete", "/notifications/{}"),
    ],
)
def test_a_missing_thing_is_a_404_without_path_and_method(site, method, path):
    alice = site.user()
    for missing in (999_999_999, 2**63 - 1):
        body = problem(getattr(alice, method)(path.format(missing), status=404), 404, "Not Found")
        assert not {"path", "method"} & body.keys()


@pytest.mark.parametrize("bad", NO_IDS)
def test_an_id_that_is_no_positive_64_bit_integer_is_a_404(site, bad):
    alice = site.user(admin=True)
    organization = create_organization(alice)
    alice.get(f"/bookings/{bad}", status=404)
    alice.patch(f"/bookings/{bad}", {"title": "x"}, status=404)
    alice.delete(f"/bookings/{bad}", status=404)
    alice.get(f"/organizations/{bad}", status=404)
    alice.get(f"/organizations/{bad}/members", status=404)
    alice.delete(f"/organizations/{organization}/members/{bad}", status=404)
    alice.patch(f"/notifications/{bad}/read", status=404)
    alice.delete(f"/notifications/{bad}", status=404)


@pytest.mark.parametrize("path", ["/api/v1/%ff", "/api/v1/bookings/%c3%28", "/api/v1/bookings?limit=%ff"])
def test_an_address_that_is_not_utf8_is_a_400(site, path):
    headers = {"Authorization": f"Bearer {site.user().token}"}
    problem(site.app.get(path, headers=headers, status=400), 400, "Bad Request")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/health", "GET, HEAD"),
        ("PUT", "/api/v1/bookings", "GET, HEAD, POST"),
        ("DELETE", "/api/v1/bookings", "GET, HEAD, POST"),
        ("POST", "/api/v1/bookings/1", "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", "/api/v1/bookings/1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/api/v1/auth/login", "POST"),
        ("HEAD", "/api/v1/auth/login", "POST"),
        ("POST", "/api/v1/auth/verify", "GET, HEAD"),
        ("POST", "/api/v1/users/me", "GET, HEAD, PATCH"),
        ("GET", "/api/v1/users/me/password", "PATCH"),
        ("POST", "/api/v1/notifications/count", "GET, HEAD"),
        ("PUT", "/api/v1/notifications/read-all", "PATCH"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(site, method, path, allowed):
    answer = site.app.request(path, method=method, status=405)
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        problem(answer, 405, "Method Not Allowed")


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Bearer \xff\xfe",
        "Basic YWxpY2U6c2VjcmV0",
        "{token}",
        "Token {token}",
        "Bearer {token} {token}",
        "Bearer {token}x",
        "Bearer x{token}",
        "Bearer\t{token}",
    ],
)
def test_without_a_good_token_the_answer_is_401_and_says_how_to_authenticate(site, credentials):
    sent = None if credentials is None else credentials.format(token=site.user().token)
    headers = {} if sent is None else {"Authorization": sent}
    answer = site.app.get("/api/v1/users/me", headers=headers, status=401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    problem(answer, 401, "Unauthorized")


def test_the_scheme_of_the_token_has_no_case(site):
    token = site.user().token
    for scheme in ("bearer", "BEARER"):
        site.app.get("/api/v1/users/me", headers={"Authorization": f"{scheme} {token}"}, status=200)


def test_without_a_token_neither_the_body_nor_the_thing_is_looked_at(site):
    with site.queries() as queries:
        site.anonymous.get("/bookings/999999999", status=401)
        problem(send_raw(site.anonymous, b"{"), 401, "Unauthorized")
        problem(send_raw(site.anonymous, b"a" * 2_000_000), 401, "Unauthorized")
    assert len(queries) == 0


def test_what_one_may_not_do_is_a_403(site):
    made = site.user("Alice").post("/bookings", BOOKING).json["booking"]
    bob = site.user("Bob")
    problem(bob.get(f"/bookings/{made['id']}", status=403), 403, "Forbidden")
    problem(bob.get("/users", status=403), 403, "Forbidden")


def test_a_body_over_the_limit_is_a_413(site):
    alice, limit = site.user(), 1024 * 1024
    start, end = b'{"unknown": "', b'"}'
    fits = start + b"x" * (limit - len(start + end)) + end
    problem(send_raw(alice, fits), 400, "Bad Request")
    problem(send_raw(alice, fits + b" "), 413, "Request Entity Too Large")
    problem(send_raw(alice, b"x" * (limit + 1), content_type="text/plain"), 413, "Request Entity Too Large")


def test_the_body_limit_is_a_setting(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", [], {"scheduling.max_body_bytes": "2000"})
    send_raw(site.anonymous, b" " * 2001, "/auth/login").mustcontain("2000")
    assert send_raw(site.anonymous, b" " * 2001, "/auth/login").status_int == 413
    assert send_raw(site.anonymous, b" " * 2000, "/auth/login").status_int == 400
    site.close()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=iso-8859-1",
    ],
)
def test_a_body_that_is_not_sent_as_json_is_a_415(site, content_type):
    answer = send_raw(site.user(), b'{"name": "Acme"}', "/organizations", content_type=content_type)
    problem(answer, 415, "Unsupported Media Type")


def test_a_compressed_body_is_a_415(site):
    answer = send_raw(site.user(), b'{"name": "Acme"}', "/organizations", **{"Content-Encoding": "gzip"})
    problem(answer, 415, "Unsupported Media Type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", 'Application/JSON; charset="utf-8"']
)
def test_json_may_name_its_charset(site, content_type):
    answer = send_raw(site.user(), '{"name": "Ä"}'.encode(), "/organizations", content_type=content_type)
    assert answer.json["organization"]["name"] == "Ä"
