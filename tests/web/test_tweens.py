"""What holds for every answer: security headers, request ids, media types, caching, HEAD."""

import re

import pytest

from tests.kit.factories import BOOKING, book, create_organization
from tests.web.every_answer import every_kind_of_answer

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
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
            # The answer to a POST has the ETag of what it made, which is another one than itself.
            assert ("ETag" in answer.headers) == (control != "no-store" or kind == "201"), kind


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
    organization = create_organization(admin)
    path = path.format(booking=book(admin)["id"], organization=organization)
    got, head = admin.get(path, expect_errors=True), admin.head(path, expect_errors=True)
    assert head.status == got.status
    assert head.body == b""
    changing = ("X-Request-ID", "Content-Length")
    kept = {name: value for name, value in got.headers.items() if name not in changing}
    assert {name: value for name, value in head.headers.items() if name not in changing} == kept
