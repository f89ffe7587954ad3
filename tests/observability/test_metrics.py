"""What is counted of requests, and under which names."""

import threading

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import outbox
from scheduling.observability.metrics.http import tween_factory
from scheduling.testing import Site
from scheduling.testing.processes import wait_for
from scheduling.web.request import Request
from tests.kit.factories import book, create_organization

PLUGINS = ["analytics", "bookings", "notifications", "organizations", "reminders"]


@pytest.fixture
def site(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", PLUGINS)
    yield site
    site.close()


def scrape(site):
    """Return all samples as (name, labels, value)."""
    families = site.registry.metrics.exposed().collect()
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def value(site, name, **labels):
    return sum(v for n, found, v in scrape(site) if n == name and labels.items() <= found.items())


def routes(site):
    return {
        (labels["method"], labels["route"], labels["status"])
        for name, labels, _ in scrape(site)
        if name == "scheduling_http_requests_total"
    }


def test_requests_are_counted_by_the_pattern_of_their_route(site):
    alice = site.user()
    first, second = (book(alice)["id"] for _ in range(2))
    for booking in (first, second):
        alice.get(f"/bookings/{booking}", status=200)
    alice.head(f"/bookings/{first}", status=200)
    alice.get("/bookings/999999", status=404)
    alice.get("/bookings?limit=1", status=200)
    alice.get("/bookings/", status=200)
    alice.get("/users/me", status=200)
    alice.get("/notifications/unread", status=200)
    organization = create_organization(alice)
    alice.delete(f"/organizations/{organization}/members/{alice.id}", status=400)
    site.user(admin=True).get("/outbox/01890a5d-ac96-774b-bcce-b302099a8057", status=404)
    site.app.put("/health/ready", status=405)
    site.app.get("/health", status=200)
    assert routes(site) == {
        ("POST", "/api/v1/auth/register", "201"),
        ("POST", "/api/v1/bookings", "201"),
        ("GET", "/api/v1/bookings/{id}", "200"),
        ("HEAD", "/api/v1/bookings/{id}", "200"),
        ("GET", "/api/v1/bookings/{id}", "404"),
        ("GET", "/api/v1/bookings", "200"),
        ("GET", "/api/v1/users/me", "200"),
        ("GET", "/api/v1/notifications/unread", "200"),
        ("POST", "/api/v1/organizations", "201"),
        ("DELETE", "/api/v1/organizations/{id}/members/{id}", "400"),
        ("GET", "/api/v1/outbox/{id}", "404"),
        ("PUT", "/health/ready", "405"),
        ("GET", "/health", "200"),
    }
    requests = value(site, "scheduling_http_requests_total", route="/api/v1/bookings/{id}", status="200")
    assert requests == 3
    timed = value(
        site, "scheduling_http_request_duration_seconds_count", route="/api/v1/bookings/{id}", method="GET"
    )
    assert timed == 3


def test_whatever_clients_invent_adds_no_more_than_one_series(site):
    before = len(scrape(site))
    for number in range(50):
        site.app.get(f"/nothing-{number}", status=404)
        site.app.get(f"/api/v1/nothing-{number}/here", status=404)
        site.app.get(f"/api/v1/bookings/x{number}", status=404)
        site.app.get(f"/api/v1/users/me/count-{number}", status=404)
        assert Request.blank("/health", method=f"BREW{number}").get_response(site.wsgi_app).status_int == 405
    site.app.get("/api/v1/users/count", status=404)
    site.app.options(
        "/health", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}, status=204
    )
    assert routes(site) == {
        ("GET", "unmatched", "404"),
        ("OPTIONS", "unmatched", "204"),
        ("other", "/health", "405"),
    }
    kept = (site.registry.metrics.http._children, site.registry.metrics.http.routes._known)
    assert all(len(cache) < 10 for cache in kept)
    assert len(scrape(site)) - before < 100


def test_a_request_is_in_flight_until_it_is_answered(site):
    entered, go_on = threading.Event(), threading.Event()

    def handler(request):
        entered.set()
        assert go_on.wait(30)
        raise RuntimeError("that nobody handled")

    request = Request.blank("/health")
    errors = []

    def run():
        try:
            tween_factory(handler, site.registry)(request)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert entered.wait(30)
    assert value(site, "scheduling_http_requests_in_flight") == 1
    go_on.set()
    thread.join()
    assert errors
    assert value(site, "scheduling_http_requests_in_flight") == 0
    assert ("GET", "unmatched", "500") in routes(site)


def test_the_release_and_its_plugins_are_exposed(site):
    [build] = [labels for name, labels, _ in scrape(site) if name == "scheduling_build_info"]
    assert build.keys() == {"version", "python"}
    assert all(build.values())
    plugins = {labels["plugin"] for name, labels, _ in scrape(site) if name == "scheduling_plugin_info"}
    assert plugins == set(PLUGINS)


def test_connections_in_use_and_idle_are_exposed(site):
    with session_scope(site.registry) as db:
        db.rows(sa.select(outbox.c.id))
        site.registry.metrics.pool.watch()
        wait_for(lambda: value(site, "scheduling_database_pool_connections", state="in_use") == 1)
    wait_for(lambda: value(site, "scheduling_database_pool_connections", state="idle") >= 1)


def test_due_are_the_messages_that_wait_for_a_worker(site):
    for state, due_at in [
        ("pending", "2020-01-01"),
        ("retry", "2020-01-01"),
        ("retry", "2099-01-01"),
        ("queued", "2099-01-01"),
        ("running", "2020-01-01"),
        ("running", "2099-01-01"),
        ("done", "2020-01-01"),
        ("dead", "2020-01-01"),
    ]:
        site.user()
        with session_scope(site.registry) as db:
            newest = sa.text(
                "UPDATE outbox SET state = :state, due_at = :due WHERE state = 'pending' AND due_at > '2021'"
            )
            db.connection.execute(newest, {"state": state, "due": f"{due_at} 00:00:00.000000"})
    assert value(site, "scheduling_outbox_due") == 4
