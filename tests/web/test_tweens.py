"""What holds for every call: addresses, methods, headers, media types, validators and the log."""

import logging
import re

import pytest

from scheduling.testing import Site
from tests.kit.factories import BOOKING, book

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ORIGIN = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}


def every_kind_of_answer(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/bookings/{book(alice)['id']}"
    etag = alice.get(path).headers["ETag"]
    form = {"params": b"title=x", "headers": {"Authorization": f"Bearer {alice.token}"}}
    preflight = {"Origin": ORIGIN, **PREFLIGHT}
    return {
        "200": alice.get(path, status=200),
        "200 HEAD": alice.head(path, status=200),
        "200 list": alice.get("/bookings", status=200),
        "200 health": site.app.get("/health", status=200),
        "201": alice.post("/bookings", BOOKING, status=201),
        "204": site.app.options("/api/v1/bookings", headers=preflight, status=204),
        "304": alice.get(path, headers={"If-None-Match": etag}, status=304),
        "400": alice.post("/bookings", status=400),
        "400 address": site.app.get("/api/v1/%ff", status=400),
        "401": site.anonymous.get(path, status=401),
        "403": bob.get(path, status=403),
        "404 route": site.app.get("/nothing", status=404),
        "404 thing": alice.get("/bookings/999999999", status=404),
        "405": site.app.delete("/health", status=405),
        "409": alice.delete(path) and alice.patch(path, {"title": "x"}, status=409),
        "413": site.app.post_json("/api/v1/auth/login", {"email": "x" * 2**20}, status=413),
        "415": site.app.post("/api/v1/bookings", status=415, **form),
    }


def test_every_kind_of_answer_has_the_security_headers_once(site):
    for kind, answer in every_kind_of_answer(site).items():
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.getall(name) == [value], (kind, name)
        assert "Server" not in answer.headers, kind


def test_every_kind_of_answer_has_a_request_id_of_its_own(site):
    answers = every_kind_of_answer(site)
    ids = [request_id for answer in answers.values() for request_id in answer.headers.getall("X-Request-ID")]
    assert len(ids) == len(answers)
    assert len(set(ids)) == len(ids)


def test_good_answers_are_json_and_errors_are_problem_details(site):
    for kind, answer in every_kind_of_answer(site).items():
        if kind in ("204", "304"):
            assert not answer.body, kind
            assert "Content-Type" not in answer.headers, kind
            continue
        expected = "application/json" if answer.status_int < 400 else "application/problem+json"
        assert answer.headers["Content-Type"] == expected, kind


def test_no_cache_keeps_an_answer_without_asking_again(site):
    for kind, answer in every_kind_of_answer(site).items():
        if kind != "204":
            control = answer.headers["Cache-Control"]
            assert control in ("no-store", "private, no-cache"), kind
            assert ("ETag" in answer.headers) == (control != "no-store"), kind


@pytest.mark.parametrize("sane", ["7", "a" * 128, "req/1:2+3=4@x._-", "0af7651916cd43dd8448eb211c80319c"])
def test_a_sane_request_id_is_kept(site, sane):
    for path, status in (("/health", 200), ("/api/v1/users/me", 401), ("/nothing", 404)):
        answer = site.app.get(path, headers={"X-Request-ID": sane}, status=status)
        assert answer.headers["X-Request-ID"] == sane


@pytest.mark.parametrize("insane", ["", " ", "a" * 129, "a b", 'a"b', "<script>", "a;b", "\xfc", "a\tb"])
def test_an_insane_request_id_is_replaced(site, insane):
    answer = site.app.get("/health", headers={"X-Request-ID": insane})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_one_trailing_slash_is_tolerated(site):
    alice = site.user()
    booking_id = alice.post("/bookings/", BOOKING, status=201).json["booking"]["id"]
    assert alice.get("/bookings/", status=200).json == alice.get("/bookings").json
    assert alice.get(f"/bookings/{booking_id}/", status=200).json["id"] == booking_id
    alice.patch(f"/bookings/{booking_id}/", {"title": "Retro"}, status=200)
    alice.get("/users/me/", status=200)
    alice.get("/notifications/count/", status=200)
    alice.patch("/notifications/read-all/", status=200)
    site.app.get("/health/", status=200)
    site.anonymous.get("/nothing/", status=404)


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/me",
        "/auth/verify",
        "/bookings",
        "/bookings/{booking}",
        "/organizations",
        "/organizations/{organization}",
        "/organizations/{organization}/members",
        "/notifications",
        "/notifications/unread",
        "/notifications/count",
        "/analytics/dashboard",
        "/analytics/events?limit=1",
        "/bookings/999999999",
        "/nothing",
    ],
)
def test_head_answers_as_get_does_without_the_body(site, path):
    admin = site.user(admin=True)
    organization = admin.post("/organizations", {"name": "Acme"}).json["organization"]["id"]
    path = path.format(booking=book(admin)["id"], organization=organization)
    got, head = admin.get(path, expect_errors=True), admin.head(path, expect_errors=True)
    assert head.status == got.status
    assert head.body == b""
    changing = ("X-Request-ID", "Content-Length")
    kept = {name: value for name, value in got.headers.items() if name not in changing}
    assert {name: value for name, value in head.headers.items() if name not in changing} == kept


