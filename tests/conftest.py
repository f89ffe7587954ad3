"""Fixtures of the whole suite; those for plugin authors are in scheduling.testing.fixtures."""

import pytest

pytest_plugins = ["scheduling.testing.fixtures"]


@pytest.fixture(scope="session")
def enabled_plugins():
    return ["analytics", "bookings", "notifications", "organizations"]
