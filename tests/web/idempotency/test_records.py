"""Records are kept for a day, and then deleted in batches."""

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.db import pruning
from scheduling.db.session import session_scope
from scheduling.times import utcnow
from scheduling.web.idempotency import records
from scheduling.web.idempotency.models import idempotency_keys
from tests.kit.factories import BOOKING, count_rows


def add(site, *ages):
    """Write records of these ages."""
    rows = [
        {
            "id": uuid.uuid4(),
            "fingerprint": uuid.uuid4(),
            "status": 201,
            "headers": "[]",
            "body": b"{}",
            "created_at": utcnow() - age,
        }
        for age in ages
    ]
    with session_scope(site.registry) as db:
        db.write(sa.insert(idempotency_keys), rows)


def test_records_of_more_than_a_day_are_deleted_and_no_others(site):
    add(site, timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1), timedelta(days=9))
    assert not records.prune(site.registry)
    assert count_rows(site, idempotency_keys) == 1


def test_many_are_deleted_in_batches(site, monkeypatch):
    monkeypatch.setattr(pruning, "PRUNE_BATCH", 2)
    add(site, *[timedelta(days=2)] * 3)
    assert records.prune(site.registry)
    assert count_rows(site, idempotency_keys) == 1
    assert not records.prune(site.registry)
    assert count_rows(site, idempotency_keys) == 0


def test_workers_do_so(site):
    assert site.registry.housekeeping["idempotency keys"].work is records.prune


def test_a_key_may_be_taken_for_something_else_when_its_record_is_deleted(site):
    alice, key = site.user(), {"Idempotency-Key": "k"}
    alice.post("/bookings", BOOKING, headers=key, status=201)
    with session_scope(site.registry) as db:
        db.write(sa.update(idempotency_keys).values(created_at=utcnow() - timedelta(days=2)))
    records.prune(site.registry)
    alice.post("/bookings", BOOKING | {"title": "Retro"}, headers=key, status=201)


@pytest.mark.parametrize("is_first", [True, False])
def test_the_lock_ends_with_the_transaction(site, is_first):
    if site.registry.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer and needs no lock")
    record_id = uuid.uuid4()
    with session_scope(site.registry) as first, session_scope(site.registry) as other:
        assert records.begin(first, record_id) == (True, None)
        if is_first:
            first.commit()
        assert records.begin(other, record_id) == (is_first, None)
