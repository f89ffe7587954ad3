"""A PostgreSQL that hangs is given up in time, and nobody waits for it until it answers again."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.db import migrations
from scheduling.db.breaker import Hanging
from scheduling.db.deadline import GivenUp
from scheduling.db.engine import create_engine
from scheduling.db.pool import guard_of
from scheduling.db.session import Session
from scheduling.startup import set_up
from scheduling.testing.processes import wait_for
from scheduling.testing.servers import postgres_server
from scheduling.web.transaction import is_retryable

TIMEOUT = 2  # libpq waits no shorter for a connection


@pytest.fixture(scope="module")
def own_postgres():
    """A PostgreSQL that no other test uses while one of these stops it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def make_engine(own_postgres):
    """A function that makes an engine, with the time-out of these tests."""
    made = []

    def make(user="postgres", **settings):
        settings = {
            "database_url": own_postgres.url.replace("postgres@", f"{user}@"),
            "database_timeout": str(TIMEOUT),
            "jwt_secret": "x" * 32,
            **settings,
        }
        ini = {f"scheduling.{name}": value for name, value in settings.items()}
        made.append(create_engine(set_up(ini, {}).settings))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@contextmanager
def taking(least, most):
    """Require that what is done here takes so many seconds."""
    began = monotonic()
    yield
    assert least <= monotonic() - began <= most


def refusal(engine):
    """Return why the engine gives no answer now, an exception of psycopg's."""
    with pytest.raises(sa.exc.OperationalError) as raised, engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    return raised.value.orig


def test_a_statement_is_given_up_and_what_follows_is_refused_until_the_server_answers(
    make_engine, own_postgres, caplog
):
    engine = make_engine()
    with engine.connect() as connection:
        with own_postgres.hanging():
            with (
                taking(TIMEOUT, TIMEOUT + 2),
                pytest.raises(sa.exc.OperationalError) as raised,
            ):
                connection.exec_driver_sql("SELECT 1")
            assert isinstance(raised.value.orig, GivenUp)
            assert raised.value.connection_invalidated
            assert not is_retryable(raised.value, SimpleNamespace(committing=False))
            for _ in range(20):
                with taking(0, 0.5):
                    assert isinstance(refusal(engine), Hanging)
        with taking(0, 2):
            wait_for(lambda: not guard_of(engine).breaker.is_open)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert "The database hangs" in caplog.text
    assert "The database answers again" in caplog.text


def test_a_new_connection_is_given_up_too(make_engine, own_postgres):
    engine = make_engine()
    with own_postgres.hanging():
        with taking(TIMEOUT, TIMEOUT + 2):
            assert isinstance(refusal(engine), psycopg.errors.ConnectionTimeout)
        assert isinstance(refusal(engine), Hanging)
    wait_for(lambda: not guard_of(engine).breaker.is_open)


def test_one_process_of_the_server_that_hangs_is_given_up_and_no_other_is(make_engine):
    engine = make_engine()
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        os.kill(pid, signal.SIGSTOP)
        try:
            with taking(TIMEOUT, TIMEOUT + 2), pytest.raises(sa.exc.OperationalError) as raised:
                connection.exec_driver_sql("SELECT 1")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert isinstance(raised.value.orig, GivenUp)
    assert not guard_of(engine).breaker.is_open
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_statement_that_the_server_lets_run_for_too_long_is_cancelled(make_engine):
    engine = make_engine()
    with engine.connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        with taking(TIMEOUT, TIMEOUT + 2), pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
        assert isinstance(raised.value.orig, psycopg.errors.QueryCanceled)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert not guard_of(engine).breaker.is_open


def test_where_psycopg_cannot_cancel_without_waiting_the_connection_is_closed(make_engine, monkeypatch):
    def has_cancel_safe(*, check):
        raise psycopg.NotSupportedError

    monkeypatch.setattr(psycopg.capabilities, "has_cancel_safe", has_cancel_safe)
    engine = make_engine()
    with engine.connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        with taking(TIMEOUT, TIMEOUT + 2), pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
    assert isinstance(raised.value.orig, GivenUp)


def test_a_statement_that_goes_on_sending_is_not_given_up(make_engine):
    engine = make_engine()
    # More than fits into the buffers between us, so that it is sent while it runs.
    rows = "SELECT repeat('x', 1000000), pg_sleep(0.5) FROM generate_series(1, 7)"
    with engine.connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        with taking(TIMEOUT + 1, 60):
            assert len(connection.exec_driver_sql(rows).all()) == 7


def test_a_statement_may_be_long_where_that_is_said_until_the_transaction_ends(make_engine):
    engine = make_engine()
    db = Session(engine, registry=None)
    db.allow_long_statements()
    with taking(TIMEOUT + 1, 60):
        db.write(sa.text(f"SELECT pg_sleep({TIMEOUT + 1})"))
    db.commit()
    with taking(TIMEOUT, TIMEOUT + 2), pytest.raises(sa.exc.OperationalError) as raised:
        db.rows(sa.text("SELECT pg_sleep(60)"))
    assert isinstance(raised.value.orig, psycopg.errors.QueryCanceled)
    db.close()


def test_a_migration_waits_for_another_for_as_long_as_it_takes(make_engine):
    engine = make_engine()
    done = threading.Event()

    def upgrade():
        migrations.upgrade(engine, [])
        done.set()

    with migrations._locked(make_engine()):
        other = threading.Thread(target=upgrade)
        other.start()
        assert not done.wait(TIMEOUT + 1.5)
    other.join(60)
    assert done.is_set()


@pytest.fixture
def few(own_postgres):
    """A role that may have two connections."""
    with psycopg.connect(own_postgres.url, autocommit=True) as server:
        server.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 2")
        yield server
        server.execute("DROP ROLE few")


def test_where_the_server_takes_no_more_connections_one_that_is_there_is_waited_for(make_engine, few, caplog):
    engine = make_engine("few")

    def select(_):
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT 1 FROM pg_sleep(0.05)").scalar()

    with ThreadPoolExecutor(5) as threads:
        assert set(threads.map(select, range(30))) == {1}
    assert guard_of(engine).refused > 0
    assert caplog.text.count("The database refuses more connections: ") == 1
    engine.dispose()


def test_where_there_is_none_to_wait_for_it_is_refused_at_once_and_else_in_time(make_engine, few):
    engine = make_engine("few")
    few.execute("ALTER ROLE few CONNECTION LIMIT 0")
    with taking(0, 1):
        assert "too many connections" in str(refusal(engine))
    few.execute("ALTER ROLE few CONNECTION LIMIT 1")
    with engine.connect(), taking(TIMEOUT, TIMEOUT + 2):
        assert "too many connections" in str(refusal(engine))
    engine.dispose()
