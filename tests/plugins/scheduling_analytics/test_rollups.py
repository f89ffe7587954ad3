"""The rollups as operators and readers meet them, on PostgreSQL."""

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from scheduling.cli.main import main
from scheduling.db.session import session_scope
from scheduling.messaging.worker import Worker
from scheduling.testing.processes import wait_for
from scheduling.testing.site import SETTINGS
from scheduling.times import utcnow
from scheduling_analytics import dashboard, housekeeping, rollups
from scheduling_analytics.models import analytics_events as events

pytestmark = pytest.mark.parametrize("site_kind", ["postgresql"], indirect=True, scope="session")

LOADED = {"event_type": "PAGE_VIEW", "metadata": {}}


def pending(site):
    with session_scope(site.registry) as db:
        return rollups.count_pending(db)


def view(client):
    client.post("/analytics/event", {"eventType": "PAGE_VIEW"}, status=201)


def views(client):
    rows = client.get("/analytics/dashboard").json["breakdown"]
    return sum(row["count"] for row in rows if row["event_type"] == "PAGE_VIEW")


def test_a_worker_folds_what_was_noted(site):
    alice = site.user()
    view(alice)
    before = alice.get("/analytics/dashboard").json
    assert pending(site) == 2

    worker = Worker(site.registry)
    worker.start()
    wait_for(lambda: pending(site) == 0)
    assert worker.stop()

    assert alice.get("/analytics/dashboard").json == before


def test_more_notes_than_one_batch_are_folded_in_one_go(site):
    with session_scope(site.registry) as db:
        db.write(sa.insert(events), [LOADED] * (2 * rollups.BATCH + 1))
    more = [housekeeping.fold(site.registry) for _ in range(3)]
    assert more == [True, True, False]
    assert pending(site) == 0


def test_who_reads_many_notes_folds_them(site):
    alice = site.user()
    for _ in range(dashboard.MAX_PENDING):
        view(alice)
    assert views(alice) == dashboard.MAX_PENDING
    assert pending(site) == 0
    assert views(alice) == dashboard.MAX_PENDING


def test_a_truncated_table_is_counted_anew(site):
    alice = site.user()
    view(alice)
    housekeeping.fold(site.registry)
    with session_scope(site.registry) as db:
        db.write(sa.text("TRUNCATE analytics_events"))
    assert views(alice) == 0
    housekeeping.fold(site.registry)
    assert pending(site) == 0
    view(alice)
    assert views(alice) == 1


def test_the_command_counts_what_was_loaded_without_triggers(site, tmp_path):
    alice = site.user()
    view(alice)
    with session_scope(site.registry) as db:
        db.write(sa.text("ALTER TABLE analytics_events DISABLE TRIGGER USER"))
        db.write(sa.insert(events), [{**LOADED, "created_at": utcnow()}] * 7)
        db.write(sa.text("ALTER TABLE analytics_events ENABLE TRIGGER USER"))
    assert views(alice) == 1

    result = rebuild(site, tmp_path)

    assert (result.exit_code, result.output) == (0, "All events are counted anew.\n")
    assert views(alice) == 8
    assert pending(site) == 0


def rebuild(site, folder):
    url = site.registry.engine.url.render_as_string(hide_password=False)
    settings = {**SETTINGS, "scheduling.database_url": url, "scheduling.plugins": "analytics"}
    lines = ["[app:main]", "use = egg:scheduling", *(f"{key} = {value}" for key, value in settings.items())]
    (folder / "test.ini").write_text("\n".join(lines))
    return CliRunner().invoke(main, ["-c", str(folder / "test.ini"), "analytics", "rebuild"])


def test_the_statement_is_short_enough_for_psycopg_to_remember_how_it_is_parsed(site):
    with site.queries() as queries:
        site.user().get("/analytics/dashboard", status=200)
    [statement] = [text for text in queries.statements if "analytics_buckets" in text]
    assert len(statement) <= MAX_CACHED_STATEMENT_LENGTH
