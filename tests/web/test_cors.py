"""What pages of other origins may do."""

import pytest

from scheduling.testing import Site
from tests.web.every_answer import ORIGIN, PREFLIGHT

SENT = {
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-ID",
    "traceparent",
}
READ = {
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
}


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
    headers = allowed.headers["Access-Control-Allow-Headers"].split(", ")
    assert set(headers) == SENT
    for path, status in (("/health", 200), ("/api/v1/bookings", 401), ("/nothing", 404)):
        answer = site.app.get(path, headers={"Origin": ORIGIN}, status=status)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert set(exposed) == READ
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
