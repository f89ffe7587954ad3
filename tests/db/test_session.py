"""The session: when its transaction begins, and that a lock which is asked for holds."""

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.db.statements import Statement, locks_rows

LOCKING = sa.select(users.c.id).with_for_update()
QUERIES = {
    "a query": LOCKING,
    "a statement that is compiled once": Statement(LOCKING),
    "a subquery": sa.select(sa.select(users.c.id).with_for_update(read=True).subquery()),
    "SQL as text": sa.text("SELECT id FROM users FOR NO KEY UPDATE"),
}
# SQLite has no locking clause; SQLAlchemy leaves it out.
ON_SQLITE = [name for name in QUERIES if name != "SQL as text"]


def is_locked_for_others(site):
    """Tell whether another connection, which does not wait, is kept from locking the users."""
    url = site.registry.engine.url
    try:
        if url.drivername == "sqlite":
            with sqlite3.connect(url.database, timeout=0, isolation_level=None) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
        else:
            text = url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(text) as other:
                other.execute("SELECT id FROM users FOR UPDATE NOWAIT")
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return True
    return False


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("method", ["rows", "row", "scalar"])
def test_a_lock_holds_until_the_commit(site, name, method):
    if site.registry.engine.dialect.name == "sqlite" and name not in ON_SQLITE:
        pytest.skip("this is PostgreSQL's SQL")
    site.user()
    with session_scope(site.registry) as db:
        assert getattr(db, method)(QUERIES[name])
        assert is_locked_for_others(site)
        db.commit()
        assert not is_locked_for_others(site)


def test_a_plain_read_begins_no_transaction(site):
    site.user()
    with session_scope(site.registry) as db, site.queries() as queries:
        db.rows(sa.select(users.c.id))
    assert len(queries) == 1
    assert not is_locked_for_others(site)


def test_words_in_a_value_are_no_locking_clause():
    assert not locks_rows(sa.select(users.c.id).where(users.c.name == "ready for update"))
