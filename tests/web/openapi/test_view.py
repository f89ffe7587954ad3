"""GET /api/v1/openapi.json."""

import json


def test_everybody_gets_the_document(site):
    answer = site.anonymous.get("/openapi.json", status=200)
    assert answer.content_type == "application/json"
    assert answer.json["info"]["title"] == "Scheduling"
    assert "/api/v1/bookings" in answer.json["paths"]


def test_nobody_gets_it_again_while_it_is_the_same(site):
    first = site.anonymous.get("/openapi.json")
    again = site.anonymous.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]}, status=304)
    assert again.body == b""
    assert again.headers["ETag"] == first.headers["ETag"]


def test_it_is_made_once(site, monkeypatch):
    first = site.anonymous.get("/openapi.json").body
    monkeypatch.setattr("scheduling.web.openapi.document.make_document", None)
    assert site.anonymous.get("/openapi.json").body == first


def test_it_is_made_when_it_is_asked_for(start_app, monkeypatch):
    monkeypatch.setattr("scheduling.web.openapi.document.make_document", lambda registry: {"paths": {}})
    assert json.loads(start_app("bookings").registry.openapi.json) == {"paths": {}}


def test_it_asks_nothing_of_the_database(site):
    with site.queries() as queries:
        site.anonymous.get("/openapi.json", status=200)
    assert len(queries) == 0
