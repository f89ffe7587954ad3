"""What building the application does to the process."""

import logging

import pytest

from scheduling.app import make_app
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    level = root.level
    yield root
    root.setLevel(level)


@pytest.mark.parametrize(("given", "expected"), [("ERROR", logging.ERROR), ("", logging.INFO)])
def test_the_log_level_of_the_settings_replaces_that_of_the_ini_file(root_logger, tmp_path, given, expected):
    root_logger.setLevel(logging.INFO)
    settings = SETTINGS | {"scheduling.database_url": f"sqlite:///{tmp_path}/test.db"}

    make_app(set_up(settings, {"SCHEDULING_LOG_LEVEL": given}), settings)

    assert root_logger.level == expected
