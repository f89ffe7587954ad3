"""`scheduling db wait`: what a container waits for before it starts the web process or a worker."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scheduling.testing import Site

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"


@pytest.fixture
def start_waiting(ini):
    """A function that starts the command and returns its process once it has said why it waits."""
    started = []

    def start_waiting(**environ):
        command = [Path(sys.executable).with_name("scheduling"), "-c", ini, "db", "wait"]
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline()

    yield start_waiting
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_waiting_ends_well_as_soon_as_the_database_has_been_upgraded(start_waiting, empty_database_url):
    process, reason = start_waiting(DATABASE_URL=empty_database_url)
    assert reason.startswith("Waiting. The database lacks migrations of: core, bookings.")

    Site(empty_database_url, ["bookings"]).close()

    # On a slow machine it may look while only a part is upgraded, and then say what is still missing.
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "The database is ready."
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("environ", "trouble"),
    [
        ({}, "The database lacks migrations of: core, bookings."),
        ({"DATABASE_URL": NOWHERE}, "The database did not answer: "),
    ],
    ids=["behind", "away"],
)
def test_waiting_gives_up_in_one_line_after_the_timeout(failed_message, environ, trouble):
    message = failed_message("db", "wait", "--timeout", "0", **environ)
    assert message.startswith(f"Gave up after 0 seconds. {trouble}")
    assert len(message.splitlines()) == 1


def test_waiting_ends_at_once_when_it_is_told_to(start_waiting):
    process, reason = start_waiting(DATABASE_URL=NOWHERE)
    assert reason.startswith("Waiting. The database did not answer: ")

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 128 + signal.SIGTERM
