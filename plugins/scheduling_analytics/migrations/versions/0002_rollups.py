"""The rollups of the dashboard, on PostgreSQL, and the triggers that note what they lack."""

import sqlalchemy as sa
from alembic import op

from scheduling.plugin import Timestamp

revision = "analytics_0002"
down_revision = "analytics_0001"
branch_labels = None
depends_on = None

# The search path is kept, so that whoever writes an event need not have the schema in theirs.
NOTE = """
CREATE FUNCTION analytics_note() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        INSERT INTO analytics_pending (change, event_type, user_id, created_at)
        SELECT -1, event_type, user_id, created_at FROM gone;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO analytics_pending (change, event_type, user_id, created_at)
        SELECT 1, event_type, user_id, created_at FROM come;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO analytics_pending (change, event_type, created_at) VALUES (0, '', 'infinity');
    END IF;
    RETURN NULL;
END $$
"""

TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS come",
    "UPDATE": "REFERENCING OLD TABLE AS gone NEW TABLE AS come",
    "DELETE": "REFERENCING OLD TABLE AS gone",
    "TRUNCATE": "",
}

# Counting all events may take long, and is left to a worker, or to: scheduling analytics rebuild
COUNT_ALL = """
INSERT INTO analytics_pending (change, event_type, created_at)
SELECT 0, '', 'infinity' WHERE EXISTS (SELECT FROM analytics_events)
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "analytics_pending",
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("change", sa.SmallInteger, nullable=False),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_pending"),
    )
    op.create_table(
        "analytics_buckets",
        sa.Column("minutes", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("start", Timestamp, nullable=False),
        sa.Column("event_type", sa.String(101), nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("users", sa.BigInteger, nullable=False),
        sa.Column("first_event", Timestamp),
        sa.Column("last_event", Timestamp),
        sa.PrimaryKeyConstraint("minutes", "start", "event_type", name="pk_analytics_buckets"),
    )
    op.create_table(
        "analytics_seen",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_type", sa.String(101), nullable=False),
        sa.Column("last_seen", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "event_type", name="pk_analytics_seen"),
    )
    op.create_index("ix_analytics_seen_last_seen", "analytics_seen", ["last_seen"])
    # Rows come and go quickly; readers pass over the dead ones until they are cleaned up.
    op.execute(
        "ALTER TABLE analytics_pending "
        "SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"
    )
    op.execute(NOTE)
    for event, tables in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER analytics_note_{event.lower()} AFTER {event} ON analytics_events {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION analytics_note()"
        )
    op.execute(COUNT_ALL)


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for event in TRIGGERS:
        op.execute(f"DROP TRIGGER analytics_note_{event.lower()} ON analytics_events")
    op.execute("DROP FUNCTION analytics_note")
    for table in ("seen", "buckets", "pending"):
        op.drop_table(f"analytics_{table}")
