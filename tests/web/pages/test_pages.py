"""What every page has: a policy of its own, the other security headers, HEAD, 405, one spelling, a route."""

import re

import pytest

from scheduling.web.pages import docs, home
from tests.web.every_answer import ORIGIN
from tests.web.test_tweens import SECURITY_HEADERS

PAGES = {"/": home.POLICY, "/docs": docs.POLICY}
PATHS = ["/", "/docs", "/.well-known/api-catalog", "/static/{file}"]
NO_PAGES = ["//docs", "/@@docs", "/docs//", "/./docs", "/docs/x", "/.well-known", "/.well-known//api-catalog"]
NO_PAGES += ["/static", "/static/", "/static/nothing.css", "/static/../docs", "/static/page.css"]
HTML = {"Accept": "text/html"}


def address(site, path):
    return path.replace("{file}", next(iter(site.registry.static_files.by_name)))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_policy_its_own(site, path):
    answer = site.app.get(path, headers=HTML)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.getall("Content-Security-Policy") == [PAGES[path]]
    for name, value in SECURITY_HEADERS.items():
        assert len(answer.headers.getall(name)) == 1
        assert name == "Content-Security-Policy" or answer.headers[name] == value


def test_a_304_of_a_page_has_its_policy_too(site):
    # A browser takes the headers of a 304 over into what it has kept.
    etag = site.app.get("/docs").headers["ETag"]
    answer = site.app.get("/docs", headers={"If-None-Match": etag}, status=304)
    assert answer.headers.getall("Content-Security-Policy") == [docs.POLICY]
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("path", PAGES)
def test_a_policy_allows_nothing_inline_and_no_other_host(path):
    policy = dict(directive.split(" ", 1) for directive in PAGES[path].split("; "))
    assert policy["default-src"] == "'none'"
    assert {"base-uri", "form-action", "frame-ancestors"} <= {
        name for name, sources in policy.items() if sources == "'none'"
    }
    assert set(" ".join(policy.values()).split()) <= {"'none'", "'self'", "data:"}
    assert [name for name, sources in policy.items() if "data:" in sources] in ([], ["img-src"])


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_and_nothing_of_another_host(site, path):
    text = site.app.get(path, headers=HTML).text
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)


@pytest.mark.parametrize("path", PAGES)
def test_every_file_that_a_page_loads_is_served(site, path):
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', site.app.get(path, headers=HTML).text)
    assert files
    for file in files:
        site.app.get(file, status=200)


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_does_without_the_body(site, path):
    got, head = (ask(address(site, path), headers=HTML) for ask in (site.app.get, site.app.head))
    assert head.body == b""
    same = [{**answer.headers, "X-Request-ID": "", "Content-Length": ""} for answer in (got, head)]
    assert same[0] == same[1]


@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_a_405(site, path):
    refused = site.app.post_json(address(site, path), {}, status=405)
    assert refused.headers["Allow"] == "GET, HEAD"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers.getall("Content-Security-Policy") == [SECURITY_HEADERS["Content-Security-Policy"]]


@pytest.mark.parametrize("path", NO_PAGES)
def test_what_is_no_path_of_a_page_is_a_404(site, path):
    site.app.get(path, status=404)


@pytest.mark.parametrize("path", PATHS)
def test_a_slash_may_end_a_path(site, path):
    site.app.get(address(site, path).rstrip("/") + "/", status=200)


@pytest.mark.parametrize("path", PATHS)
def test_the_route_of_metrics_is_the_path_or_its_pattern(site, path):
    site.app.get(address(site, path))
    metrics = site.registry.metrics.http
    assert ("GET", path, "200") in metrics._children
    assert not [key for key in metrics._children if re.search(r"\.(css|js|svg)$", key[1])]


@pytest.mark.parametrize("path", PATHS)
def test_no_statement_is_sent(site, path):
    site.app.get(address(site, path))
    with site.queries() as queries:
        site.app.get(address(site, path))
    assert len(queries) == 0


@pytest.mark.parametrize("path", PATHS)
def test_the_cross_origin_rules_hold_for_it(site, path):
    answer = site.app.get(address(site, path), headers={"Origin": ORIGIN})
    assert "Origin" in answer.headers.getall("Vary")
    assert "Access-Control-Allow-Origin" not in answer.headers
