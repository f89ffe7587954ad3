"""The table of token cut-offs, and what tokens need of the table of users."""

from datetime import datetime

import sqlalchemy as sa

from scheduling.db.metadata import BigId, Timestamp, metadata


class TokenCutoffColumns(sa.TypedColumns):
    """Tokens of ``user_id`` made before ``not_before`` are refused, also after the account is gone."""

    user_id: sa.Named[int] = sa.Column(BigId, primary_key=True, autoincrement=False)
    not_before: sa.Named[datetime] = sa.Column(Timestamp, nullable=False, index=True)


token_cutoffs = sa.Table("token_cutoffs", metadata, TokenCutoffColumns)

account_keys = sa.table("users", sa.column("id", BigId), sa.column("token_key", sa.String))
"""The keys that tokens carry. The model of the table is in ``accounts``, which is built on this package."""
