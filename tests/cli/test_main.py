"""The `scheduling` command: what it does, what it says and how it ends."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from scheduling.cli.main import main
from scheduling.db.engine import create_engine
from scheduling.startup import set_up

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"
CURRENT = ["core             core_0004 (up to date)", "bookings         bookings_0001 (up to date)"]


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


# The database


def test_upgrade_and_check_agree_on_both_databases(command_output, empty_database_url):
    everything = {
        "DATABASE_URL": empty_database_url,
        "SCHEDULING_PLUGINS": "analytics bookings notifications organizations",
    }
    command_output("db", "upgrade", **everything)
    assert command_output("db", "check", **everything) == ["The models and the migrations agree."]


def test_current_shows_every_tree(command_output):
    assert command_output("db", "current") == [
        "core             nothing (the newest is core_0004)",
        "bookings         nothing (the newest is bookings_0001)",
    ]
    command_output("db", "upgrade")
    assert command_output("db", "current") == CURRENT


def test_check_of_a_database_that_is_behind_says_what_to_run(failed_message):
    assert failed_message("db", "check") == "Error: Behind: core, bookings. Run: scheduling db upgrade"


def test_check_of_a_database_that_differs_says_how(command_output, failed_message, ini):
    command_output("db", "upgrade")
    engine = engine_of(ini)
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE bookings ADD COLUMN colour varchar(20)")
    engine.dispose()

    message = failed_message("db", "check")

    assert message.startswith("Error: The database differs from the models:\n")
    assert "colour" in message


def engine_of(ini):
    url = f"sqlite:///{ini.parent}/cli.db"
    return create_engine(
        set_up({"scheduling.database_url": url, "scheduling.jwt_secret": "x" * 32}, {}).settings
    )


def test_downgrade_asks_first(command_output, run_command):
    command_output("db", "upgrade")

    refused = run_command("db", "downgrade", "bookings", "base", input="n\n")
    assert refused.exit_code == 1
    assert "Rows of tables that go are lost." in refused.output
    assert command_output("db", "current") == CURRENT

    lines = command_output("db", "downgrade", "bookings", "base", input="y\n")
    assert lines[-2:] == [CURRENT[0], "bookings         nothing (the newest is bookings_0001)"]


def test_downgrade_asks_nothing_when_told_yes(command_output):
    command_output("db", "upgrade")
    assert "nothing" in command_output("db", "downgrade", "all", "base", "--yes")[0]


@pytest.mark.parametrize(
    ("tree", "revision", "message"),
    [
        ("weather", "base", "There is no migration tree 'weather'; there are: core, bookings, or all."),
        ("bookings", "nonsense", "Error: Can't locate revision identified by 'nonsense'."),
        ("core", "base", "The tables of core are needed by: bookings. Take these back first, or all."),
    ],
)
def test_downgrade_that_is_impossible_is_refused_in_one_line(
    command_output, failed_message, tree, revision, message
):
    command_output("db", "upgrade")
    assert failed_message("db", "downgrade", tree, revision, "--yes") == message
    assert command_output("db", "current") == CURRENT


@pytest.mark.parametrize("command", ["db upgrade", "db check", "db current", "user list"])
def test_database_that_is_away_is_one_line(failed_message, command):
    message = failed_message(*command.split(), DATABASE_URL=NOWHERE)
    assert "The database did not answer: " in message
    assert "Connection refused" in message
    assert len(message.splitlines()) == 1


def test_database_file_whose_folder_cannot_be_made_is_one_line(failed_message, ini):
    message = failed_message("db", "upgrade", DATABASE_URL=f"sqlite:///{ini}/test.db")
    assert message.startswith(f"The folder {ini} of the database cannot be made (")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("command", ["user list", "user create a@example.com", "smoke"])
def test_command_on_a_database_without_its_migrations_says_what_to_run(failed_message, command):
    message = failed_message(*command.split(), SCHEDULING_PASSWORD="secret123")
    assert message.startswith("The database lacks migrations of: core, bookings. Run: scheduling -c ")
    assert message.endswith(" db upgrade")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("environ", [{}, {"DATABASE_URL": NOWHERE}], ids=["unmigrated", "away"])
def test_pserve_on_a_database_that_is_not_ready_ends_with_the_same_line(ini, environ):
    ended = subprocess.run(
        [sys.executable, "-m", "pyramid.scripts.pserve", ini],
        env={"PATH": os.environ["PATH"], **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    expected = (
        "The database did not answer: " if environ else "The database lacks migrations of: core, bookings."
    )
    assert expected in ended.stdout
    assert "Traceback" not in ended.stdout


# The plugins


def test_plugins_are_listed_with_state_distribution_and_requirements(command_output, install_plugin):
    install_plugin("acme", manifest="requires=('bookings',)")

    lines = command_output("plugins", "list")

    assert [line.split()[:2] for line in lines] == [
        ["acme", "installed"],
        ["analytics", "installed"],
        ["bookings", "enabled"],
        ["notifications", "installed"],
        ["organizations", "installed"],
    ]
    assert "acme 2.1" in lines[0]
    assert lines[0].endswith("Requires bookings.")


def test_plugins_that_are_broken_or_gone_are_listed_with_the_reason(command_output, install_plugin):
    install_plugin("acme", top="raise RuntimeError('no flux capacitor')")

    lines = command_output("plugins", "list", SCHEDULING_PLUGINS="acme weather")

    states = {line.split()[0]: line.split()[1] for line in lines}
    assert states["acme"] == states["weather"] == "broken"
    assert "no flux capacitor" in lines[0]
    assert "not installed" in lines[-1]


def test_plugins_check_passes_where_they_work_together(command_output):
    assert command_output("plugins", "check") == ["All enabled plugins work together: bookings."]
    assert command_output("plugins", "check", SCHEDULING_PLUGINS=" , ")[0].endswith("together: none.")


def test_plugins_check_fails_with_the_message_of_a_start(run_program, install_plugin):
    install_plugin("acme", includeme="raise LookupError('no weather')")

    ended = run_program(
        "-c", "test.ini", "plugins", "check", PYTHONPATH=sys.path[0], SCHEDULING_PLUGINS="acme"
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "The plugin 'acme' of acme 2.1 could not be set up (LookupError: no weather); "
        "update or repair that distribution, or disable the plugin.\n"
    )


def test_plugins_check_needs_no_database(command_output):
    assert command_output("plugins", "check", DATABASE_URL=NOWHERE)


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


def test_there_is_nothing_to_rebuild_on_sqlite(command_output):
    command_output("db", "upgrade", SCHEDULING_PLUGINS="analytics")
    [line] = command_output("analytics", "rebuild", SCHEDULING_PLUGINS="analytics")
    assert line.startswith("Only PostgreSQL keeps counts")