@pytest.fixture
def booking(site):
    alice = site.user()
    return alice, f"/bookings/{book(alice)['id']}"


@pytest.mark.parametrize(
    "condition",
    [
        "{etag}",
        "W/{etag}",
        "*",
        '"other", {etag}',
        '{etag},"other"',
        'W/"other", W/{etag} , "third"',
    ],
)
def test_a_client_that_has_the_current_thing_gets_304(booking, condition):
    alice, path = booking
    etag = alice.get(path).headers["ETag"]
    headers = {"If-None-Match": condition.format(etag=etag)}
    for call in (alice.get, alice.head):
        answer = call(path, headers=headers, status=304)
        assert answer.headers["ETag"] == etag
        assert answer.body == b""


@pytest.mark.parametrize("condition", ['"other"', 'W/"other"', '"a", "b"', '""', "nonsense", "{bare}x", ""])
def test_a_client_that_has_another_thing_gets_the_whole_answer(booking, condition):
    alice, path = booking
    got = alice.get(path)
    headers = {"If-None-Match": condition.format(bare=got.headers["ETag"].strip('"'))}
    assert alice.get(path, headers=headers, status=200).json == got.json


def test_the_etag_changes_with_the_thing(booking):
    alice, path = booking
    before = alice.get(path).headers["ETag"]
    assert re.fullmatch(r'"[^"\s]+"', before)
    alice.patch(path, {"title": "Retro"})
    after = alice.get(path, headers={"If-None-Match": before}, status=200).headers["ETag"]
    assert after != before


def test_every_get_of_one_thing_has_an_etag(site):
    alice = site.user()
    organization = alice.post("/organizations", {"name": "Acme"}).json["organization"]["id"]
    for path in ("/users/me", f"/organizations/{organization}", f"/bookings/{book(alice)['id']}"):
        etag = alice.get(path, status=200).headers["ETag"]
        alice.get(path, headers={"If-None-Match": etag}, status=304)


def test_an_organization_has_another_etag_when_its_members_have_changed(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{alice.post('/organizations', {'name': 'Acme'}).json['organization']['id']}"
    etag = alice.get(path).headers["ETag"]
    alice.post(f"{path}/members", {"email": bob.email}, status=201)
    alice.get(path, headers={"If-None-Match": etag}, status=200)


def test_a_condition_lets_nobody_see_what_is_not_theirs(site, booking):
    _, path = booking
    for condition in ("*", booking[0].get(path).headers["ETag"]):
        site.user("Bob").get(path, headers={"If-None-Match": condition}, status=403)
        site.anonymous.get(path, headers={"If-None-Match": condition}, status=401)


def site_with_origins(tmp_path, origins, **settings):
    settings = {f"scheduling.{name}": value for name, value in settings.items()}
    return Site(
        f"sqlite:///{tmp_path}/test.db", ["bookings"], {"scheduling.cors_origins": origins, **settings}
    )


def cors(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origins", [ORIGIN, f"https://other.example.com, {ORIGIN}"])
def test_a_page_of_an_allowed_origin_may_call_and_read(tmp_path, origins):
    site = site_with_origins(tmp_path, origins)
    allowed = site.app.options("/api/v1/bookings/1", headers={"Origin": ORIGIN, **PREFLIGHT}, status=204)
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in allowed.headers["Vary"]
    methods = allowed.headers["Access-Control-Allow-Methods"].split(", ")
    assert sorted(methods) == ["DELETE", "GET", "HEAD", "PATCH", "POST"]
    headers = allowed.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "if-none-match"} <= set(headers)
    for path, status in (("/health", 200), ("/api/v1/bookings", 401), ("/nothing", 404)):
        answer = site.app.get(path, headers={"Origin": ORIGIN}, status=status)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Link", "Retry-After", "X-Request-ID"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in answer.headers
    site.close()


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "http://app.example.com", f"{ORIGIN}.evil.com", "null"]
)
def test_a_page_of_another_origin_may_read_nothing(tmp_path, origin):
    site = site_with_origins(tmp_path, ORIGIN)
    refused = site.app.options("/api/v1/bookings", headers={"Origin": origin, **PREFLIGHT})
    assert "Access-Control-Allow-Origin" not in refused.headers
    answer = site.app.get("/health", headers={"Origin": origin}, status=200)
    assert cors(answer) == {}
    assert answer.headers["Vary"] == "Origin"
    site.close()


