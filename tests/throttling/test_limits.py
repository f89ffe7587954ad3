"""The limits of single calls: registrations, anonymous events, all calls of a user, those of a plugin."""

import logging

import pytest
from pyramid.exceptions import ConfigurationError
from webtest import TestApp

from scheduling.exceptions import StartupError
from scheduling.testing import Client
from scheduling.testing.site import PASSWORD
from scheduling.throttling import attacks

HOME, ELSEWHERE = "203.0.113.7", "198.51.100.1"
EVENT = {"eventType": "page_view"}
PLUGIN = """
from pyramid.security import NO_PERMISSION_REQUIRED
from scheduling.plugin import Resource
config.add_api_resource("things", Resource)
config.add_rate_limit("things", 2, 60)
def view(context, request):
    return {}
config.add_view(view, context=Resource, request_method="GET", permission=NO_PERMISSION_REQUIRED,
                rate_limit="things")
"""


def at(site, address, token=None):
    return Client(TestApp(site.wsgi_app, extra_environ={"REMOTE_ADDR": address}), token)


def register(client, number, name="Alice"):
    sent = {"name": name, "email": f"user{number}@example.com", "password": PASSWORD}
    return client.post("/auth/register", sent, expect_errors=True)


def test_an_address_registers_twenty_accounts_an_hour(make_site):
    site = make_site()
    home = at(site, HOME)
    # What is not understood does not count.
    assert register(home, 0, name="").status_int == 400
    answers = [register(home, number) for number in range(20)]
    assert {answer.status_int for answer in answers} == {201}
    assert answers[0].headers["RateLimit-Policy"] == '"registration";q=20;w=3600'
    assert answers[0].headers["RateLimit"] == '"registration";r=19;t=3600'
    refused = register(home, 20)
    assert refused.status_int == 429
    assert refused.json["code"] == "rate_limited"
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert register(at(site, ELSEWHERE), 20).status_int == 201


def test_whether_an_address_is_taken_is_asked_no_oftener(make_site):
    site = make_site(rate_limit_registrations=3)
    assert [register(at(site, HOME), 1).status_int for _ in range(4)] == [201, 400, 400, 429]


def test_an_address_reports_so_many_anonymous_events_a_minute(make_site):
    site = make_site(["analytics"])
    assert site.registry.rate_limits["analytics"].limit.places == 600
    home = at(site, HOME)
    answer = home.post("/analytics/event", EVENT)
    assert answer.headers["RateLimit-Policy"] == '"analytics";q=600;w=60'
    for _ in range(599):
        home.post("/analytics/event", EVENT, status=201)
    assert home.post("/analytics/event", EVENT, expect_errors=True).status_int == 429
    token = register(home, 1).json["token"]
    known = at(site, HOME, token).post("/analytics/event", EVENT, status=201)
    assert "RateLimit" not in known.headers
    # A token that does not hold makes nobody of a sender.
    assert at(site, HOME, "nonsense").post("/analytics/event", EVENT, expect_errors=True).status_int == 429
    at(site, ELSEWHERE).post("/analytics/event", EVENT, status=201)


def test_a_user_may_have_a_budget_for_all_calls(make_site):
    site = make_site(rate_limit_calls_per_user=3)
    token = register(at(site, HOME), 1).json["token"]
    other = register(at(site, HOME), 2).json["token"]
    # Wherever the calls come from.
    statuses = [
        at(site, address, token).get(path, expect_errors=True).status_int
        for address in (HOME, ELSEWHERE)
        for path in ("/users/me", "/auth/verify")
    ]
    assert statuses == [200, 200, 200, 429]
    answer = at(site, HOME, other).get("/users/me")
    assert answer.headers["RateLimit-Policy"] == '"user";q=3;w=60'
    assert answer.headers["RateLimit"] == '"user";r=2;t=60'
    at(site, HOME).get("/health", status=404)


