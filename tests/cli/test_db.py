"""`scheduling db`: upgrades, downgrades, and what is said of a database that is not as it must be."""

import os
import subprocess
import sys

import pytest

from scheduling.db.engine import create_engine
from scheduling.startup import set_up

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"
CURRENT = ["core             core_0016 (up to date)", "bookings         bookings_0004 (up to date)"]


def test_upgrade_and_check_agree_on_both_databases(command_output, empty_database_url):
    everything = {
        "DATABASE_URL": empty_database_url,
        "SCHEDULING_PLUGINS": "analytics bookings notifications organizations reminders",
    }
    command_output("db", "upgrade", **everything)
    assert command_output("db", "check", **everything) == ["The models and the migrations agree."]


def test_current_shows_every_tree(command_output):
    assert command_output("db", "current") == [
        "core             nothing (the newest is core_0016)",
        "bookings         nothing (the newest is bookings_0004)",
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
    assert lines[-2:] == [CURRENT[0], "bookings         nothing (the newest is bookings_0004)"]


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
