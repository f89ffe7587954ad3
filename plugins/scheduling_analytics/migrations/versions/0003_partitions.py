"""The events are partitioned by month, on PostgreSQL: see docs/decisions/analytics-partitions.md."""

from datetime import date, timedelta
from itertools import pairwise

from alembic import op

from scheduling.plugin import utcnow

revision = "analytics_0003"
down_revision = "analytics_0002"
branch_labels = None
depends_on = None

MONTHS_AHEAD = 2

# Who writes to both tables writes the event last, so in this order nobody holds what the other waits for.
LOCK = (
    "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE",
)

INDEXES = {
    "ix_analytics_events_user_id": "user_id",
    "ix_analytics_events_created_at_id": "created_at, id",
    "ix_analytics_events_event_type_created_at_id": "event_type, created_at, id",
}

TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS come",
    "UPDATE": "REFERENCING OLD TABLE AS gone NEW TABLE AS come",
    "DELETE": "REFERENCING OLD TABLE AS gone",
    "TRUNCATE": "",
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    this, *coming = months(MONTHS_AHEAD + 2)
    old, until = name_of(this), midnight(coming[0])
    execute(*LOCK)
    # It becomes the partition of this month and of all that were before.
    execute(f"ALTER TABLE analytics_events RENAME TO {old}")
    for event in TRIGGERS:
        execute(f"DROP TRIGGER analytics_note_{event.lower()} ON {old}")
    for index, columns in INDEXES.items():
        execute(f"ALTER INDEX {index} RENAME TO {old}_{columns.replace(', ', '_')}_idx")
    execute(
        f"ALTER TABLE {old} DROP CONSTRAINT pk_analytics_events",
        f"ALTER TABLE {old} ADD CONSTRAINT {old}_pkey PRIMARY KEY (id, created_at)",
        f"CREATE TABLE analytics_events (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)",
        "ALTER SEQUENCE analytics_events_id_seq OWNED BY analytics_events.id",
    )
    add_keys("id, created_at")
    for month, end in pairwise(coming):
        execute(
            f"CREATE TABLE {name_of(month)} PARTITION OF analytics_events "
            f"FOR VALUES FROM ('{midnight(month)}') TO ('{midnight(end)}')"
        )
    execute(
        "CREATE TABLE analytics_events_default PARTITION OF analytics_events DEFAULT",
        f"WITH late AS (DELETE FROM {old} WHERE created_at >= '{until}' RETURNING *) "  # noqa: S608
        "INSERT INTO analytics_events SELECT * FROM late",
        f"ALTER TABLE analytics_events ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{until}')",
    )
    add_triggers()


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    execute(
        *LOCK,
        "ALTER TABLE analytics_events RENAME TO analytics_events_parts",
        "CREATE TABLE analytics_events (LIKE analytics_events_parts INCLUDING DEFAULTS)",
        "INSERT INTO analytics_events SELECT * FROM analytics_events_parts",
        "ALTER SEQUENCE analytics_events_id_seq OWNED BY analytics_events.id",
        "DROP TABLE analytics_events_parts",
    )
    add_keys("id")
    add_triggers()


def execute(*statements: str) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def months(count: int) -> list[date]:
    """Return the first days of this month and of those after it."""
    found = [utcnow().date().replace(day=1)]
    while len(found) < count:
        found.append((found[-1] + timedelta(days=31)).replace(day=1))
    return found


def name_of(month: date) -> str:
    return f"analytics_events_{month:%Y_%m}"


def midnight(day: date) -> str:
    return f"{day} 00:00Z"


def add_keys(primary_key: str) -> None:
    execute(
        f"ALTER TABLE analytics_events ADD CONSTRAINT pk_analytics_events PRIMARY KEY ({primary_key})",
        "ALTER TABLE analytics_events ADD CONSTRAINT fk_analytics_events_user_id_users "
        "FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL",
        *(f"CREATE INDEX {index} ON analytics_events ({columns})" for index, columns in INDEXES.items()),
    )


def add_triggers() -> None:
    for event, tables in TRIGGERS.items():
        execute(
            f"CREATE TRIGGER analytics_note_{event.lower()} AFTER {event} ON analytics_events {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION analytics_note()"
        )
