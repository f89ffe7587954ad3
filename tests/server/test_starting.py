"""`scheduling web` and `scheduling worker` while PostgreSQL is away at their start, or lacks migrations."""

import pytest

from scheduling.testing.http_calls import is_ok
from scheduling.testing.processes import wait_for
from scheduling.testing.servers import postgres_server
from tests.server.serverkit.installation import ServedInstallation


@pytest.fixture(scope="module")
def own_postgres():
    """A PostgreSQL that no other test uses while one of these stops it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["waitress", "granian", "worker"])
def program(request):
    return request.param


@pytest.fixture
def site(tmp_path, own_postgres, program):
    name = f"starting_{program}"
    (tmp_path / "tmp").mkdir()
    environ = {"TMPDIR": str(tmp_path / "tmp"), "DATABASE_URL": own_postgres.create_database(name)}
    with ServedInstallation(tmp_path, tmp_path / "none.db", environ) as site:
        yield site
    own_postgres.drop_database(name)


@pytest.fixture
def process(site, program):
    if program == "worker":
        return site.add_worker()
    site.serve("--server", program)
    return site.web


def is_waiting(process):
    assert process.running, process.output
    return "Waits for the database" in process.output


def test_it_waits_for_postgresql_alive_and_not_ready_and_goes_on(site, process, own_postgres):
    site.upgrade()
    own_postgres.stop()
    try:
        process.start()
        wait_for(lambda: is_waiting(process))
        for probe, is_good in {"startup": True, "live": True, "ready": False}.items():
            assert is_ok(f"{process.metrics_url}/health/{probe}") is is_good
        assert is_waiting(process)
    finally:
        own_postgres.start()
    wait_for(lambda: is_ok(f"{process.metrics_url}/health/ready"))
    if process is site.web:
        assert site.register()
    process.terminate()
    assert process.wait() == 0


def test_it_ends_in_order_while_it_waits(site, process, own_postgres):
    own_postgres.stop()
    try:
        process.start()
        wait_for(lambda: is_waiting(process))
        process.terminate()
        assert process.wait() == 0
    finally:
        own_postgres.start()


def test_a_database_that_lacks_migrations_is_refused_at_once(process):
    assert process.start().wait() == 1
    assert "The database lacks migrations of: core" in process.output
