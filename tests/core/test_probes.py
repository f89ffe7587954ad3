import socket
import urllib.error
import urllib.request
from datetime import timedelta
from time import monotonic

import pytest
import sqlalchemy as sa

from scheduling.db import session_scope
from scheduling.email import Gate
from scheduling.errors import StartupError
from scheduling.outbox import State, outbox
from scheduling.probes import SILENT_SECONDS, application, serve_probes
from scheduling.testing import Site
from scheduling.times import utcnow
from scheduling.worker import PRUNE_BATCH, Worker, prune


@pytest.fixture
def worker(site):
    return Worker(site.registry)


@pytest.fixture
def get(site, worker):
    def call(path):
        answers = []
        body = application(site.registry, worker)(
            {"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, headers: answers.append(status)
        )
        return answers[0], b"".join(body).decode()

    yield call
    site.registry.email_gate = Gate()


def test_a_worker_whose_loops_turn_is_alive_and_ready(get):
    assert get("/health/live") == ("200 OK", "OK\n")
    assert get("/health/ready") == ("200 OK", "OK\n")


def test_a_loop_that_hangs_is_not_alive(get, worker):
    worker._loops["consumer-0"].turned = monotonic() - SILENT_SECONDS - 5
    status, text = get("/health/live")
    assert status == "503 Service Unavailable"
    assert text.startswith("a loop has been silent for 12")


def test_a_provider_that_refuses_us_is_not_ready_and_says_why(get, site):
    site.registry.email_gate.close("the key is wrong")
    assert get("/health/ready") == ("503 Service Unavailable", "the key is wrong\n")
    assert get("/health/live")[0] == "200 OK"


def test_without_a_database_a_worker_is_alive_but_not_ready(postgres):
    url = postgres.create_database("probes")
    site = Site(url, [])
    postgres.drop_database("probes")
    worker = Worker(site.registry)
    statuses = []
    for path in ("/health/live", "/health/ready", "/metrics"):
        application(site.registry, worker)(
            {"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, headers: statuses.append(status)
        )
    assert statuses == ["200 OK", "503 Service Unavailable", "200 OK"]
    site.close()


def test_an_unknown_path_says_what_there_is(get):
    status, text = get("/")
    assert status == "404 Not Found"
    assert "/metrics" in text


def test_metrics_tell_what_is_unfinished_and_how_late_it_is(get, site):
    site.user()
    site.user()
    site.deliver()
    site.user()
    with session_scope(site.registry) as db:
        late = utcnow() - timedelta(seconds=100)
        db.write(sa.update(outbox).where(outbox.c.state == State.PENDING).values(due_at=late))
    _, text = get("/metrics")
    assert 'scheduling_outbox_rows{kind="WELCOME",state="pending"} 1.0' in text
    assert 'state="done"} 1' not in text.partition("scheduling_outbox_rows")[2]
    age = next(line for line in text.splitlines() if line.startswith("scheduling_outbox_oldest_due_seconds "))
    assert 100 <= float(age.split()[1]) < 200
    assert 'scheduling_outbox_delivery_seconds_count{kind="WELCOME"}' in text


def test_the_port_serves_and_is_free_again_afterwards(site, worker):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    object.__setattr__(site.registry.scheduling, "metrics_port", port)
    for _ in range(2):
        with serve_probes(site.registry, worker):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
                assert answer.read() == b"OK\n"
            with (
                pytest.raises(StartupError, match="SCHEDULING_METRICS_PORT"),
                serve_probes(site.registry, worker),
            ):
                pass
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5)


def test_finished_messages_are_pruned_after_a_while_and_others_never(site):
    site.user()
    site.user()
    site.deliver()
    site.user()
    long_ago = utcnow() - timedelta(days=site.registry.scheduling.outbox_retention_days, seconds=1)
    with session_scope(site.registry) as db:
        newest = db.scalar(sa.select(outbox.c.id).where(outbox.c.state == State.DONE))
        db.write(sa.update(outbox).where(outbox.c.id != newest).values(created_at=long_ago, done_at=long_ago))
    assert PRUNE_BATCH > 3
    assert prune(site.registry) is False
    with session_scope(site.registry) as db:
        assert sorted(row.state for row in db.rows(sa.select(outbox.c.state))) == ["done", "pending"]
