"""Every subset of the plugins boots, migrates, serves and is called, each on a database of its own."""

import subprocess
import sys
from itertools import combinations

import pytest
import sqlalchemy as sa

from scheduling.config import loader
from scheduling.db import migrations
from scheduling.testing import Site
from tests.kit.factories import BOOKING

PLUGINS = ("analytics", "bookings", "notifications", "organizations", "reminders")
SUBSETS = [
    subset
    for size in range(len(PLUGINS) + 1)
    for subset in combinations(PLUGINS, size)
    if all(set(loader.load_manifest(name).manifest.requires) <= set(subset) for name in subset)
]
SMALL_AND_WHOLE = [subset for subset in SUBSETS if len(subset) in (0, 1, len(PLUGINS))]

READ = {
    "analytics": "/analytics/dashboard",
    "bookings": "/bookings",
    "notifications": "/notifications/count",
    "organizations": "/organizations",
    "reminders": "/bookings",
}


def case(database_kind, subset):
    return pytest.param(database_kind, subset, id=f"{database_kind}-{'+'.join(subset) or 'none'}")


@pytest.fixture
def make_site(empty_database_url):
    sites = []

    def make_site(*plugins):
        sites.append(Site(empty_database_url, plugins))
        return sites[-1]

    yield make_site
    for site in sites:
        site.close()


@pytest.mark.parametrize(
    ("database_kind", "subset"),
    [
        *(case("sqlite", subset) for subset in SUBSETS),
        *(case("postgresql", subset) for subset in SMALL_AND_WHOLE),
    ],
)
def test_subset_boots_migrates_serves_and_is_called(make_site, subset):
    site = make_site(*subset)
    alice, bob = site.user("Alice"), site.user("Bob")

    assert_schema_is_that_of(site, subset)
    for plugin in PLUGINS:
        if plugin != "reminders":
            alice.get(READ[plugin], status=200 if plugin in subset else 404)
    if "bookings" in subset:
        booking = alice.post("/bookings", BOOKING, status=201).json["booking"]
        assert ("reminders" in booking) == ("reminders" in subset)
    if "organizations" in subset:
        organization = alice.post("/organizations", {"name": "Acme"}, status=201).json["organization"]
        alice.post(f"/organizations/{organization['id']}/members", {"email": bob.email}, status=201)
    if "analytics" in subset:
        alice.post("/analytics/event", {"eventType": "PAGE_VIEW"}, status=201)
    site.deliver()

    booked, invited = "bookings" in subset, "organizations" in subset
    assert [mail.subject for mail in site.mail] == [
        "Welcome, Alice",
        "Welcome, Bob",
        *(["Booking confirmed: Standup"] if booked else []),
        *(["You have been added to Acme"] if invited else []),
    ]
    if "notifications" in subset:
        assert alice.get("/notifications/count").json == {"unread": int(booked)}
        assert bob.get("/notifications/count").json == {"unread": int(invited)}
    if "analytics" in subset:
        counted = alice.get("/analytics/dashboard").json["breakdown"]
        assert {row["event_type"]: row["count"] for row in counted} == {
            "USER_REGISTERED": 2,
            "PAGE_VIEW": 1,
            **({"BOOKING_CREATED": 1} if booked else {}),
            **({"MEMBER_ADDED": 1} if invited else {}),
        }


def assert_schema_is_that_of(site, subset):
    engine, plugins = site.registry.engine, site.registry.plugins
    there = sa.inspect(engine).get_table_names()
    versions = {
        name.removeprefix("alembic_version_") for name in there if name.startswith("alembic_version_")
    }
    assert versions == {name for name in subset if loader.load_manifest(name).manifest.migrations}
    strangers = [loader.load_manifest(name).manifest for name in PLUGINS if name not in subset]
    assert not [table for table in there for manifest in strangers if manifest.owns(table)]
    assert migrations.differences(engine, plugins) == []


def test_with_notifications_off_a_booking_is_still_made_and_its_mail_goes_out(make_site):
    site = make_site("analytics", "bookings", "organizations")
    alice = site.user("Alice")
    site.deliver()
    site.clear_mail()

    alice.post("/bookings", BOOKING, status=201)
    site.deliver()

    [mail] = site.mail
    assert (mail.to_address, mail.subject) == (alice.email, "Booking confirmed: Standup")


def test_with_bookings_off_their_address_is_a_404_for_everybody(make_site):
    site = make_site("analytics", "notifications", "organizations")
    alice = site.user("Alice")

    for answer in (
        alice.get("/bookings", status=404),
        alice.post("/bookings", BOOKING, status=404),
        alice.get("/bookings/1", status=404),
        site.anonymous.get("/bookings", status=404),
    ):
        assert answer.content_type == "application/problem+json"
        assert answer.json["path"].startswith("/api/v1/bookings")


ALONE = """
import sys
url, plugins, path, *others = sys.argv[1:]
sys.modules.update({f"scheduling_{name}": None for name in others})
from scheduling.testing import Site
Site(url, plugins.split()).user().get(path, status=200)
"""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_works_where_the_packages_of_the_others_cannot_be_imported(plugin, tmp_path):
    with_it = [*loader.load_manifest(plugin).manifest.requires, plugin]
    others = [name for name in PLUGINS if name not in with_it]
    arguments = [f"sqlite:///{tmp_path}/test.db", " ".join(with_it), READ[plugin], *others]
    subprocess.run([sys.executable, "-c", ALONE, *arguments], check=True, timeout=60)
