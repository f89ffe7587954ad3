"""Indexes for the few bookings that last long, so that those which overlap an interval are found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "bookings_0004"
down_revision = "bookings_0003"
branch_labels = None
depends_on = None

LENGTH = {"postgresql": "end_time - start_time", "sqlite": "julianday(end_time) - julianday(start_time)"}
DAYS = {"postgresql": "interval '{} days'", "sqlite": "{}"}


def upgrade() -> None:
    create_index("ix_bookings_long", "{length} > {day} AND NOT ({length} > {month})")
    create_index("ix_bookings_longest", "{length} > {month}")


def downgrade() -> None:
    op.drop_index("ix_bookings_longest", "bookings")
    op.drop_index("ix_bookings_long", "bookings")


def create_index(name: str, condition: str) -> None:
    dialect = op.get_bind().dialect.name
    terms = {"length": LENGTH[dialect], "day": DAYS[dialect].format(1), "month": DAYS[dialect].format(32)}
    where = sa.text(f"status = 'confirmed' AND {condition.format(**terms)}")
    op.create_index(name, "bookings", ["user_id", "start_time"], postgresql_where=where, sqlite_where=where)
