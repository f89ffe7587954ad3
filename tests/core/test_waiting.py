"""Connections in a thread that others depend on, with a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from scheduling import waiting
from scheduling.waiting import Connection, serve_others

SLOW = "SELECT 7 FROM pg_sleep(0.3)"


class Lead:
    """What a server does for a thread that waits: it counts."""

    def __init__(self):
        self.given_up, self.done = 0, 0

    @contextmanager
    def aside(self, *, stand_in):
        assert not stand_in
        self.given_up += 1
        try:
            yield
        finally:
            self.done += 1


@pytest.fixture
def lead():
    return Lead()


@pytest.fixture
def in_server(postgres, lead):
    """A function that calls another with a connection, in a thread that others depend on."""
    with ThreadPoolExecutor(1, initializer=lambda: serve_others(lead.aside)) as thread:

        def call(function):
            def work():
                with Connection.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as connection:
                    return function(connection)

            return thread.submit(work).result(60)

        yield call


def test_a_slow_statement_is_waited_for_aside(in_server, lead):
    assert in_server(lambda connection: connection.execute(SLOW).fetchone()) == (7,)
    assert lead.given_up == lead.done >= 1


def test_a_slow_statement_that_fails_gives_its_error(in_server, lead):
    statement = "SELECT 1 / (SELECT count(*) - 1 FROM pg_sleep(0.3))"
    with pytest.raises(psycopg.errors.DivisionByZero):
        in_server(lambda connection: connection.execute(statement))
    assert lead.given_up == lead.done >= 1


def test_a_connection_that_is_cut_while_a_statement_waits_gives_its_error(in_server, lead):
    with pytest.raises(psycopg.OperationalError):
        in_server(lambda connection: connection.execute("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert lead.given_up == lead.done


def test_any_answer_of_a_far_database_is_waited_for_aside(in_server, lead, monkeypatch):
    monkeypatch.setattr(waiting, "FAR_SECONDS", 0.0)

    def ask(connection):
        for _ in range(150):
            assert connection.execute("SELECT 1").fetchone() == (1,)

    in_server(ask)
    assert lead.given_up == lead.done >= 50
    monkeypatch.undo()
    in_server(ask)


def test_elsewhere_a_connection_is_psycopgs_own(postgres, lead):
    with Connection.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as connection:
        assert connection.execute(SLOW).fetchone() == (7,)
    assert not lead.given_up
