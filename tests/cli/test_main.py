"""The `scheduling` command: what it does, what it says and how it ends."""

import pytest
from click.testing import CliRunner

from scheduling.cli.main import main

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"
CURRENT = ["core             core_0016 (up to date)", "bookings         bookings_0004 (up to date)"]


# Which settings


def test_settings_file_is_named_by_an_option(run_program, ini):
    assert run_program("-c", "test.ini", "db", "upgrade").stdout.splitlines() == CURRENT
    assert (ini.parent / "cli.db").is_file()


def test_settings_file_is_named_by_the_environment_and_the_option_wins(run_program, ini):
    assert run_program("db", "current", SCHEDULING_CONFIG="test.ini").returncode == 0
    assert run_program("-c", "test.ini", "db", "current", SCHEDULING_CONFIG="gone.ini").returncode == 0


def test_settings_file_is_development_ini_by_default(run_program, ini):
    ended = run_program("db", "current")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "There is no settings file development.ini; name one with -c or SCHEDULING_CONFIG.\n"
    )
    ini.rename(ini.with_name("development.ini"))
    assert run_program("db", "current").returncode == 0


@pytest.mark.parametrize(
    "content", ["", "[server:main]\nuse = egg:scheduling", "nonsense", "[app:main]\nx = %(y)s"]
)
def test_settings_file_that_is_none_is_named_in_the_message(ini, failed_message, content):
    ini.write_text(content)
    assert failed_message("db", "current").startswith(f"The settings file {ini} cannot be used: ")


def test_environment_overrides_the_settings_file(command_output, ini, tmp_path):
    elsewhere = f"sqlite:///{tmp_path}/elsewhere/other.db"

    lines = command_output("db", "upgrade", DATABASE_URL=elsewhere, SCHEDULING_PLUGINS="organizations")

    assert [line.split()[0] for line in lines] == ["core", "organizations"]
    assert (tmp_path / "elsewhere" / "other.db").is_file()
    assert not (tmp_path / "cli.db").exists()


def test_mistakes_in_the_settings_are_all_reported_and_no_secret_is_shown(run_program):
    ended = run_program(
        "-c", "test.ini", "user", "list", PORT="many", APP_ENV="production", JWT_SECRET="hush-hush"
    )
    assert ended.returncode == 1
    assert "scheduling.port (PORT)" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hush-hush" not in ended.stderr


# Commands of plugins


ACME_COMMANDS = """
import click
@click.group()
def commands():
    "Look after Acme."
@commands.command()
@click.pass_obj
def greet(program):
    click.echo(f"Hello from {[plugin.name for plugin in program.registry.plugins]}")
"""


@pytest.fixture
def acme(install_plugin, run_command):
    install_plugin("acme", manifest="commands=True", files={"cli.py": ACME_COMMANDS})
    assert run_command("db", "upgrade", SCHEDULING_PLUGINS="acme").exit_code == 0


def test_a_plugin_has_commands_under_its_name(acme, command_output):
    assert command_output("acme", "greet", SCHEDULING_PLUGINS="acme") == ["Hello from ['acme']"]


def test_the_help_lists_the_commands_of_the_enabled_plugins(acme, command_output):
    assert "  acme     Look after Acme." in command_output("--help", SCHEDULING_PLUGINS="acme")
    assert not [line for line in command_output("--help") if "acme" in line]


def test_the_help_needs_no_settings_file():
    result = CliRunner().invoke(main, ["-c", "/nowhere.ini", "--help"])
    assert result.exit_code == 0
    assert "Commands:" in result.output


def test_commands_of_a_plugin_that_is_not_enabled_are_unknown(acme, run_command):
    result = run_command("acme", "greet")
    assert result.exit_code == 2
    assert "No such command 'acme'" in result.output
