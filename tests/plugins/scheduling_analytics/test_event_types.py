"""Whatever types clients invent, the system's own figures and the answers' size stay as they are."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.exceptions import StartupError
from scheduling.startup import set_up
from scheduling.testing import Site
from scheduling.testing.site import SETTINGS
from scheduling.times import utcnow
from scheduling_analytics import event_types, housekeeping
from scheduling_analytics.models import analytics_types

PLUGINS = ["analytics", "bookings", "organizations"]
LIMIT = 4


@pytest.fixture
def make_site(empty_database_url):
    """A function that makes one more process on a database, of whose clients a day has few types."""
    sites = []

    def make_site():
        sites.append(Site(empty_database_url, PLUGINS, {"analytics.types_per_day": str(LIMIT)}))
        return sites[-1]

    yield make_site
    for site in sites:
        site.close()


@pytest.fixture
def small_site(make_site):
    return make_site()


@pytest.fixture
def on_day(monkeypatch):
    """A function after which events come so many days from now."""

    def on_day(days):
        monkeypatch.setattr(event_types, "utcnow", lambda: utcnow() + timedelta(days=days))

    return on_day


def report(client, event_type):
    answer = client.post("/analytics/event", {"eventType": event_type}, status=201).json["event"]
    assert answer["event_type"] == event_type
    return answer["id"]


def counts(client):
    rows = client.get("/analytics/dashboard").json["breakdown"]
    return {row["event_type"]: row["count"] for row in rows}


def listed(site, event_type):
    rows = site.user("Ada", admin=True).get("/analytics/events", params={"type": event_type}).json
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    "event_type",
    ["USER_REGISTERED", "LOGIN_FAILED", "LOGIN", "BOOKING_CREATED", "BOOKING_UPDATED", "MEMBER_ADDED"],
)
@pytest.mark.parametrize("known", [False, True])
def test_a_type_of_the_systems_own_is_a_clients_where_a_client_reports_it(site, event_type, known):
    alice = site.user()
    before = counts(alice)
    reported = report(alice if known else site.anonymous, event_type)
    assert counts(alice) == before | {f"client:{event_type}": 1}
    assert listed(site, f"client:{event_type}") == [reported]
    assert reported not in listed(site, event_type)


def test_an_activity_of_somebody_elses_plugin_is_the_systems_own_too(install_plugin, start_app):
    install_plugin(
        "acme",
        top="from scheduling.plugin import Activity\nclass Storm(Activity):\n    activity_type = 'STORM'",
    )
    start_app("acme")
    assert "STORM" in event_types.activity_types()


def test_the_rest_of_a_days_types_counts_as_other(small_site):
    alice = small_site.user()
    ids = [report(small_site.anonymous, f"invented {n % 9}") for n in range(18)]
    assert counts(alice) == {"OTHER": 2 * (9 - LIMIT), "USER_REGISTERED": 1} | {
        f"invented {n}": 2 for n in range(LIMIT)
    }
    assert sorted(listed(small_site, "OTHER")) == sorted(ids[n] for n in range(18) if n % 9 >= LIMIT)


def test_the_systems_own_types_are_counted_whatever_clients_invent(small_site):
    alice = small_site.user()
    for n in range(LIMIT + 1):
        report(small_site.anonymous, f"invented {n}")
    small_site.anonymous.post("/auth/login", {"email": alice.email, "password": "wrong-password"}, status=401)
    assert counts(alice)["LOGIN_FAILED"] == 1


def test_a_type_that_a_client_calls_other_takes_nobodys_place(small_site):
    alice = small_site.user()
    for event_type in ("OTHER", *"abcd", "OTHER"):
        report(alice, event_type)
    assert counts(alice) == {"OTHER": 2, "a": 1, "b": 1, "c": 1, "d": 1, "USER_REGISTERED": 1}


def test_types_in_use_keep_their_places_and_those_out_of_use_lose_them(small_site, on_day):
    alice = small_site.user()
    for event_type in ("used", "once", "x", "y"):
        report(alice, event_type)
    on_day(1)
    for event_type in ("invented", "invented too", "used"):
        report(alice, event_type)
    assert counts(alice)["used"] == 2
    assert "invented" not in counts(alice)
    on_day(2)
    for event_type in ("new 1", "new 2", "new 3", "new 4", "used"):
        report(alice, event_type)
    assert counts(alice) == {
        "used": 3,
        "OTHER": 3,
        "once": 1,
        "x": 1,
        "y": 1,
        "new 1": 1,
        "new 2": 1,
        "new 3": 1,
        "USER_REGISTERED": 1,
    }


def test_housekeeping_forgets_the_types_that_are_out_of_use(small_site, on_day):
    alice = small_site.user()
    report(alice, "old")
    on_day(2)
    report(alice, "new")
    housekeeping.forget_types(small_site.registry)
    with session_scope(small_site.registry) as db:
        assert [row.event_type for row in db.rows(sa.select(analytics_types))] == ["new"]


def test_the_bound_holds_over_processes_that_are_called_at_the_same_time(make_site):
    sites = [make_site(), make_site()]
    alice = sites[0].user()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: report(sites[n % 2].anonymous, f"invented {n}"), range(60)))
    told = counts(alice)
    # Each of the four threads may have let one in at the moment in which the last place was taken.
    assert LIMIT <= len([name for name in told if name.startswith("invented")]) < LIMIT + 4
    assert sum(told.values()) == 61


def test_an_event_of_a_type_in_use_takes_one_more_read_and_no_lock(site):
    alice = site.user()
    report(alice, "click")
    with site.queries() as queries:
        report(alice, "click")
    statements = [text.split()[0] for text in queries.statements if "token_cutoffs" not in text]
    assert statements == ["SELECT", "BEGIN", "INSERT", "COMMIT"]


@pytest.mark.parametrize("number", ["0", "10001", "many"])
def test_a_number_of_types_that_makes_no_sense_stops_the_start(number):
    ini = {**SETTINGS, "scheduling.plugins": "analytics", "analytics.types_per_day": number}
    with pytest.raises(
        StartupError, match=r"analytics\.types_per_day \(SCHEDULING_ANALYTICS_TYPES_PER_DAY\)"
    ):
        set_up(ini, {})
