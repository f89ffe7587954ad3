"""A new session of PostgreSQL has what the code relies on, and for the rest what the operator wrote."""

import uuid
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.config.database_url import REQUIRED_PARAMETERS
from scheduling.config.settings import CoreSchema, Settings
from scheduling.db import migrations
from scheduling.db.engine import create_engine
from scheduling.db.postgres import arguments
from scheduling.exceptions import StartupError
from scheduling.testing import Site

OTHERWISE = {
    "TimeZone": "Europe/Berlin",
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "extra_float_digits": "0",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
}

# ICU, which `make test-turkish` has for all other databases, is for UTF8 alone.
FOR_ANY_ENCODING = "LOCALE_PROVIDER 'libc' LC_COLLATE 'C' LC_CTYPE 'C'"


@pytest.fixture
def new_database(postgres):
    """A function that makes a database, also with options of CREATE DATABASE; returns its URL."""
    names = []

    def new_database(options=""):
        names.append(f"session_{uuid.uuid4().hex}")
        url = postgres.create_database(names[-1])
        if options:
            postgres.drop_database(names[-1])
            execute(postgres.url, f"CREATE DATABASE {names[-1]} TEMPLATE template0 {options}")
        return url

    yield new_database
    for name in names:
        postgres.drop_database(name)


def execute(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def settings(url, **more):
    given = {"database_url": url, "jwt_secret": "x" * 32, **more}
    return Settings(**CoreSchema().load(given))


@contextmanager
def session(url, **more):
    engine = create_engine(settings(url, **more))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def shown(connection, name):
    return connection.exec_driver_sql(f"SHOW {name}").scalar()


def test_another_value_is_tried_of_every_parameter_on_which_the_code_relies():
    assert OTHERWISE.keys() == REQUIRED_PARAMETERS.keys()


def test_what_the_code_relies_on_is_so_whatever_server_role_and_variables_say(new_database, monkeypatch):
    url = new_database()
    name = url.rpartition("/")[2]
    execute(url, *(f"ALTER DATABASE {name} SET {item} = '{value}'" for item, value in OTHERWISE.items()))
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGOPTIONS", "-c intervalstyle=sql_standard")
    with session(url) as connection:
        assert {item: shown(connection, item) for item in REQUIRED_PARAMETERS} == REQUIRED_PARAMETERS
        assert shown(connection, "client_encoding") == "UTF8"


def test_limits_and_plans_are_set_where_the_operator_says_nothing(new_database):
    with session(new_database()) as connection:
        assert shown(connection, "statement_timeout") == "10s"
        assert shown(connection, "idle_in_transaction_session_timeout") == "20s"
        assert shown(connection, "plan_cache_mode") == "force_generic_plan"
        assert shown(connection, "application_name") == "scheduling"


@pytest.mark.parametrize("by", ["url", "variables"])
def test_what_the_operator_wrote_wins(new_database, monkeypatch, by):
    url = new_database()
    execute(url, "CREATE SCHEMA tenant")
    if by == "url":
        url += "?options=-csearch_path%3Dtenant%20-cstatement_timeout%3D7s&application_name=agenda"
    else:
        monkeypatch.setenv("PGOPTIONS", "-csearch_path=tenant -cstatement_timeout=7s")
        monkeypatch.setenv("PGAPPNAME", "agenda")
    with session(url) as connection:
        assert shown(connection, "search_path") == "tenant"
        assert shown(connection, "statement_timeout") == "7s"
        assert shown(connection, "application_name") == "agenda"
        # What was not written is as ever.
        assert shown(connection, "idle_in_transaction_session_timeout") == "20s"


def test_tables_are_where_the_search_path_of_the_url_leads(new_database):
    url = new_database()
    execute(url, "CREATE SCHEMA tenant")
    with closing(Site(f"{url}?options=-csearch_path%3Dtenant", ["bookings"])) as site:
        site.user()
        inspector = sa.inspect(site.registry.engine)
        assert "users" in inspector.get_table_names("tenant")
        assert inspector.get_table_names("public") == []


def test_connect_timeout_and_keepalives_of_the_url_reach_libpq(monkeypatch):
    ours = arguments(settings("postgresql://db/name"))
    assert (ours["connect_timeout"], ours["keepalives_idle"], ours["tcp_user_timeout"]) == (10, 10, 10000)
    query = "connect_timeout=3&keepalives_idle=7&keepalives_count=9&tcp_user_timeout=0"
    theirs = arguments(settings(f"postgresql://db/name?{query}"))
    assert ours.keys() - theirs.keys() == {
        "connect_timeout",
        "keepalives_idle",
        "keepalives_count",
        "tcp_user_timeout",
    }
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "4")
    assert "connect_timeout" not in arguments(settings("postgresql://db/name"))


def test_a_host_that_vanished_does_not_keep_the_next_from_being_asked():
    assert arguments(settings("postgresql://one,two/name"))["connect_timeout"] == 2


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_name_is_refused(new_database, encoding):
    url = new_database(f"ENCODING '{encoding}' {FOR_ANY_ENCODING}")
    engine = create_engine(settings(url))
    with pytest.raises(StartupError, match=f"has the encoding {encoding}.* has to be UTF8: createdb"):
        migrations.require_upgraded(engine, [])
    engine.dispose()


def test_commands_say_so_in_one_line(new_database, failed_message):
    url = new_database(f"ENCODING 'SQL_ASCII' {FOR_ANY_ENCODING}")
    said = failed_message("db", "upgrade", DATABASE_URL=url)
    assert said.startswith("Error: The database 'session_")
    assert len(said.splitlines()) == 1


def test_every_name_survives_a_database_whose_role_has_another_encoding(new_database):
    url = new_database()
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET client_encoding = 'LATIN1'")
    with closing(Site(url, [])) as site:
        name = "Zoë Łódź 東"
        assert site.user(name).get("/users/me").json["name"] == name
