"""`scheduling web` while PostgreSQL hangs: calls end in time, and probes and metrics answer throughout.

``HANG_SECONDS=25`` makes it hang for longer, and ``HANG_TIMEOUT=10`` has it given up later.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from urllib.error import HTTPError

import psycopg
import pytest

from scheduling.testing.http_calls import read_text
from scheduling.testing.processes import wait_for
from scheduling.testing.servers import postgres_server
from tests.chaos.load import Load
from tests.server.serverkit.installation import ServedInstallation

TIMEOUT = int(os.environ.get("HANG_TIMEOUT", "3"))
HANG_SECONDS = float(os.environ.get("HANG_SECONDS", TIMEOUT + 5))
CLIENTS = 30
# What an answer may take beyond the time-out, a probe at all, and the next good answer after the end.
SLACK = 2.0
BOOKING = {"title": "Stand-up", "start": "2099-04-01T09:00:00Z", "end": "2099-04-01T09:30:00Z"}


@pytest.fixture(scope="module")
def own_postgres():
    """A PostgreSQL that no other test uses while one of these stops it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def site(tmp_path, own_postgres, server):
    name = f"hanging_{server}"
    (tmp_path / "tmp").mkdir()
    environ = {
        "TMPDIR": str(tmp_path / "tmp"),
        "DATABASE_URL": own_postgres.create_database(name),
        "SCHEDULING_DATABASE_TIMEOUT": str(TIMEOUT),
    }
    site = ServedInstallation(tmp_path, tmp_path / "none.db", environ)
    site.upgrade()
    site.serve("--server", server, "--processes", "1", "--threads", "8")
    site.web.start().wait_until_ready()
    with site:
        yield site
    own_postgres.drop_database(name)


class Calls(Load):
    """Clients that read and book, one call after the other, and note what became of each."""

    def __init__(self, site, token):
        self.answers = []
        """Of each call: when it began, how long it took, the answer."""
        self._site, self._token = site, token
        super().__init__(CLIENTS)

    def since(self, moment):
        return [answer for began, _, answer in list(self.answers) if began > moment]

    def _run(self, number):
        while not self._ending.wait(0.2):
            began = monotonic()
            if number % 2:
                answer = self._site.call("GET", "/users/me", token=self._token, timeout=120)
            else:
                answer = self._site.call("POST", "/bookings", BOOKING, token=self._token, timeout=120)
            self.answers.append((began, monotonic() - began, answer))


class Probes(Load):
    """Asks for probes and metrics all the time, as Kubernetes and Prometheus do."""

    PATHS = ("/health/live", "/health/ready", "/health/startup", "/metrics")

    def __init__(self, url):
        self.answers = []
        """Of each: the path, how long it took, the status."""
        self._url = url
        super().__init__(len(self.PATHS))

    def statuses(self, path):
        return {status for asked, _, status in list(self.answers) if asked == path}

    def last(self, path):
        return [status for asked, _, status in list(self.answers) if asked == path][-1]

    def _run(self, number):
        path = self.PATHS[number]
        while not self._ending.wait(0.2):
            began = monotonic()
            try:
                read_text(f"{self._url}{path}")
                status = 200
            except HTTPError as error:
                error.close()
                status = error.code
            self.answers.append((path, monotonic() - began, status))


@contextmanager
def running(load):
    try:
        yield load
    finally:
        load.end()


def require_answers(answers, longest):
    assert {answer.status for _, _, answer in answers} <= {200, 201, 503}
    assert max(took for _, took, _ in answers) <= longest
    for _, _, answer in answers:
        assert answer.status != 503 or answer.headers["Retry-After"] == "5"


def test_calls_end_in_time_while_postgresql_hangs_and_all_is_well_right_afterwards(site, own_postgres):
    token = site.register()
    with running(Probes(site.web.metrics_url)) as probes, running(Calls(site, token)) as calls:
        wait_for(lambda: len(calls.answers) > 2 * CLIENTS and probes.statuses("/health/ready") == {200})
        with own_postgres.hanging():
            began = monotonic()
            wait_for(lambda: monotonic() - began > HANG_SECONDS, HANG_SECONDS + 10)
            assert probes.last("/health/ready") == 503
            assert site.web.metric("scheduling_database_hangs") == 1
        thawed = monotonic()
        wait_for(lambda: site.call("GET", "/users/me", token=token).status == 200, SLACK)
        wait_for(lambda: probes.last("/health/ready") == 200, SLACK)
        wait_for(lambda: len(calls.since(thawed + SLACK)) > 2 * CLIENTS)
    assert {answer.status for answer in calls.since(thawed + SLACK)} <= {200, 201}
    require_answers(calls.answers, TIMEOUT + SLACK)
    assert 503 in {answer.status for _, _, answer in calls.answers}
    assert max(took for _, took, _ in probes.answers) <= SLACK
    for path in ("/health/live", "/health/startup", "/metrics"):
        assert probes.statuses(path) == {200}


def test_a_locked_table_keeps_no_probe_waiting_and_calls_end_in_time(site):
    token = site.register()
    url = site.environ["DATABASE_URL"]

    def book(_):
        began = monotonic()
        answer = site.call("POST", "/bookings", BOOKING, token=token, timeout=120)
        return began, monotonic() - began, answer

    with running(Probes(site.web.metrics_url)) as probes, ThreadPoolExecutor(CLIENTS) as clients:
        wait_for(lambda: {path for path, _, _ in list(probes.answers)} == set(probes.PATHS))
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE bookings IN ACCESS EXCLUSIVE MODE")
            began = monotonic()
            booked = [clients.submit(book, number) for number in range(CLIENTS)]
            wait_for(lambda: monotonic() - began > TIMEOUT + 2)
            connection.rollback()
        answers = [booking.result() for booking in booked]
    require_answers(answers, TIMEOUT + 2 + SLACK)
    assert {answer.status for _, _, answer in answers} == {201, 503}
    assert {status for _, _, status in probes.answers} == {200}
    assert max(took for _, took, _ in probes.answers) <= SLACK
