"""The tables of the e-mail rate limit."""

import sqlalchemy as sa

from scheduling.db.metadata import Timestamp, metadata

email_rate = sa.Table(
    "email_rate",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # When the whole burst is free again, in microseconds of Unix time.
    sa.Column("full_at", sa.BigInteger, nullable=False),
    # How many e-mails the latest statement was granted.
    sa.Column("taken", sa.Integer, nullable=False),
    # Until when a worker has paused sending; for metrics alone.
    sa.Column("paused_until", Timestamp),
)
"""One row: the state of the rate limit over all workers, and the newest pause of one of them."""

email_slots = sa.Table(
    "email_slots",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("free_at", Timestamp, nullable=False, index=True),
)
"""The rate limit of the release before; it goes with the next release."""
