"""``/`` tells what this is and whether it is well: to browsers as a page, to others as JSON."""

from email.message import Message
from html import unescape

import pytest

import scheduling
from scheduling.web.pages import home

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def page(site, **environ):
    return site.app.get("/", headers={"Accept": FIREFOX}, extra_environ=environ)


@pytest.mark.parametrize("accept", [FIREFOX, "text/html", "text/*", "application/json;q=0.5, text/html"])
def test_whoever_likes_html_better_gets_the_page(site, accept):
    answer = site.app.get("/", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.getall("Vary") == ["Accept"]


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "text/html;q=0.9, application/json", "image/png", "", "x"]
)
def test_others_get_json(site, accept):
    headers = {} if accept is None else {"Accept": accept}
    answer = site.app.get("/", headers=headers)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers.getall("Vary") == ["Accept"]


def test_the_facts(site):
    told = site.app.get("/").json
    assert (told["name"], told["version"]) == ("Scheduling", scheduling.__version__)
    assert (told["ready"], told["reason"]) == (True, None)
    names = [plugin["name"] for plugin in told["plugins"]]
    assert sorted(names) == ["analytics", "bookings", "notifications", "organizations", "reminders"]
    assert told["plugins"][names.index("bookings")] == {
        "name": "bookings",
        "summary": "Bookings: create, list, change and cancel times.",
        "distribution": f"scheduling {scheduling.__version__}",
    }


def test_the_page_has_the_same_facts(site):
    told, text = site.app.get("/").json, unescape(page(site).text)
    assert ">Ready<" in text
    for fact in (told["name"], told["version"], told["summary"]):
        assert fact in text
    for plugin in told["plugins"]:
        assert f"<code>{plugin['name']}</code> {plugin['distribution']}" in text
    for link in filter(None, told["links"].values()):
        assert f'href="{link}"' in text


def test_every_link_leads_somewhere(site):
    for name, path in site.app.get("/").json["links"].items():
        if path and path.startswith("/") and name != "openapi":
            site.app.get(path, status=200)


def test_an_installation_that_is_not_ready_says_why(site, monkeypatch):
    monkeypatch.setattr(site.registry.readiness, "failure", lambda: "The database <does> not answer.")
    told = site.app.get("/", status=200).json
    assert (told["ready"], told["reason"]) == (False, "The database <does> not answer.")
    assert "Not ready: The database &lt;does&gt; not answer." in page(site).text


def test_neither_is_kept_by_a_cache(site):
    for answer in (site.app.get("/"), page(site)):
        assert answer.headers["Cache-Control"] == "no-store"


def test_programs_are_told_where_the_description_is(site):
    link = site.app.head("/").headers["Link"]
    assert '</.well-known/api-catalog>; rel="api-catalog"' in link
    assert '</api/v1/openapi.json>; rel="service-desc"' in link
    assert '</docs>; rel="service-doc"' in link


def test_the_source_is_where_the_distribution_says_it_is():
    about = Message()
    assert home._source(about) is None
    about["Project-URL"] = "Changelog, https://example.org/changes"
    about["Project-URL"] = "Source, https://example.org/scheduling"
    assert home._source(about) == "https://example.org/scheduling"


def test_the_source_is_linked(site, monkeypatch):
    monkeypatch.setattr(home, "_source", lambda about: "https://example.org/scheduling")
    assert site.app.get("/").json["links"]["source"] == "https://example.org/scheduling"
    assert '<a href="https://example.org/scheduling">' in page(site).text


def test_below_a_proxys_prefix_every_address_has_it(site):
    text = page(site, SCRIPT_NAME="/sched").text
    assert 'href="/sched/docs"' in text
    assert 'href="/sched/static/' in text
    assert 'href="/docs"' not in text
    assert site.app.get("/", extra_environ={"SCRIPT_NAME": "/sched"}).json["links"]["docs"] == "/sched/docs"
