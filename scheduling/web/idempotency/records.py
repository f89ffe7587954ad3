"""The SQL of idempotency keys: one call at a time, the answers that are kept, and their end after a day."""

from __future__ import annotations

import uuid  # noqa: TC003 - the fields of Record are read at run time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import orjson
import sqlalchemy as sa

from scheduling.db import driver
from scheduling.db.pruning import delete_batch
from scheduling.db.statements import Statement
from scheduling.times import utcnow
from scheduling.web.idempotency.models import idempotency_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.db.registry import DatabaseRegistry
    from scheduling.db.session import Session

KEPT = timedelta(hours=24)
PRUNE_SECONDS = 600.0


class Record(NamedTuple):
    """A call that was done: what was sent, as a hash, and what was answered; the headers are JSON."""

    fingerprint: uuid.UUID
    status: int
    headers: str
    body: bytes


_insert = Statement(sa.insert(idempotency_keys))

_find = sa.select(*(idempotency_keys.c[name] for name in Record._fields)).where(
    idempotency_keys.c.id == sa.bindparam("record_id")
)

# In one round trip. The look-up has a snapshot of its own, taken when the lock is held or known to be held by
# somebody else: whoever has the lock sees what those have committed who had it before. The lock ends with the
# transaction, however that ends, and so needs no session of its own behind a pooler.
_BEGIN_AND_FIND = """\
BEGIN;
SELECT pg_try_advisory_xact_lock({lock});
SELECT {columns} FROM idempotency_keys WHERE id = '{record_id}'\
"""


def begin(db: Session, record_id: uuid.UUID) -> tuple[bool, Record | None]:
    """Begin the transaction of a call; return whether no other call of this id runs, and the record if any.

    On SQLite other calls wait until this one ends, since only one can write.
    """
    if db.connection.dialect.name == "sqlite":
        driver.begin(db.connection)
        row = db.row(_find, {"record_id": record_id})
        return True, Record(*row) if row else None
    lock = int.from_bytes(record_id.bytes[:8], signed=True)
    text = _BEGIN_AND_FIND.format(lock=lock, record_id=record_id, columns=", ".join(Record._fields))
    cursor = driver.execute_together(db.connection, text)
    cursor.nextset()
    [has_lock] = cursor.fetchone() or [False]
    cursor.nextset()
    found = cursor.fetchone()
    return has_lock, Record(*found) if found else None


def keep(
    db: Session,
    record_id: uuid.UUID,
    fingerprint: uuid.UUID,
    *,
    status: int,
    headers: Sequence[tuple[str, str]],
    body: bytes,
) -> None:
    """Keep an answer, from the commit of the present transaction on."""
    row = {
        "id": record_id,
        "fingerprint": fingerprint,
        "status": status,
        "headers": orjson.dumps(headers).decode(),
        "body": body,
        "created_at": utcnow(),
    }
    db.insert_at_commit(_insert, row)


def prune(registry: DatabaseRegistry) -> bool:
    """Delete a batch of records that are older than a day; tell whether there may be more."""
    created_at = idempotency_keys.c.created_at
    return delete_batch(registry, created_at, created_at < utcnow() - KEPT)
