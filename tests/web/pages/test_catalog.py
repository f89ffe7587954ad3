"""``/.well-known/api-catalog`` as RFC 9727 has it."""

import pytest


@pytest.mark.parametrize("method", ["get", "head"])
def test_its_media_type_and_its_link(site, method):
    answer = getattr(site.app, method)("/.well-known/api-catalog")
    profile = 'profile="https://www.rfc-editor.org/info/rfc9727"'
    assert answer.headers["Content-Type"] == f"application/linkset+json; {profile}"
    assert answer.headers["Link"] == '</.well-known/api-catalog>; rel="api-catalog"'


def test_the_api_and_what_describes_it(site):
    [api] = site.app.get("/.well-known/api-catalog").json["linkset"]
    assert api == {
        "anchor": "/api/v1",
        "service-desc": [{"href": "/api/v1/openapi.json", "type": "application/json"}],
        "service-doc": [{"href": "/docs", "type": "text/html"}],
        "status": [{"href": "/health", "type": "application/json"}],
    }


def test_below_a_proxys_prefix_every_address_has_it(site):
    answer = site.app.get("/.well-known/api-catalog", extra_environ={"SCRIPT_NAME": "/sched"})
    assert answer.json["linkset"][0]["anchor"] == "/sched/api/v1"
    assert answer.headers["Link"].startswith("</sched/.well-known/api-catalog>")


def test_it_is_not_sent_again_to_whoever_has_it(site):
    etag = site.app.get("/.well-known/api-catalog").headers["ETag"]
    site.app.get("/.well-known/api-catalog", headers={"If-None-Match": etag}, status=304)
