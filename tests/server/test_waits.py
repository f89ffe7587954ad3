"""Requests that wait, for the database or in a view of a plugin, beside others."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import psycopg
import pytest

from scheduling.testing.processes import wait_for
from tests.server.serverkit.installation import PRODUCTION, ServedInstallation

ADDON_FOLDER = str(Path(__file__).with_name("serverkit"))

THREADS = 3


@pytest.fixture
def site(tmp_path, postgres, server):
    name = f"waits_{server}"
    folder = tmp_path / "tmp"
    folder.mkdir()
    url = postgres.create_database(name)
    site = ServedInstallation(tmp_path, tmp_path / "none.db", {"TMPDIR": str(folder), "DATABASE_URL": url})
    site.upgrade()
    site.serve("--server", server, "--processes", "1", "--threads", str(THREADS))
    site.web.start().wait_until_ready()
    with site:
        yield site
    postgres.drop_database(name)


@contextmanager
def locked(site, table):
    """Let nobody write to, nor read from, a table meanwhile."""
    with psycopg.connect(site.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute(f"LOCK TABLE {table}")
        yield
        connection.rollback()


def test_requests_that_wait_for_a_lock_keep_no_others_waiting(site):
    token = site.register()

    def count(_):
        return site.call("GET", "/notifications/count", token=token, timeout=60).status

    with ThreadPoolExecutor(THREADS) as clients, locked(site, "notifications"):
        waiting = [clients.submit(count, number) for number in range(THREADS - 1)]
        wait_for(lambda: site.in_flight() == len(waiting))
        for _ in range(5):
            assert site.call("GET", "/users/me", token=token).status == 200
        assert not any(answer.done() for answer in waiting)
    assert {answer.result() for answer in waiting} == {200}


def test_more_requests_than_threads_wait_and_all_are_answered(site):
    token = site.register()

    def count(_):
        return site.call("GET", "/notifications/count", token=token, timeout=60).status

    with ThreadPoolExecutor(4 * THREADS) as clients, locked(site, "notifications"):
        answers = [clients.submit(count, number) for number in range(4 * THREADS)]
        wait_for(lambda: site.in_flight() >= THREADS)
    assert {answer.result() for answer in answers} == {200}
    assert site.call("GET", "/users/me", token=token).status == 200


@pytest.fixture
def blocking_site(tmp_path, new_database, server):
    """A site with a view, ``/blocked``, that keeps its thread until the file ``released`` is made."""
    ini = tmp_path / "lab.ini"
    with_lab = PRODUCTION.read_text().replace(
        "[app:main]\n", "[app:main]\npyramid.includes = environ_addon\n"
    )
    ini.write_text(with_lab)
    lab = {"PYTHONPATH": ADDON_FOLDER, "LAB_RELEASED": str(tmp_path / "released")}
    with ServedInstallation(tmp_path, new_database, lab, ini) as site:
        site.serve("--server", server, "--processes", "1", "--threads", str(THREADS))
        site.web.start().wait_until_ready()
        yield site


def test_views_that_sleep_keep_their_threads_and_nobody_elses(blocking_site, tmp_path):
    def get(path):
        with blocking_site.connect() as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def live():
        began = perf_counter()
        assert b"OK" in get("/health/live")
        return perf_counter() - began

    with ThreadPoolExecutor(THREADS) as clients:
        asleep = [clients.submit(get, "/blocked") for _ in range(THREADS - 1)]
        try:
            wait_for(lambda: blocking_site.in_flight() == len(asleep))
            assert min(live() for _ in range(20)) < 0.05
            assert not any(view.done() for view in asleep)
        finally:
            (tmp_path / "released").touch()
        assert {view.result() for view in asleep} == {b"released"}
