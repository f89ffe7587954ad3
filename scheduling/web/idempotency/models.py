"""The table of calls that were done with an Idempotency-Key, and what they answered."""

import uuid
from datetime import datetime

import sqlalchemy as sa

from scheduling.db.metadata import Timestamp, metadata


class IdempotencyKeyColumns(sa.TypedColumns):
    """``id`` is a hash of who called what with which key, ``fingerprint`` one of what was sent.

    ``headers`` is a JSON array of pairs. Nothing of the key or of the request can be read from a row.
    """

    id: sa.Named[uuid.UUID] = sa.Column(sa.Uuid, primary_key=True)
    fingerprint: sa.Named[uuid.UUID] = sa.Column(sa.Uuid, nullable=False)
    status: sa.Named[int] = sa.Column(sa.SmallInteger, nullable=False)
    headers: sa.Named[str] = sa.Column(sa.Text, nullable=False)
    body: sa.Named[bytes] = sa.Column(sa.LargeBinary, nullable=False)
    created_at: sa.Named[datetime] = sa.Column(Timestamp, nullable=False, index=True)


idempotency_keys = sa.Table("idempotency_keys", metadata, IdempotencyKeyColumns)
