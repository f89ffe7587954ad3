"""The table of the e-mail rate limit."""

import sqlalchemy as sa

from scheduling.db.metadata import Timestamp, metadata

email_slots = sa.Table(
    "email_slots",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("free_at", Timestamp, nullable=False, index=True),
)