@pytest.mark.parametrize("keys", [["", "", "", ""], ["a", "b", "c", "d"], ["a", "a", "a", "a"]])
def test_calls_that_fail_or_are_replayed_are_of_the_budget(make_site, keys):
    site = make_site(rate_limit_calls_per_user=3)
    token = register(at(site, HOME), 1).json["token"]
    statuses = [
        at(site, HOME, token)
        .patch(
            "/users/me",
            {"name": "Ann"},
            headers={"If-Match": '"7"'} | ({"Idempotency-Key": key} if key else {}),
            expect_errors=True,
        )
        .status_int
        for key in keys
    ]
    assert statuses == [412, 412, 412, 429]


def test_without_a_budget_a_call_asks_nothing_more(make_site):
    site = make_site()
    me = at(site, HOME, register(at(site, HOME), 1).json["token"])
    me.get("/users/me")
    with site.queries() as queries:
        answer = me.get("/users/me")
    assert not [each for each in queries.statements if "rate_limits" in each]
    assert "RateLimit" not in answer.headers


def test_two_limits_of_one_call_are_both_told(make_site):
    site = make_site(rate_limit_calls_per_user=3)
    token = register(at(site, HOME), 1).json["token"]
    body = {"currentPassword": "wrong one", "newPassword": "another one"}
    answer = at(site, ELSEWHERE, token).patch("/users/me/password", body, status=401)
    names = [item.partition(";")[0] for item in answer.headers["RateLimit"].split(", ")]
    assert names == ['"user"', '"login"', '"login-address"']


def test_a_plugin_limits_its_own_calls(make_site, install_plugin):
    install_plugin("acme", includeme=PLUGIN)
    site = make_site(["acme"])
    statuses = [at(site, HOME).get("/things", expect_errors=True).status_int for _ in range(3)]
    assert statuses == [200, 200, 429]
    at(site, ELSEWHERE).get("/things", status=200)


def test_a_limit_that_is_not_known_or_known_already_stops_the_start(make_site, install_plugin):
    install_plugin("acme", includeme=PLUGIN.replace('config.add_rate_limit("things", 2, 60)', ""))
    with pytest.raises((StartupError, ConfigurationError), match=r"rate_limit='things' of .* is not known"):
        make_site(["acme"])
    install_plugin("acme2", includeme='config.add_rate_limit("login", 2, 60)')
    with pytest.raises((StartupError, ConfigurationError), match="two rate limits named 'login'"):
        make_site(["acme2"])


def test_refused_calls_are_counted_and_told_once_a_minute(make_site, caplog, monkeypatch):
    reports = []
    monkeypatch.setattr(
        attacks.threading, "Timer", lambda seconds, report: reports.append((seconds, report)) or Timer()
    )
    site = make_site(rate_limit_registrations=1)
    for number in range(4):
        register(at(site, HOME), number)
    for number in range(4, 7):
        register(at(site, ELSEWHERE), number)
    counted = site.registry.metrics.exposed().get_sample_value
    assert counted("scheduling_rate_limit_refused_calls_total", {"limit": "registration"}) == 5
    [(seconds, report)] = reports
    assert seconds == 60
    with caplog.at_level(logging.WARNING):
        report()
        report()
    said = "Rate limits refused 5 calls within a minute (registration: 5); 3 of them came from 203.0.113.7"
    # A site of another test may report just now.
    assert [record.getMessage() for record in caplog.records].count(said) == 1


class Timer:
    daemon = False

    def start(self):
        pass


def test_one_address_too_many_is_not_told_apart(make_site, monkeypatch):
    monkeypatch.setattr(attacks, "MAX_ADDRESSES", 2)
    monkeypatch.setattr(attacks.threading, "Timer", lambda *arguments: Timer())
    seen = make_site().registry.limiter.attacks
    for number in range(10):
        seen.note("login", f"198.51.100.{number}")
    assert len(seen._addresses) == 2
    assert seen._limits.total() == 10
