"""A session says truly what is locked, what is in a transaction and what is not."""

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import Session, session_scope
from scheduling.db.statements import Statement
from scheduling.times import utcnow

MINE = sa.select(users.c.name).where(users.c.id == sa.bindparam("user_id"))


def is_postgresql(site):
    return site.registry.engine.dialect.name == "postgresql"


@pytest.fixture
def user_id(site):
    return site.user("Alice").id


def is_locked(site, user_id):
    """Tell whether another session would have to wait before it could change the user."""
    with session_scope(site.registry) as db:
        impatience = "SET lock_timeout = '1ms'" if is_postgresql(site) else "PRAGMA busy_timeout = 0"
        db.connection.exec_driver_sql(impatience)
        try:
            db.write(sa.update(users).where(users.c.id == user_id).values(name="Bob"))
        except sa.exc.OperationalError:
            return True
        finally:
            # Neither the change nor the setting may stay with the connection.
            db.connection.invalidate()
            db.close()
    return False


@pytest.mark.parametrize("read", ["rows", "row", "scalar"])
@pytest.mark.parametrize(
    "query",
    [
        MINE.with_for_update(),
        MINE.with_for_update(read=True),
        MINE.with_for_update(skip_locked=True, key_share=True),
        sa.select(MINE.with_for_update().subquery()),
        Statement(MINE.with_for_update()),
    ],
    ids=["update", "share", "no key update", "a subquery", "a Statement"],
)
def test_a_read_that_locks_keeps_its_lock_until_the_commit(site, user_id, read, query):
    with session_scope(site.registry) as db:
        assert getattr(db, read)(query, {"user_id": user_id})
        assert is_locked(site, user_id)
    assert not is_locked(site, user_id)


def test_a_read_that_locks_keeps_its_lock_until_everything_is_undone(site, user_id):
    db = Session(site.registry.engine, site.registry)
    db.row(MINE.with_for_update(), {"user_id": user_id})
    assert is_locked(site, user_id)
    db.close()
    assert not is_locked(site, user_id)


def test_sql_as_text_that_locks_keeps_its_lock(site, user_id):
    if not is_postgresql(site):
        pytest.skip("SQLite has no such SQL")
    with session_scope(site.registry) as db:
        db.rows(sa.text("select name from users where id = :user_id for share"), {"user_id": user_id})
        assert is_locked(site, user_id)


def test_a_read_that_does_not_lock_begins_no_transaction(site, user_id):
    with site.queries() as queries, session_scope(site.registry) as db:
        db.row(MINE, {"user_id": user_id})
        assert not is_locked(site, user_id)
    assert "SELECT" in queries.statements[0]


def test_a_read_modified_and_written_back_under_a_lock_is_one_transaction(site, user_id):
    with site.queries() as queries, session_scope(site.registry) as db:
        name = db.scalar(MINE.with_for_update(), {"user_id": user_id})
        db.write(sa.update(users).where(users.c.id == user_id).values(name=f"{name}!"))
    verbs = [statement.split()[0] for statement in queries.statements]
    # SQLAlchemy tells of a statement before it runs it, so the SELECT may be told of first.
    assert sorted(verbs[:2]) == ["BEGIN", "SELECT"]
    assert verbs[2:] == ["UPDATE", "COMMIT"]


def test_words_in_a_value_are_no_locking_clause(site, user_id):
    with site.queries() as queries, session_scope(site.registry) as db:
        db.rows(sa.select(users.c.id).where(users.c.name == "ready for update"))
    assert len(queries) == 1


@pytest.mark.parametrize("read", ["rows", "row", "scalar"])
@pytest.mark.parametrize("kind", [sa.Update, Statement])
def test_a_write_that_is_run_as_a_read_is_undone_with_the_transaction(site, user_id, read, kind):
    # A Statement computes no value for updated_at.
    update = sa.update(users).values(name="Bob", updated_at=utcnow()).returning(users.c.id)
    if kind is Statement:
        update = Statement(update)
    db = Session(site.registry.engine, site.registry)
    assert getattr(db, read)(update)
    db.close()
    with session_scope(site.registry) as db:
        assert db.scalar(MINE, {"user_id": user_id}) == "Alice"


def test_the_names_of_the_release_before_still_work(site):
    add = Statement(sa.insert(users).returning(users.c.id))
    moments = {"created_at": utcnow(), "updated_at": utcnow()}
    account = {"password_hash": "x", "role": "member", "token_key": None, **moments}
    with session_scope(site.registry) as db:
        row = db.write_row(add, {"email": "a@example.com", "name": "A", **account})
        plain = Statement(sa.insert(users))
        db.later(plain, {"email": "b@example.com", "name": "B", **account})
        assert db.scalar(MINE, {"user_id": row.id}) == "A"
    with session_scope(site.registry) as db:
        assert [row.name for row in db.rows(sa.select(users.c.name).order_by(users.c.name))] == ["A", "B"]
