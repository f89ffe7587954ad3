"""No rule depends on the language of the database: here PostgreSQL's is Turkish, where lower('I') is no i."""

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.db import migrations
from scheduling.testing import Site
from scheduling.testing.server_process import ServerError
from scheduling.testing.servers import postgres_server
from scheduling.testing.site import PASSWORD
from tests.kit.factories import create_organization, log_in

# By the release before, which goes by lower() of the database, these are two accounts.
TWO = ("INES@example.com", "ines@example.com")


@pytest.fixture(scope="module")
def turkish():
    """A PostgreSQL whose language is Turkish; where none has ICU, the test is skipped."""
    try:
        with postgres_server("tr") as server:
            yield server
    except ServerError as error:
        pytest.skip(f"no PostgreSQL with ICU: {error}")


@pytest.fixture
def database_url(turkish):
    yield turkish.create_database("turkish")
    turkish.drop_database("turkish")


@pytest.fixture
def site(database_url):
    site = Site(database_url, ["analytics", "organizations"])
    yield site
    site.close()


def test_the_database_is_turkish(database_url):
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT lower('I')").fetchone() == ("\u0131",)


@pytest.mark.parametrize("typed", TWO)
@pytest.mark.parametrize("other", TWO)
def test_an_address_is_found_in_any_case(site, typed, other):
    ines = site.user(email=typed)
    assert log_in(site, other).json["user"]["id"] == ines.id
    sent = {"name": "Ines", "email": other, "password": PASSWORD}
    assert site.anonymous.post("/auth/register", sent, status=400).json["error"] == "Email already in use"
    alice = site.user("Alice")
    path = f"/organizations/{create_organization(alice)}/members"
    assert alice.post(path, {"email": other}, status=201).json["member"]["user_id"] == ines.id


@pytest.mark.parametrize("typed", TWO)
def test_an_account_of_the_release_before_is_found_too(site, typed):
    ines = site.user(email=typed)
    execute(site, "UPDATE users SET normal_email = NULL")
    for other in TWO:
        assert log_in(site, other).json["user"]["id"] == ines.id
        sent = {"name": "Ines", "email": other, "password": PASSWORD}
        site.anonymous.post("/auth/register", sent, status=400)


def test_accounts_that_only_the_database_tells_apart_are_left_as_they_are(site):
    engine, plugins = site.registry.engine, site.registry.plugins
    migrations.downgrade(engine, plugins, "core", "core_0006")
    for email in TWO:
        execute(site, f"INSERT INTO users (email, password_hash, name) VALUES ('{email}', '!', 'Ines')")  # noqa: S608
    migrations.upgrade(engine, plugins)
    with engine.connect() as connection:
        assert [*connection.execute(sa.text("SELECT normal_email FROM users")).scalars()] == [None, None]


def test_types_of_one_count_are_in_the_same_order_as_everywhere(site):
    types = ["Z", "a", "b", "I", "\u00e7", "A", "c", "B"]
    for event_type in types:
        site.anonymous.post("/analytics/event", {"eventType": event_type}, status=201)
    ours = [row["event_type"] for row in site.user().get("/analytics/dashboard").json["breakdown"]]
    assert [event_type for event_type in ours if event_type in types] == sorted(types)


def execute(site, statement):
    with site.registry.engine.connect() as connection:
        connection.exec_driver_sql(statement)
