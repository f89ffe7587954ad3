"""Events are kept for as long as the retention says, and no call waits for what removes them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.exceptions import StartupError
from scheduling.startup import set_up
from scheduling.testing import Site
from scheduling.testing.site import SETTINGS
from scheduling.times import utcnow
from scheduling_analytics import housekeeping, partitions, rollups
from scheduling_analytics.models import analytics_buckets, analytics_events, analytics_pending, analytics_seen

DAYS = 367
LONG_AGO = datetime(1999, 12, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def site(empty_database_url):
    site = Site(empty_database_url, ["analytics"], {"analytics.retention_days": str(DAYS)})
    yield site
    site.close()


@pytest.fixture
def parted_site(site):
    """A site on PostgreSQL, without the partition that has all months before."""
    if site.registry.engine.dialect.name != "postgresql":
        pytest.skip("there are no partitions")
    write(site, sa.text(f"DROP TABLE {name_of(utcnow())}"))
    return site


def write(site, statement, parameters=None):
    with session_scope(site.registry) as db:
        return db.write(statement, parameters)


def scalar(site, query):
    with session_scope(site.registry) as db:
        return db.scalar(query)


def name_of(month):
    return f"analytics_events_{month:%Y_%m}"


def record(site, user_id, *ages, event_type="PAGE_VIEW"):
    """Record events of so many days ago."""
    rows = [
        {
            "user_id": user_id,
            "event_type": event_type,
            "metadata": {},
            "created_at": utcnow() - timedelta(age),
        }
        for age in ages
    ]
    write(site, sa.insert(analytics_events), rows)


def days_of_events(site):
    """How many days ago the events were that are left."""
    with session_scope(site.registry) as db:
        rows = db.rows(
            sa.select(analytics_events.c.created_at).where(analytics_events.c.event_type == "PAGE_VIEW")
        )
    return sorted((utcnow() - row.created_at).days for row in rows)


def partitions_of(site):
    with session_scope(site.registry) as db:
        rows = db.rows(
            sa.text(
                "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class "
                "ON pg_class.oid = inhparent WHERE relname = 'analytics_events' ORDER BY 1"
            )
        )
    return [row[0] for row in rows]


def strays(site):
    return scalar(site, sa.text("SELECT count(*) FROM analytics_events_default"))


def run_housekeeping(site):
    """Do what a worker does until nothing is left to be done."""
    for name, task in site.registry.housekeeping.items():
        if name.startswith("analytics"):
            while task.work(site.registry):
                pass


def fold_all(site):
    while housekeeping.fold(site.registry):
        pass


def page_views(client, days):
    rows = client.get(f"/analytics/dashboard?days={days}", status=200).json["breakdown"]
    return [(row["count"], row["unique_users"]) for row in rows if row["event_type"] == "PAGE_VIEW"]


def test_what_is_older_than_the_retention_goes_and_the_largest_window_is_whole(site):
    alice = site.user()
    record(site, alice.id, 1, 365, DAYS + 32, DAYS + 900)
    record(site, None, 365)
    run_housekeeping(site)
    if site.registry.engine.dialect.name == "sqlite":
        assert days_of_events(site) == [1, 365, 365]
    assert page_views(alice, 366) == [(3, 1)]


def test_a_site_without_old_events_keeps_all(site):
    record(site, None, 0, 1, DAYS - 1)
    run_housekeeping(site)
    assert days_of_events(site) == [0, 1, DAYS - 1]


def test_many_old_events_are_deleted_in_batches(site, monkeypatch):
    monkeypatch.setattr(housekeeping, "DELETE_BATCH", 2)
    record(site, None, *range(DAYS, DAYS + 5), 1)
    assert housekeeping.delete_old(site.registry) is True
    assert len(days_of_events(site)) == 4
    while housekeeping.delete_old(site.registry):
        pass
    assert days_of_events(site) == [1]


def test_months_have_partitions_before_they_begin(parted_site):
    run_housekeeping(parted_site)
    month = utcnow().replace(day=1)
    names = [name_of(month), name_of(month + timedelta(31)), name_of(month.replace(day=1) + timedelta(31))]
    assert {*names, "analytics_events_default"} <= set(partitions_of(parted_site))


def test_what_fell_into_the_default_partition_moves_to_its_month(parted_site):
    alice = parted_site.user()
    record(parted_site, alice.id, 0, 40, 40, 100, 300, -40_000)
    assert strays(parted_site) >= 6
    pending = scalar(parted_site, sa.select(sa.func.count()).select_from(analytics_pending))

    while housekeeping.keep_partitions(parted_site.registry):
        pass

    assert strays(parted_site) == 1
    assert days_of_events(parted_site) == [-40_000, 0, 40, 40, 100, 300]
    assert scalar(parted_site, sa.select(sa.func.count()).select_from(analytics_pending)) == pending
    assert page_views(alice, 366) == [(6, 1)]
    fold_all(parted_site)
    assert page_views(alice, 366) == [(6, 1)]


def test_whole_partitions_are_dropped_and_leave_no_notes(parted_site):
    alice, bob = parted_site.user("Alice"), parted_site.user("Bob")
    record(parted_site, alice.id, 1, 366, DAYS + 62)
    record(parted_site, bob.id, DAYS + 62)
    old = utcnow() - timedelta(DAYS + 62)
    with session_scope(parted_site.registry) as db:
        partitions.make(db, datetime(old.year, old.month, 1, tzinfo=UTC))
    fold_all(parted_site)
    assert name_of(old) in partitions_of(parted_site)
    before = page_views(alice, 366)

    run_housekeeping(parted_site)

    assert name_of(old) not in partitions_of(parted_site)
    assert days_of_events(parted_site) == [1, 366]
    assert scalar(parted_site, sa.select(sa.func.count()).select_from(analytics_pending)) == 0
    assert page_views(alice, 366) == before


def test_what_was_counted_of_old_events_is_forgotten(parted_site):
    alice, bob = parted_site.user("Alice"), parted_site.user("Bob")
    record(parted_site, alice.id, 1, *range(500, 520))
    record(parted_site, bob.id, 500)
    fold_all(parted_site)
    horizon = utcnow() - timedelta(days=DAYS + 30)
    old_buckets = sa.select(sa.func.count()).where(analytics_buckets.c.start < horizon)
    assert scalar(parted_site, old_buckets) > 40

    run_housekeeping(parted_site)

    assert scalar(parted_site, old_buckets) == 0
    assert scalar(parted_site, sa.select(sa.func.count()).where(analytics_seen.c.last_seen < horizon)) == 0
    record(parted_site, bob.id, 0)
    assert page_views(alice, 366) == [(2, 2)]
    fold_all(parted_site)
    assert page_views(alice, 366) == [(2, 2)]


def test_an_event_of_long_ago_that_arrives_late_is_removed_again(parted_site):
    run_housekeeping(parted_site)
    write(
        parted_site,
        sa.insert(analytics_events).values(event_type="PAGE_VIEW", metadata={}, created_at=LONG_AGO),
    )
    run_housekeeping(parted_site)
    assert days_of_events(parted_site) == []


def test_where_somebody_uses_the_table_for_long_nobody_is_kept_waiting(parted_site, caplog):
    run_housekeeping(parted_site)
    write(parted_site, sa.text(f"DROP TABLE {name_of(utcnow())}"))
    url = parted_site.registry.core_settings.database_url.render_as_string(hide_password=False)
    with psycopg.connect(url.replace("+psycopg", "")) as dump:
        dump.execute("SELECT FROM analytics_events")
        assert housekeeping.keep_partitions(parted_site.registry) is False
    assert "a long transaction uses the table" in caplog.text
    assert housekeeping.keep_partitions(parted_site.registry) is True


def test_several_workers_may_do_it_at_the_same_time(parted_site):
    record(parted_site, None, *range(0, DAYS, 30))
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(lambda _: housekeeping.keep_partitions(parted_site.registry), range(8)))
    run_housekeeping(parted_site)
    assert strays(parted_site) == 0
    assert len(days_of_events(parted_site)) == len(range(0, DAYS, 30))


def test_rebuilding_counts_the_events_of_all_partitions(parted_site):
    alice = parted_site.user()
    record(parted_site, alice.id, 0, 40, 100, 300)
    run_housekeeping(parted_site)
    with session_scope(parted_site.registry) as db:
        rollups.rebuild(db)
    assert page_views(alice, 366) == [(4, 1)]


@pytest.mark.parametrize("days", ["366", "0", "a year"])
def test_a_retention_shorter_than_the_longest_window_stops_the_start(days):
    ini = {**SETTINGS, "scheduling.plugins": "analytics", "analytics.retention_days": days}
    with pytest.raises(
        StartupError, match=r"analytics\.retention_days \(SCHEDULING_ANALYTICS_RETENTION_DAYS\)"
    ):
        set_up(ini, {})
