"""`scheduling smoke` against real processes."""

import re
import signal
import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduling.db.metadata import metadata
from scheduling.db.session import session_scope
from scheduling.testing import Site
from scheduling.testing.processes import Installation, free_port, program

PRODUCTION = Path(__file__).parents[2] / "production.ini"
PLUGINS = ["analytics", "bookings", "notifications", "organizations", "reminders"]
STEPS = ["register", "find it in the database", "log in", "see the e-mail sent", "clean up"]
STEPS_WITH_BOOKINGS = [*STEPS[:3], "book", "read the booking", "see the e-mail sent", "cancel", "clean up"]


class Smoke:
    """Runs the command against an installation that is up, and looks at what it leaves."""

    def __init__(self, installation, database_url):
        self.command = [program("scheduling"), "-c", str(PRODUCTION), "smoke", "--url", installation.web.url]
        self.installation = installation
        self.site = Site(database_url, PLUGINS)

    def __call__(self, *options, **environ):
        """Return the status, and the lines of the steps without their timings."""
        ended = subprocess.run(
            [*self.command, *options],
            env={**self.installation.environ, **environ},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ended.stderr == ""
        tag, *lines = ended.stdout.splitlines()
        assert tag.startswith("smoke-")
        return ended.returncode, [re.sub(r" +\d+ ms$", "", line) for line in lines]

    def left(self):
        """How many rows there are in each table that has any, apart from those that stay."""
        stay = ("token_cutoffs", "analytics_", "email_rate")
        tables = [table for table in metadata.sorted_tables if not table.name.startswith(stay)]
        with session_scope(self.site.registry) as db:
            counts = [db.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables]
        return {table.name: count for table, count in zip(tables, counts, strict=True) if count}


def ok(steps):
    return [f"ok      {step}" for step in steps]


@pytest.fixture
def start_installation(tmp_path):
    """A function that starts a web process, which delivers by itself if there is no Redis."""
    with ExitStack() as running:

        def start_installation(url, redis_url="memory://", **environ):
            installation = running.enter_context(Installation(tmp_path, PRODUCTION, url, redis_url, environ))
            smoke = Smoke(installation, url)
            running.callback(smoke.site.close)
            installation.web.start().wait_until_ready()
            return smoke

        yield start_installation


@pytest.fixture
def start_embedded(start_installation, tmp_path):
    """The same without Redis, on SQLite."""
    return partial(start_installation, f"sqlite:///{tmp_path}/smoke.db")


@pytest.mark.parametrize("if_match_is_required", ["false", "true"])
def test_a_sound_installation_passes_every_step_and_nothing_is_left(start_embedded, if_match_is_required):
    smoke = start_embedded(SCHEDULING_REQUIRE_IF_MATCH=if_match_is_required)
    assert smoke() == (0, ok(STEPS_WITH_BOOKINGS))
    assert smoke.left() == {}


def test_without_bookings_the_rest_is_done(start_embedded):
    smoke = start_embedded(SCHEDULING_PLUGINS="notifications")
    assert smoke() == (0, ok(STEPS))
    assert smoke.left() == {}


def test_workers_deliver_its_mail_and_where_none_does_that_step_fails(start_installation, postgres, redis):
    smoke = start_installation(postgres.create_database("smoke"), redis.url)

    status, lines = smoke("--timeout", "1")
    assert (status, lines[:5], lines[6:]) == (1, ok(STEPS_WITH_BOOKINGS[:5]), ok(["clean up"]))
    assert lines[5].startswith("FAILED  see the e-mail sent: message ")
    assert lines[5].endswith(" is pending after 1 seconds: does a worker run?")
    assert smoke.left() == {}

    smoke.installation.add_worker().start().wait_until_ready()
    assert smoke() == (0, ok(STEPS_WITH_BOOKINGS))
    assert smoke.left() == {}


def test_an_email_that_cannot_be_sent_fails_with_the_reason(start_embedded):
    nobody_listens = str(free_port())
    smoke = start_embedded(
        EMAIL_PROVIDER="smtp",
        SMTP_HOST="127.0.0.1",
        SMTP_PORT=nobody_listens,
        SMTP_STARTTLS="off",
    )
    # Until the first pause is over, nothing but the log says why.
    status, lines = smoke("--timeout", "15")
    assert status == 1
    assert lines[5].startswith("FAILED  see the e-mail sent: message ")
    assert " is retry after 15 seconds: 127.0.0.1 cannot be reached: " in lines[5]
    assert smoke.left() == {}


def test_settings_of_another_database_are_noticed_and_its_accounts_left_alone(start_embedded, tmp_path):
    smoke = start_embedded()
    other = f"sqlite:///{tmp_path}/other.db"
    Site(other, PLUGINS).close()

    status, lines = smoke(DATABASE_URL=other)

    assert status == 1
    assert lines[0] == "ok      register"
    assert lines[1].startswith(
        f"FAILED  find it in the database: {smoke.installation.web.url} works with another"
    )
    # What it cannot reach it cannot delete.
    assert smoke.left()["users"] == 1


def test_an_address_of_ones_own_is_used_and_free_again(start_embedded):
    smoke = start_embedded()
    for _ in range(2):
        assert smoke("--email", "ops@example.net")[0] == 0
    assert "ops@example.net" in smoke.installation.web.output


def test_an_account_that_is_there_is_never_taken_for_its_own(start_embedded):
    smoke = start_embedded()
    alice = smoke.site.user(email="alice@example.com")

    status, lines = smoke("--email", "alice@example.com")

    assert status == 1
    assert lines[0].startswith("FAILED  register: the answer is 400: ")
    assert "Email already in use" in lines[0]
    alice.get("/users/me", status=200)


def test_nobody_answering_is_a_failed_step(start_embedded):
    smoke = start_embedded()
    smoke.installation.web.kill()
    status, [failed, cleaned] = smoke()
    assert status == 1
    assert failed.startswith(f"FAILED  register: {smoke.installation.web.url} does not answer: ")
    assert cleaned == "ok      clean up"


def test_something_else_that_answers_is_a_failed_step(start_embedded):
    smoke = start_embedded()
    smoke.command[-1] += "/health"
    assert smoke()[1][0].startswith("FAILED  register: the answer is 404: ")


def test_smoke_cleans_up_when_it_is_told_to_end(start_installation, postgres, redis):
    smoke = start_installation(postgres.create_database("smoke_told_to_end"), redis.url)
    environ = smoke.installation.environ
    with subprocess.Popen(smoke.command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        while "read the booking" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().startswith("ok      clean up")
    assert process.returncode == 128 + signal.SIGTERM
    assert smoke.left() == {}


@pytest.mark.parametrize("url", ["localhost:3000", "file:///etc/passwd"])
def test_an_url_that_is_none_is_a_usage_error(run_command, command_output, url):
    command_output("db", "upgrade")
    result = run_command("smoke", "--url", url)
    assert result.exit_code == 2
    assert "must start with http:// or https://" in result.output
