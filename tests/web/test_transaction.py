"""Bugs and outages: the client learns how to go on and no more, and nothing is half done."""

import logging
import uuid

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.sql import SQL, Identifier
from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from scheduling.accounts.models import users
from scheduling.db.session import Session
from scheduling.testing import Site
from scheduling.testing.processes import wait_for
from scheduling.web.resources import Root

SECRET_DETAIL = "SELECT * FROM safes WHERE combination = 4711"


@pytest.fixture
def failing_site(tmp_path):
    site = Site(f"sqlite:///{tmp_path}/test.db", [], {"scheduling.database_timeout": "1"})
    config = Configurator(registry=site.registry)

    def fail(context, request):
        request.db.write(sa.delete(users))
        raise RuntimeError(SECRET_DETAIL)

    config.add_view(fail, context=Root, name="fail", permission=NO_PERMISSION_REQUIRED)
    config.commit()
    yield site
    site.close()


def test_a_bug_is_a_500_that_shows_its_request_id_and_nothing_else(failing_site, caplog):
    answer = failing_site.app.get("/fail", status=500)
    body = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body.keys() == {"type", "title", "status", "code", "detail", "error", "request_id"}
    assert (body["title"], body["status"]) == ("Internal Server Error", 500)
    for leak in ("4711", "RuntimeError", "Traceback", "test_failures"):
        assert leak not in answer.text + str(answer.headers)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    [logged] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logged.request_id == body["request_id"]
    assert SECRET_DETAIL in str(logged.exc_info[1])


def test_what_a_failed_request_wrote_is_undone(failing_site):
    alice = failing_site.user()
    failing_site.app.get("/fail", status=500)
    alice.get("/users/me", status=200)


def test_a_500_shows_no_sql_and_the_log_no_values(failing_site, caplog):
    with failing_site.registry.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE users"))
    sent = {"email": "bob@example.com", "password": "hunter2hunter2"}
    answer = failing_site.anonymous.post("/auth/login", sent, status=500)
    for leak in ("SELECT", "users", "sqlite"):
        assert leak not in answer.text
    assert "no such table" in caplog.text
    assert "hunter2" not in caplog.text
    assert "bob@example.com" not in caplog.text


def unavailable(answer):
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json
    assert (body["title"], body["status"]) == ("Service Unavailable", 503)
    assert body["error"] == body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "psycopg" not in answer.text
    assert "127.0.0.1" not in answer.text


@pytest.fixture
def postgres_site(postgres):
    name = f"test_{uuid.uuid4().hex}"
    site = Site(postgres.create_database(name), [])
    yield site
    site.close()
    postgres.drop_database(name)


def hang_up(server, site):
    name = site.registry.engine.url.database
    server.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name])


def admit(server, site, answer):
    name = Identifier(site.registry.engine.url.database)
    server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, SQL(answer)))


def test_while_postgresql_is_away_the_answer_is_503_and_afterwards_good_again(postgres, postgres_site):
    alice = postgres_site.user()
    with psycopg.connect(postgres.url, autocommit=True) as server:
        admit(server, postgres_site, "false")
        hang_up(server, postgres_site)
        unavailable(alice.get("/users/me", status=503))
        unavailable(alice.patch("/users/me", {"name": "Alicia"}, status=503))
        postgres_site.app.get("/health", status=200)
        admit(server, postgres_site, "true")
    assert alice.get("/users/me", status=200).json["name"] == "Alice"


def test_a_connection_that_broke_meanwhile_is_replaced_unseen(postgres, postgres_site):
    alice = postgres_site.user()
    with psycopg.connect(postgres.url, autocommit=True) as server:
        hang_up(server, postgres_site)
        alice.patch("/users/me", {"name": "Alicia"}, status=200)
        hang_up(server, postgres_site)
        assert alice.get("/users/me", status=200).json["name"] == "Alicia"


def test_while_sqlite_is_locked_the_answer_is_503(failing_site):
    alice = failing_site.user()
    with failing_site.registry.engine.connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        unavailable(alice.patch("/users/me", {"name": "Alicia"}, status=503))
        alice.get("/users/me", status=200)
    alice.patch("/users/me", {"name": "Alicia"}, status=200)


def test_when_no_connection_becomes_free_the_answer_is_503(tmp_path):
    settings = {"scheduling.database_timeout": "1", "scheduling.database_pool_size": "1"}
    site = Site(f"sqlite:///{tmp_path}/test.db", [], settings)
    alice = site.user()
    with site.registry.engine.connect():
        unavailable(alice.get("/users/me", status=503))
    alice.get("/users/me", status=200)
    site.close()


def test_a_transaction_in_which_nothing_happens_is_ended_by_the_server(postgres):
    name = f"test_{uuid.uuid4().hex}"
    site = Site(postgres.create_database(name), [], {"scheduling.database_timeout": "1"})
    alice = site.user()
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'idle in transaction'"
    with psycopg.connect(postgres.url, autocommit=True) as server:

        def number_of_idle():
            return server.execute(idle, [name]).fetchone()[0]

        db = Session(site.registry.engine, site.registry)
        db.write(sa.update(users).values(name="Nobody"))
        assert number_of_idle() == 1
        wait_for(lambda: number_of_idle() == 0)
        with pytest.raises(sa.exc.DBAPIError):
            db.commit()
        db.close()
    alice.patch("/users/me", {"name": "Alicia"}, status=200)
    site.close()
    postgres.drop_database(name)
