"""A site with this plugin and the one that it requires, on SQLite and on PostgreSQL."""

import pytest

from scheduling.testing import Site

pytest_plugins = ["scheduling.testing.fixtures"]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "bookings.jsonl"


@pytest.fixture
def site(empty_database_url, log):
    site = Site(empty_database_url, ["bookings", "booking_log"], {"booking_log.path": str(log)})
    yield site
    site.close()
