"""Upgrading analytics, with events in the database and the release before it at work."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from scheduling.accounts import service as accounts
from scheduling.db import migrations
from scheduling.db.metadata import Timestamp
from scheduling.db.session import session_scope
from scheduling.testing import Site
from scheduling.times import utcnow
from scheduling_analytics import housekeeping, rollups
from scheduling_analytics.models import analytics_events

# As the first release records.
RECORD = sa.text(
    """
INSERT INTO analytics_events (user_id, event_type, metadata, created_at)
VALUES (:user_id, 'PAGE_VIEW', '{}', :moment) RETURNING id, event_type
"""
).bindparams(sa.bindparam("moment", type_=Timestamp))
LONG_AGO, LATE = datetime(1999, 12, 31, 23, 59, 59, 500, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


@pytest.fixture
def site(empty_database_url):
    site = Site(empty_database_url, ["analytics"])
    yield site
    site.close()


@pytest.fixture(params=["analytics_0001", "analytics_0002"])
def old_site(site, request):
    """A site with the tables of an earlier release."""
    migrations.downgrade(site.registry.engine, site.registry.plugins, "analytics", request.param)
    return site


def upgrade(site):
    migrations.upgrade(site.registry.engine, site.registry.plugins)
    assert migrations.differences(site.registry.engine, site.registry.plugins) == []


def record(site, user_id, *moments):
    with session_scope(site.registry) as db:
        for moment in moments:
            assert db.write(RECORD, {"user_id": user_id, "moment": moment}).one().id > 0


def events(site):
    with session_scope(site.registry) as db:
        return db.rows(sa.select(analytics_events).order_by(analytics_events.c.id))


def partitions(site):
    """The tables that the events are in, in the order of their ids."""
    with session_scope(site.registry) as db:
        found = db.rows(sa.text("SELECT tableoid::regclass::text FROM analytics_events ORDER BY id"))
    return [row[0] for row in found]


def page_views(client):
    rows = client.get("/analytics/dashboard").json["breakdown"]
    return [(row["count"], row["unique_users"]) for row in rows if row["event_type"] == "PAGE_VIEW"]


def work(site):
    """Do what a worker does."""
    while housekeeping.fold(site.registry):
        pass


def is_scanned(site, client):
    with site.queries() as queries:
        client.get("/analytics/dashboard")
    return any("count(DISTINCT" in statement for statement in queries.statements)


def test_events_of_the_release_before_are_counted_at_once_and_rolled_up_by_a_worker(old_site):
    alice = old_site.user()
    record(old_site, alice.id, LONG_AGO, utcnow(), utcnow(), LATE)

    upgrade(old_site)

    assert page_views(alice) == [(3, 1)]
    if old_site.registry.engine.dialect.name == "postgresql":
        work(old_site)
        assert not is_scanned(old_site, alice)
        assert page_views(alice) == [(3, 1)]


def test_nothing_is_to_be_counted_anew_where_there_were_no_events(old_site):
    upgrade(old_site)
    if old_site.registry.engine.dialect.name == "postgresql":
        with session_scope(old_site.registry) as db:
            assert rollups.is_rebuild_due(db) is False


def test_what_the_release_before_records_after_the_upgrade_is_counted(site):
    alice = site.user()
    record(site, alice.id, LONG_AGO, utcnow(), LATE)
    record(site, None, utcnow())
    assert page_views(alice) == [(3, 1)]


@pytest.mark.parametrize("revision", ["analytics_0001", "analytics_0002"])
def test_downgrade_keeps_the_events_and_another_upgrade_counts_them(site, revision):
    alice = site.user()
    record(site, alice.id, LONG_AGO, utcnow(), LATE)
    engine, plugins = site.registry.engine, site.registry.plugins
    before = events(site)

    migrations.downgrade(engine, plugins, "analytics", revision)
    assert events(site) == before
    record(site, None, utcnow())
    upgrade(site)

    assert events(site)[:-1] == before
    assert page_views(alice) == [(3, 1)]


def test_events_and_their_ids_go_on_in_partitions(site):
    engine, plugins = site.registry.engine, site.registry.plugins
    migrations.downgrade(engine, plugins, "analytics", "analytics_0002")
    alice = site.user()
    record(site, alice.id, LONG_AGO, utcnow(), LATE)
    before = events(site)

    upgrade(site)
    record(site, alice.id, utcnow())

    assert events(site)[:-1] == before
    assert events(site)[-1].id > before[-1].id
    if engine.dialect.name == "postgresql":
        first = f"analytics_events_{utcnow():%Y_%m}"
        assert partitions(site) == [first, first, first, "analytics_events_default", first]


def test_an_account_that_is_deleted_after_the_upgrade_leaves_its_events_without_a_user(site):
    alice, bob = site.user(), site.user()
    record(site, alice.id, LONG_AGO, utcnow(), LATE)
    assert page_views(bob) == [(2, 1)]

    with session_scope(site.registry) as db:
        assert accounts.delete(db, alice.id)

    assert page_views(bob) == [(2, 0)]
    if site.registry.engine.dialect.name == "postgresql":
        work(site)
    assert page_views(bob) == [(2, 0)]
