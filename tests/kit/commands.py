"""The `scheduling` command, on an ini file of the test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scheduling.cli.main import main
from scheduling.testing.site import SETTINGS

INI = """
[app:main]
use = egg:scheduling
scheduling.jwt_secret = {secret}
scheduling.bcrypt_cost = 4
scheduling.database_url = sqlite:///%(here)s/cli.db
scheduling.plugins = bookings

[server:main]
use = egg:scheduling
"""


@pytest.fixture
def ini(tmp_path):
    """The path of an ini file with bookings enabled and an empty SQLite database."""
    path = tmp_path / "test.ini"
    path.write_text(INI.format(secret=SETTINGS["scheduling.jwt_secret"]))
    return path


@pytest.fixture
def run_command(ini):
    """A function that runs a command with the test's ini file and returns its result."""

    def run_command(*arguments, input=None, **environ):  # noqa: A002
        return CliRunner().invoke(main, ["-c", str(ini), *arguments], input=input, env=environ)

    return run_command


@pytest.fixture
def command_output(run_command):
    """A function that runs a command, which succeeds, and returns the lines of its output."""

    def command_output(*arguments, **options):
        result = run_command(*arguments, **options)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    return command_output


@pytest.fixture
def failed_message(run_command):
    """A function that runs a command, which fails with status 1, and returns the message."""

    def failed_message(*arguments, **options):
        result = run_command(*arguments, **options)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        return result.output.strip()

    return failed_message


@pytest.fixture
def run_program(ini):
    """A function that runs the installed program itself, in the folder of the ini file."""

    def run_program(*arguments, **environ):
        return subprocess.run(
            [Path(sys.executable).with_name("scheduling"), *arguments],
            cwd=ini.parent,
            env={"PATH": os.environ["PATH"], **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_program