def test_a_page_of_an_allowed_origin_may_send_its_credentials_where_the_settings_say_so(tmp_path):
    site = site_with_origins(tmp_path, ORIGIN, cors_credentials="true")
    for origin, allowed in ((ORIGIN, ["true"]), ("https://evil.example.com", [])):
        preflight = site.app.options("/api/v1/bookings", headers={"Origin": origin, **PREFLIGHT}, status=204)
        simple = site.app.get("/health", headers={"Origin": origin}, status=200)
        for answer in (preflight, simple):
            assert answer.headers.getall("Access-Control-Allow-Credentials") == allowed
    site.close()


def test_a_star_lets_every_origin_read(tmp_path):
    site = site_with_origins(tmp_path, "*")
    for origin in (ORIGIN, "null"):
        preflight = site.app.options("/api/v1/bookings", headers={"Origin": origin, **PREFLIGHT}, status=204)
        simple = site.app.get("/health", headers={"Origin": origin}, status=200)
        for answer in (preflight, simple):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
    site.close()


def test_without_an_origin_no_answer_speaks_of_origins(tmp_path):
    site = site_with_origins(tmp_path, ORIGIN)
    assert cors(site.app.get("/health")) == {}
    site.app.options("/api/v1/bookings", headers=PREFLIGHT, status=405)
    site.close()


@pytest.fixture
def access_log(caplog):
    caplog.set_level(logging.INFO, "scheduling.access")
    return lambda: [record for record in caplog.records if record.name == "scheduling.access"]


def test_a_request_writes_one_line_that_names_call_answer_user_and_request(booking, access_log, caplog):
    alice, path = booking
    caplog.clear()
    answer = alice.get(path, headers={"X-Request-ID": "req-1"})
    [line] = access_log()
    assert (line.method, line.path, line.status) == ("GET", f"/api/v1{path}", answer.status_int)
    assert (line.user_id, line.request_id) == (alice.id, "req-1")
    assert line.duration_ms > 0
    for part in ("GET", path, "200", str(alice.id), "req-1"):
        assert part in line.getMessage()


def test_every_kind_of_answer_writes_its_line(site, access_log):
    answers = every_kind_of_answer(site).values()
    logged = {(line.request_id, line.status) for line in access_log()}
    assert {(answer.headers["X-Request-ID"], answer.status_int) for answer in answers} <= logged


def test_the_line_holds_no_secret_and_no_query_string(site, access_log, caplog):
    alice = site.user()
    caplog.clear()
    alice.get("/bookings?status=confirmed&note=hush-query", status=200)
    sent = {"email": "hush-email@example.com", "password": "hush-password"}
    site.anonymous.post("/auth/login", sent, headers={"X-Request-ID": "hush id"}, status=401)
    alice.patch("/users/me/password", {"currentPassword": "hush-1", "newPassword": "hush-2"}, status=401)
    site.anonymous.get("/users/me", headers={"Authorization": "Bearer hush-token"}, status=401)
    lines = access_log()
    assert len(lines) == 4
    written = "".join(f"{line.getMessage()} {line.__dict__}" for line in lines)
    for secret in ("hush", alice.token, alice.email):
        assert secret not in written
    assert lines[1].user_id is None


def test_a_path_cannot_forge_a_log_line(site, access_log):
    site.app.get("/nothing%0A%1b[31mGET%20/forged%20200", status=404)
    [line] = access_log()
    assert line.getMessage().isprintable()
