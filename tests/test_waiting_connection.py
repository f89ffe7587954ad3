"""Connections in a thread that others depend on, with a real PostgreSQL."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import make_url

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


def conninfo(server):
    return server.url.replace("+psycopg", "")


@pytest.fixture
def lead():
    return Lead()


@pytest.fixture
def in_server(postgres, lead):
    """A function that calls another with a connection, in a thread that others depend on."""
    with ThreadPoolExecutor(1, initializer=lambda: serve_others(lead.aside)) as thread:

        def call(function, **other):
            def work():
                with Connection.connect(conninfo(postgres), autocommit=True, **other) as connection:
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


def forward(source, target):
    """Hand on what comes as a long cable would."""
    while data := source.recv(65536):
        time.sleep(2 * waiting.FAR_SECONDS)
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


@contextmanager
def long_cable(port):
    """Give a port by which one client reaches another port, but not so soon."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def connect():
            near, _ = listener.accept()
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                back = threading.Thread(target=forward, args=(far, near), daemon=True)
                back.start()
                forward(near, far)
                back.join()

        threading.Thread(target=connect, daemon=True).start()
        yield listener.getsockname()[1]


def test_any_answer_of_a_database_that_is_far_is_waited_for_aside(postgres, in_server, lead):
    def ask(connection):
        for _ in range(200):
            assert connection.execute("SELECT 1").fetchone() == (1,)
            # As SQLAlchemy's pool does, for which psycopg need not ask the server.
            connection.rollback()

    with long_cable(make_url(postgres.url).port) as port:
        in_server(ask, port=port)
    assert lead.given_up == lead.done >= 100
    in_server(ask)


def test_elsewhere_a_connection_is_psycopgs_own(postgres, lead):
    with Connection.connect(conninfo(postgres), autocommit=True) as connection:
        assert connection.execute(SLOW).fetchone() == (7,)
    assert not lead.given_up
