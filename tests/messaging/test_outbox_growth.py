"""What the relay and the metrics ask costs the same however many messages are done, or due some day."""

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.housekeeping import give_up_unhandled, prune
from scheduling.messaging.models import outbox
from scheduling.messaging.relay import Relay
from scheduling.observability.metrics.outbox import due, oldest_due_seconds, unfinished, waiting
from scheduling.times import utcnow

DONE_ROWS = SCHEDULED_ROWS = 5000


@pytest.fixture
def old_site(site):
    now = utcnow()
    row = {
        "consumer": "email",
        "kind": "WELCOME",
        "payload": {},
        "state": "done",
        "due_at": now,
        "done_at": now,
    }
    with session_scope(site.registry) as db:
        db.write(sa.insert(outbox), [{"id": uuid.uuid4(), **row} for _ in range(DONE_ROWS)])
        later = row | {"state": "scheduled", "due_at": now + timedelta(days=1), "done_at": None}
        db.write(sa.insert(outbox), [{"id": uuid.uuid4(), **later} for _ in range(SCHEDULED_ROWS)])
        if db.connection.dialect.name == "postgresql":
            db.connection.exec_driver_sql("ANALYZE outbox")
    for _ in range(3):
        site.user()
    return site


def plans(site, work):
    """Run the work and return how the database goes about each of its queries."""
    seen = []

    def remember(connection, cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    sa.event.listen(site.registry.engine, "before_cursor_execute", remember)
    try:
        work()
    finally:
        sa.event.remove(site.registry.engine, "before_cursor_execute", remember)
    assert seen
    explain = "EXPLAIN" if site.registry.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with site.registry.engine.connect() as connection:
        for statement, parameters in seen:
            if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
                rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
                yield statement, "\n".join(str(tuple(row)) for row in rows)


def publish(registry):
    return Relay(registry).publish_due(lambda consumer, ids: None)


@pytest.mark.parametrize(
    "work",
    [publish, prune, give_up_unhandled, unfinished, due, oldest_due_seconds, waiting],
    ids=lambda work: work.__name__,
)
def test_no_query_scans_the_table(old_site, work):
    for statement, plan in plans(old_site, lambda: work(old_site.registry)):
        assert "Seq Scan on outbox" not in plan, f"{statement}\n{plan}"
        assert "SCAN outbox" not in plan.replace("SCAN outbox USING", ""), f"{statement}\n{plan}"
        assert "ix_outbox_scheduled" not in plan or "due_at" in statement, f"{statement}\n{plan}"


def test_only_the_due_messages_are_claimed(old_site):
    assert publish(old_site.registry) == 3
    assert oldest_due_seconds(old_site.registry) < timedelta(minutes=1).total_seconds()
