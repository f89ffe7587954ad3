"""The table of rate limits."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduling.db.metadata import metadata

rate_limits = sa.Table(
    "rate_limits",
    metadata,
    # A hash of the limit's name and of what it counts by, such as an address.
    sa.Column("key", sa.LargeBinary(16), primary_key=True),
    # When places were taken, in microseconds of Unix time, ascending, no two the same.
    sa.Column("hits", sa.JSON().with_variant(postgresql.ARRAY(sa.BigInteger), "postgresql"), nullable=False),
    # How many waits have been imposed so far, of a limit whose waits grow.
    sa.Column("waits", sa.SmallInteger, nullable=False),
    # Whether the latest call was let pass.
    sa.Column("admitted", sa.Boolean, nullable=False),
    # From when on the row says nothing any more, in microseconds of Unix time.
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
"""What is counted: one row a key, see :mod:`scheduling.throttling.statements`."""
