"""A path has one spelling; every other one is unknown before anything is looked up."""

import pytest

from scheduling.web.paths import has_one_spelling
from tests.kit.spellings import OTHER_SPELLINGS, OTHER_TARGETS

PLAIN = [
    "/",
    "",
    "/health",
    "/api/v1/bookings/7",
    "/api/v1/bookings/7/",
    "/a/.b",
    "/a/..b",
    "/a/b@@c",
    "/a/@b",
]

TARGETS = [
    "/api/v1/auth/register",
    "/api/v1/auth/register/",
    "/api/v1/auth/register?",
    "/api/v1/auth/register?a=//@@/../%2F#b",
    "http://localhost/api/v1/auth/register?a",
    "HTTPS://localhost:443/api/v1/auth/register",
]


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_has_one_spelling(path):
    assert has_one_spelling({"PATH_INFO": path})


@pytest.mark.parametrize("path", OTHER_SPELLINGS)
def test_another_spelling_is_told(path):
    assert not has_one_spelling({"PATH_INFO": path})


@pytest.mark.parametrize("target", TARGETS)
def test_a_plain_target_has_one_spelling(target):
    assert has_one_spelling({"PATH_INFO": "/api/v1/auth/register", "REQUEST_URI": target})


@pytest.mark.parametrize("target", OTHER_TARGETS)
def test_another_spelling_of_the_target_is_told(target):
    assert not has_one_spelling({"PATH_INFO": "/api/v1/auth/register", "REQUEST_URI": target})


@pytest.mark.parametrize("target", ["/caf%C3%A9", "/a%20b", "/a%3Ab", "/%zz%2", "http://localhost", "/?"])
def test_what_must_or_may_be_escaped_is_no_other_spelling(target):
    assert has_one_spelling({"PATH_INFO": "/a", "REQUEST_URI": target})


@pytest.mark.parametrize("path", [path for path in OTHER_SPELLINGS if path.startswith("/")])
def test_another_spelling_is_a_404_and_does_nothing(site, path):
    account = {"name": "Mallory", "email": "mallory@example.com", "password": "secret123"}
    with site.queries() as queries:
        refused = site.app.post_json(path, account, status=404).json
    assert len(queries) == 0
    assert (refused["path"], refused["method"]) == (path, "POST")


@pytest.mark.parametrize(
    "path", ["/health//live", "/health/@@live", "/health/./live", "//health", "/@@health"]
)
def test_a_probe_has_one_spelling_too(site, path):
    site.app.get(path, status=404)
    site.app.get("/health/live/", status=200)


@pytest.mark.parametrize("view", ["@@read", "./read", "x/../read", "/read", "read//"])
def test_what_follows_an_item_has_one_spelling_too(site, view):
    site.user().patch(f"/notifications/1/{view}", status=404).mustcontain('"path"')
