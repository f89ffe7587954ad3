"""The limits over several processes, each of which knows nothing of the others."""

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import chain
from multiprocessing import get_context
from time import monotonic
from urllib.parse import urlsplit

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.testing import Site
from scheduling.testing.processes import wait_for
from scheduling.throttling.limiter import Limit, TooMany

PLACES = 60
WINDOW = Limit("window", 20, 1)
HOME = "203.0.113.7"


def send(site, path, bodies, address=HOME):
    """POST each body on one connection; return the statuses."""
    url = urlsplit(site.web.url)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    statuses = []
    with closing(HTTPConnection(url.hostname, url.port, timeout=60)) as connection:
        for body in bodies:
            connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    return statuses


def at_once(sites, path, bodies, connections=8):
    """POST all bodies, the processes in turn, on several connections to each."""
    jobs = [(sites[i % len(sites)], bodies[i::connections]) for i in range(connections)]
    with ThreadPoolExecutor(connections) as threads:
        answers = threads.map(lambda job: send(job[0], path, job[1]), jobs)
        return list(chain.from_iterable(answers))


def test_of_ten_times_as_many_calls_to_two_processes_exactly_as_many_pass_as_may(start_web):
    sites = [start_web(SCHEDULING_ANALYTICS_ANONYMOUS_PER_MINUTE=str(PLACES)) for _ in range(2)]
    began = monotonic()
    statuses = at_once(sites, "/analytics/event", [{"eventType": "page_view"}] * (10 * PLACES))
    assert monotonic() - began < 60, "the machine is too slow for a window of a minute"
    assert [statuses.count(status) for status in (201, 429)] == [PLACES, 9 * PLACES]


def test_of_guesses_at_two_processes_no_more_than_five_are_checked(start_web):
    sites = [start_web() for _ in range(2)]
    body = {"email": "nobody@example.com", "password": "wrong one"}
    statuses = []
    # What finds no thread is a 503, and does not count.
    while statuses.count(429) < 50:
        statuses += at_once(sites, "/auth/login", [body] * 50)
    assert statuses.count(401) == 5
    assert set(statuses) <= {401, 429, 503}


def hammer(url, seconds):
    """Take as many places as there are, in a process; return the database's moment of each."""
    site = Site(url, [], {"scheduling.rate_limit_enabled": "true"})
    limiter, moments = site.registry.limiter, []
    end = monotonic() + seconds
    while monotonic() < end:
        # What is known in memory would spare the database what this is to try.
        limiter.refusals.clear()
        with session_scope(site.registry) as db:
            try:
                moments.append(limiter.take(db, WINDOW, b"k" * 16).moment)
            except TooMany:
                continue
    site.close()
    return moments


def test_no_window_has_more_than_the_limit_whoever_asks_when(make_site):
    url = make_site().registry.engine.url.render_as_string(hide_password=False)
    seconds = 5
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        parts = list(processes.map(hammer, [url] * 2, [seconds] * 2))
    moments = sorted(chain.from_iterable(parts))
    assert all(parts)
    assert len(set(moments)) == len(moments) >= WINDOW.places * (seconds - 2)
    windows = zip(moments, moments[WINDOW.places :], strict=False)
    assert min(later - earlier for earlier, later in windows) >= WINDOW.seconds * 1_000_000


def test_a_process_that_dies_while_it_checks_a_password_leaves_a_failure(start_web, empty_database_url):
    site = start_web(SCHEDULING_BCRYPT_COST="15")
    body = {"email": "nobody@example.com", "password": "wrong one"}
    engine = sa.create_engine(empty_database_url)

    def taken():
        with engine.connect() as connection:
            return connection.execute(sa.text("SELECT count(*) FROM rate_limits")).scalar()

    with ThreadPoolExecutor(1) as threads:
        cut = threads.submit(send, site, "/auth/login", [body])
        wait_for(lambda: taken() == 2)
        site.web.kill()
        assert cut.exception() is not None
    engine.dispose()
    assert send(start_web(), "/auth/login", [body] * 5) == [401] * 4 + [429]
