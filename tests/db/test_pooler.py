"""Behind PgBouncer in transaction mode, where each transaction may have another session of the server."""

import logging
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.config.database_url import REQUIRED_PARAMETERS
from scheduling.config.settings import CoreSchema, Settings
from scheduling.db import driver, migrations
from scheduling.db.engine import create_engine
from scheduling.exceptions import StartupError

THREADS = 8


@pytest.fixture
def pooled(postgres, pooler):
    """A function that gives an engine behind the pooler on a database with parameters."""
    ends = []

    def pooled(**parameters):
        name = f"pooled_{uuid.uuid4().hex}"
        url = postgres.create_database(name)
        with psycopg.connect(url, autocommit=True) as connection:
            for parameter, value in parameters.items():
                connection.execute(f"ALTER DATABASE {name} SET {parameter} = '{value}'")
        given = {"database_url": pooler.url(url), "jwt_secret": "x" * 32}
        engine = create_engine(Settings(**CoreSchema().load(given)))
        ends.extend([lambda: postgres.drop_database(name), engine.dispose])
        return engine

    yield pooled
    for end in reversed(ends):
        end()


def run_in_threads(engine, work):
    """Return what ``work`` returns for each of many connections in turns, from several threads at a time."""

    def one(number):
        with engine.connect() as connection:
            return work(connection, number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(THREADS * 30)))


def test_no_statement_is_taken_for_another(pooled):
    def work(connection, number):
        # Each connection runs them in another order, as processes do that serve different calls.
        for step in range(3):
            width = 1 + (number + step) % 3
            sent = [number] * width
            text = "SELECT " + ", ".join(["%s::int"] * width)
            if list(driver.execute(connection, text, sent).fetchone()) != sent:
                return False
        return list(connection.execute(sa.select(sa.bindparam("n", number))).one()) == [number]

    assert all(run_in_threads(pooled(), work))


def test_every_session_has_what_the_code_relies_on(pooled):
    engine = pooled(TimeZone="Europe/Berlin", DateStyle="German, DMY", standard_conforming_strings="off")
    query = "SELECT name, setting, pg_backend_pid() FROM pg_settings WHERE name = ANY(%s)"

    def work(connection, number):
        return driver.execute(connection, query, [list(REQUIRED_PARAMETERS)]).fetchall()

    seen = run_in_threads(engine, work)
    assert len({rows[0][2] for rows in seen}) > 1
    assert all({name: value for name, value, _ in rows} == REQUIRED_PARAMETERS for rows in seen)


def test_what_a_pooler_does_not_carry_over_is_refused_with_the_cure(pooled):
    engine = pooled(IntervalStyle="iso_8601", transform_null_equals="on")
    with pytest.raises(StartupError) as stopped:
        migrations.require_upgraded(engine, [])
    assert "ALTER ROLE \"postgres\" SET IntervalStyle = 'postgres'" in str(stopped.value)
    assert "ALTER ROLE \"postgres\" SET transform_null_equals = 'off'" in str(stopped.value)


def test_a_role_without_limits_is_warned_of_once(pooled, caplog):
    engine = pooled()
    with caplog.at_level(logging.WARNING), engine.connect(), engine.connect():
        pass
    [warning] = [record.getMessage() for record in caplog.records]
    assert "ALTER ROLE \"postgres\" SET statement_timeout = '10000ms'" in warning
    assert "ALTER ROLE \"postgres\" SET idle_in_transaction_session_timeout = '20000ms'" in warning


def test_a_role_with_limits_is_not(pooled, caplog):
    engine = pooled(statement_timeout="5s", idle_in_transaction_session_timeout="9s")
    with caplog.at_level(logging.WARNING), engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "5s"
    assert caplog.records == []


def test_migrations_lift_the_limits_of_the_role_for_themselves_alone(pooled):
    engine = pooled(statement_timeout="1s", idle_in_transaction_session_timeout="1s")
    with migrations._locked(engine) as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
    seen = run_in_threads(engine, lambda c, _: c.exec_driver_sql("SHOW statement_timeout").scalar())
    assert set(seen) == {"1s"}
