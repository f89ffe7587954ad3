"""A database that a newer release has upgraded: what an older release does with it, as after a rollback.

The functional tests run on such a database too.
"""

import pytest

from scheduling.db import migrations
from scheduling.testing import Site
from scheduling.testing.processes import Installation, wait_for
from tests.kit.factories import BOOKING

PLUGINS = "analytics bookings notifications organizations"
WARNING = f"A newer release has upgraded the database (core, {PLUGINS.replace(' ', ', ')})"


@pytest.fixture
def upgraded(empty_database_url):
    """A site whose database is at this release's revision."""
    site = Site(empty_database_url, PLUGINS.split())
    yield site
    site.close()


@pytest.fixture
def ahead(upgraded, bring_ahead):
    """The same, one revision ahead of this release."""
    bring_ahead(upgraded.registry.engine, upgraded.registry.plugins)
    return upgraded


@pytest.fixture
def run_on_database(run_program, empty_database_url):
    """A function that runs a command with the database of the test."""
    return lambda *arguments: run_program(
        "-c", "test.ini", *arguments, DATABASE_URL=empty_database_url, SCHEDULING_PLUGINS=PLUGINS
    )


@pytest.mark.parametrize(
    "arguments", [("db", "upgrade"), ("db", "wait", "--timeout", "0"), ("user", "list")], ids=" ".join
)
def test_command_goes_on_with_one_warning(ahead, run_on_database, arguments):
    before = migrations.current(ahead.registry.engine, ahead.registry.plugins)

    ended = run_on_database(*arguments)

    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)
    assert ended.stderr.startswith(WARNING)
    assert migrations.current(ahead.registry.engine, ahead.registry.plugins) == before


def test_nothing_is_warned_of_where_the_database_is_at_this_release(upgraded, run_on_database):
    ended = run_on_database("db", "wait")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "The database is ready.\n", "")


def test_check_does_not_take_the_next_release_for_a_difference(ahead, run_on_database):
    assert run_on_database("db", "check").returncode == 0


def test_current_says_which_trees_are_ahead(ahead, run_on_database):
    lines = run_on_database("db", "current").stdout.splitlines()
    assert lines[2] == "bookings         bookings_9999 (ahead of this release, which knows bookings_0004)"


def test_a_plugin_that_is_behind_is_upgraded_beside_trees_that_are_ahead(
    empty_database_url, bring_ahead, run_on_database
):
    site = Site(empty_database_url, ["analytics"])
    bring_ahead(site.registry.engine, site.registry.plugins)

    assert run_on_database("db", "wait", "--timeout", "0").returncode == 1
    assert run_on_database("db", "upgrade").returncode == 0

    assert run_on_database("db", "wait", "--timeout", "0").returncode == 0
    assert migrations.ahead(site.registry.engine, site.registry.plugins) == ["core", "analytics"]
    site.close()


def test_web_and_worker_start_with_the_warning_and_deliver(tmp_path, ini, postgres, redis, bring_ahead):
    url = postgres.create_database("rolled_back")
    site = Site(url, PLUGINS.split())
    bring_ahead(site.registry.engine, site.registry.plugins)
    site.close()
    environ = {"SCHEDULING_PLUGINS": PLUGINS}
    with Installation(tmp_path, ini, url, redis.url, environ) as installation:
        worker = installation.add_worker()
        worker.start()
        installation.web.start().wait_until_ready()
        worker.wait_until_ready()
        token = installation.register()
        assert installation.call("POST", "/bookings", BOOKING, token=token).status == 201
        wait_for(lambda: worker.metric("scheduling_outbox_messages_total", state="done") == 2)
        for process in (installation.web, worker):
            assert WARNING in process.output
