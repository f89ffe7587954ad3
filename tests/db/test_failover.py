"""A server that only reads, or can do no work any more: 503, its sessions are closed, another takes over."""

import time
import uuid
from contextlib import ExitStack, closing

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.config.settings import CoreSchema, Settings
from scheduling.db import driver
from scheduling.db.engine import create_engine
from scheduling.db.failures import is_session_useless, is_unavailable
from scheduling.testing import Site
from scheduling.testing.processes import wait_for
from scheduling.testing.servers import postgres_server
from scheduling.web.readiness import Readiness
from tests.kit.factories import BOOKING


def execute(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def demoted(postgres, enabled_plugins, monkeypatch):
    """A site whose sessions are at a server that only reads now, and a function that has another take over.

    That is another server for new sessions alone, as where the name of the database's host has moved.
    """
    monkeypatch.setattr(f"{Readiness.__module__}.CACHE_SECONDS", 0)
    name = f"failover_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    with closing(Site(url, enabled_plugins)) as site:
        site.alice = site.user("Alice")
        site.registry.engine.dispose()
        execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        site.alice.get("/users/me", status=200)
        yield (
            site,
            lambda: execute(postgres.url, f"ALTER DATABASE {name} SET default_transaction_read_only = off"),
        )
    postgres.drop_database(name)


def book(site, status):
    """Write by statements that psycopg is given directly."""
    return site.alice.post("/bookings", BOOKING, status=status)


def rename(site, status):
    """Write by a statement that goes through SQLAlchemy."""
    return site.alice.patch("/users/me", {"name": "Alice B."}, status=status)


@pytest.mark.parametrize(("write", "done"), [(book, 201), (rename, 200)])
def test_sessions_that_only_read_are_given_up_with_the_first_write(demoted, write, done):
    site, take_over = demoted
    assert write(site, 503).headers["Retry-After"]
    take_over()
    # Whatever session it gets is a new one.
    for _ in range(3):
        write(site, done)


@pytest.mark.parametrize("write", [book, rename])
def test_a_write_that_meets_such_a_session_first_is_repeated_with_another(demoted, write):
    site, take_over = demoted
    take_over()
    # A statement that would have been committed by itself is not repeated.
    write(site, "*")
    write(site, "2*")


def test_a_server_that_only_reads_is_not_ready_and_its_sessions_are_closed(demoted):
    site, take_over = demoted
    answer = site.app.get("/health/ready", status=503)
    assert answer.json["error"] == "The database only reads."
    take_over()
    site.app.get("/health/ready", status=200)
    book(site, 201)


@pytest.fixture
def connection(postgres):
    given = {"database_url": postgres.url, "jwt_secret": "x" * 32}
    engine = create_engine(Settings(**CoreSchema().load(given)))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    "run", [sa.Connection.exec_driver_sql, driver.execute], ids=["SQLAlchemy", "psycopg"]
)
@pytest.mark.parametrize("code", ["25006", "53100", "53200", "53400", "57P01", "57P02", "57P03", "58030"])
def test_an_error_after_which_a_session_is_of_no_use_is_a_503_and_closes_it(connection, run, code):
    session = connection.connection.driver_connection
    with pytest.raises(sa.exc.DBAPIError, match="enough") as raised:
        run(connection, f"DO $$ BEGIN RAISE EXCEPTION 'enough' USING ERRCODE = '{code}'; END $$")
    assert is_unavailable(raised.value)
    assert raised.value.connection_invalidated
    assert session.closed


@pytest.mark.parametrize("code", ["57014", "55P03", "40001", "40P01", "23505", "42P01", "22001"])
def test_other_errors_leave_the_session_as_it_is(code):
    assert not is_session_useless(psycopg.errors.lookup(code)("no"))


def test_a_standby_that_takes_over_is_found_within_two_seconds(enabled_plugins):
    with ExitStack() as ends:
        first, second = (ends.enter_context(postgres_server()) for _ in range(2))
        ends.enter_context(closing(Site(second.create_database("site"), enabled_plugins)))
        # As a standby it would refuse sessions that ask for one that can write.
        execute(second.url, "ALTER SYSTEM SET default_transaction_read_only = on")
        execute(second.url, "SELECT pg_reload_conf()")
        wait_for(lambda: shown(second.url, "default_transaction_read_only") == "on")
        places = ",".join(server.url.partition("@")[2].partition("/")[0] for server in (first, second))
        first.create_database("site")
        site = Site(f"postgresql://postgres@{places}/site?target_session_attrs=read-write", enabled_plugins)
        ends.enter_context(closing(site))
        site.user("Alice")
        first.kill()
        register(site, 503)
        execute(second.url, "ALTER SYSTEM RESET default_transaction_read_only")
        execute(second.url, "SELECT pg_reload_conf()")
        wait_for(lambda: shown(second.url, "default_transaction_read_only") == "off")
        began = time.monotonic()
        wait_for(lambda: register(site).status_int == 201)
        assert time.monotonic() - began < 2


def shown(url, name):
    with psycopg.connect(url) as connection:
        return connection.execute(f"SHOW {name}").fetchone()[0]


def register(site, status="*"):
    sent = {"name": "Bob", "email": f"{uuid.uuid4().hex}@example.com", "password": "secret123"}
    return site.anonymous.post("/auth/register", sent, status=status)
