"""Fixtures of the whole suite; those for plugin authors are in scheduling.testing.fixtures."""

import uuid

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from scheduling.db import migrations
from scheduling.testing import Site

pytest_plugins = [
    "scheduling.testing.fixtures",
    "tests.kit.commands",
    "tests.kit.plugins",
    "tests.kit.pooler",
]

# How fast a machine is says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

AHEAD = "postgresql-ahead"
POOLED = "postgresql-pooled"


def pytest_collection_modifyitems(config, items):
    """Leave out tests for which one of the more special databases makes no difference."""
    left_out = {item for item in items if not matters_for(kind_of(item), item.path)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def kind_of(item):
    return item.callspec.params.get("site_kind") if hasattr(item, "callspec") else None


def matters_for(kind, path):
    """Tell whether the kind of database makes a difference to a test file.

    What never reaches a table of the next release, as problems and tokens do not, is not run again on a
    database that is ahead. Behind a pooler are the functional tests, but those that try thousands of values.
    """
    if kind == AHEAD:
        folders = {"messaging", "administration", "cli", "db"}
        return path.name.startswith(("test_views", "test_acl_matrix")) or path.parent.name in folders
    return kind != POOLED or (path.parent.name == "functional" and path.name != "test_never_5xx.py")


@pytest.fixture(scope="session")
def enabled_plugins():
    return ["analytics", "bookings", "notifications", "organizations", "reminders"]


@pytest.fixture(scope="session", params=["sqlite", "postgresql", AHEAD, POOLED])
def site_kind(request):
    """Where ``site`` is: on SQLite, or on PostgreSQL, in three ways.

    One that the next release has upgraded already is what old pods meet during an upgrade, and all of them
    after a rollback. The last is behind PgBouncer in transaction mode.
    """
    return request.param


@pytest.fixture(scope="session")
def session_site(site_kind, enabled_plugins, bring_ahead, tmp_path_factory, request):
    if site_kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('database')}/test.db"
    else:
        url = request.getfixturevalue("postgres").create_database(f"site_{uuid.uuid4().hex}")
    if site_kind == POOLED:
        url = request.getfixturevalue("pooler").url(url)
    site = Site(url, enabled_plugins)
    if site_kind == AHEAD:
        target = site.registry.engine, site.registry.plugins
        bring_ahead(*target)
        assert len(migrations.ahead(*target)) == len(migrations.trees(target[1]))
    yield site
    site.close()


@pytest.fixture(scope="session")
def other_session_site(session_site, enabled_plugins):
    url = session_site.registry.engine.url.render_as_string(hide_password=False)
    other = Site(url, enabled_plugins)
    yield other
    other.close()


@pytest.fixture
def other_process(site, other_session_site):
    """A second application on the database of ``site``, with caches of its own, as another process has it.

    Building one takes a second, so that all tests share it, as they share ``site``.
    """
    return other_session_site


@pytest.fixture(scope="session")
def bring_ahead():
    """A function that does to a database all that the next release's migrations may do to it."""

    def bring_ahead(engine, plugins):
        with engine.connect() as connection:
            # A partition has the columns and the indexes of its parent.
            there = set(sa.inspect(connection).get_table_names()) - migrations.partitions(connection)
            for tree in migrations.trees(plugins):
                for statement in next_revision(tree, filter(tree.owns, there)):
                    connection.exec_driver_sql(statement)

    def next_revision(tree, tables):
        for table in tables:
            yield f"ALTER TABLE {table} ADD COLUMN next_note varchar(20)"
            yield f"ALTER TABLE {table} ADD COLUMN next_count integer DEFAULT 0 NOT NULL"
            yield f"CREATE INDEX ix_{table}_next_note ON {table} (next_note)"
        yield (
            f"CREATE TABLE {tree.name}_next "
            "(user_id bigint PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, note varchar(20))"
        )
        yield f"UPDATE {tree.version_table} SET version_num = '{tree.name}_9999'"  # noqa: S608

    return bring_ahead
