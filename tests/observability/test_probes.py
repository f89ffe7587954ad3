import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from scheduling.db.pruning import PRUNE_BATCH
from scheduling.db.session import session_scope
from scheduling.email.pause import SendingPause
from scheduling.exceptions import StartupError
from scheduling.messaging.housekeeping import prune
from scheduling.messaging.models import Delay, State, outbox
from scheduling.messaging.worker import Worker
from scheduling.observability.probes import MAX_SILENT_SECONDS, application, open_port, serving, worker_probes
from scheduling.testing import Site
from scheduling.testing.processes import free_port, wait_for
from scheduling.times import utcnow
from tests.kit.factories import insert_message


@pytest.fixture
def worker(site):
    return Worker(site.registry)


@pytest.fixture
def get(site, worker):
    yield partial(ask, site.registry, worker)
    site.registry.sending_pause = SendingPause()


def with_settings(registry, **changes):
    changed = replace(registry.core_settings, **changes)
    return SimpleNamespace(**registry.__dict__ | {"core_settings": changed})


def ask(registry, worker, path):
    app = application(registry, worker_probes(registry, worker))
    answers = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
    body = b"".join(app(environ, lambda status, headers: answers.append(status)))
    return answers[0], body.decode() if path == "/metrics" else json.loads(body)


def test_a_worker_whose_threads_work_is_alive_and_ready(get):
    for probe in ("live", "ready", "startup"):
        assert get(f"/health/{probe}") == ("200 OK", {"status": "OK"})


def test_a_loop_that_hangs_is_not_alive(get, worker):
    worker._threads[1].last_alive = monotonic() - MAX_SILENT_SECONDS - 5
    status, body = get("/health/live")
    assert status == "503 Service Unavailable"
    assert body["error"].startswith("A thread has been silent for 12")


def test_a_provider_that_refuses_us_is_not_ready_and_says_why(get, site):
    site.registry.sending_pause.begin("the key is wrong", refused=True)
    assert get("/health/ready") == (
        "503 Service Unavailable",
        {"status": 503, "error": "the key is wrong"},
    )
    assert get("/health/live")[0] == "200 OK"


def test_without_a_database_a_worker_is_alive_but_not_ready(postgres):
    url = postgres.create_database("probes")
    site = Site(url, [])
    postgres.drop_database("probes")
    worker = Worker(site.registry)
    assert ask(site.registry, worker, "/health/live")[0] == "200 OK"
    assert ask(site.registry, worker, "/health/startup")[0] == "200 OK"
    status, body = ask(site.registry, worker, "/health/ready")
    assert (status, body["error"]) == ("503 Service Unavailable", "The database does not answer.")
    assert ask(site.registry, worker, "/metrics")[0] == "200 OK"
    site.close()


def test_an_unknown_path_says_what_there_is(get):
    status, body = get("/")
    assert status == "404 Not Found"
    assert "/metrics" in body["error"]


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


def test_a_worker_without_its_broker_is_degraded_but_ready(site):
    registry = with_settings(site.registry, broker_url="redis://127.0.0.1:1/0")
    worker = Worker(registry)
    worker.start()
    try:
        wait_for(worker.failure)
        status, body = ask(registry, worker, "/health/ready")
    finally:
        worker.stop()
    assert (status, body["status"]) == ("200 OK", "degraded")
    assert "failed and starts again" in body["detail"]


def test_the_failure_of_a_loop_is_forgotten_after_a_whole_round(worker):
    relay = worker._threads[0]
    relay._note_failure(ConnectionError("gone"))
    assert worker.failure() == "The relay failed and starts again: ConnectionError: gone"
    relay.report_alive()
    assert worker.failure()
    relay.report_success()
    assert worker.failure() is None


def test_the_port_serves_and_is_free_again_afterwards(site, worker):
    port = free_port()
    registry = with_settings(site.registry, metrics_port=port)
    app = application(registry, worker_probes(registry, worker))
    for _ in range(2):
        with serving(open_port(registry, app)):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
                assert json.load(answer) == {"status": "OK"}
            with pytest.raises(StartupError, match="SCHEDULING_METRICS_PORT"):
                open_port(registry, app)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5)


def test_a_client_that_sends_nothing_keeps_no_probe_waiting(site, worker):
    port = free_port()
    registry = with_settings(site.registry, metrics_port=port)
    with (
        serving(open_port(registry, application(registry, worker_probes(registry, worker)))),
        socket.create_connection(("127.0.0.1", port)),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer,
    ):
        assert answer.status == 200


def test_finished_messages_are_pruned_after_a_while_and_others_never(site):
    site.user()
    site.user()
    site.deliver()
    site.user()
    long_ago = utcnow() - timedelta(days=site.registry.core_settings.outbox_retention_days, seconds=1)
    with session_scope(site.registry) as db:
        newest = db.scalar(sa.select(outbox.c.id).where(outbox.c.state == State.DONE))
        db.write(sa.update(outbox).where(outbox.c.id != newest).values(created_at=long_ago, done_at=long_ago))
    assert PRUNE_BATCH > 3
    assert prune(site.registry) is False
    with session_scope(site.registry) as db:
        assert sorted(row.state for row in db.rows(sa.select(outbox.c.state))) == ["done", "pending"]


def test_metrics_tell_what_messages_wait_for_and_since_when(get, site):
    with session_scope(site.registry) as db:
        db.write(sa.delete(outbox))
    written = utcnow() - timedelta(hours=1)
    later = utcnow() + timedelta(minutes=40)
    for delay in (Delay.RATE_LIMIT, Delay.RATE_LIMIT, Delay.OUTAGE, None):
        insert_message(site, State.RETRY, delay=delay, due_at=later, created_at=written)
    insert_message(site, State.QUEUED, due_at=later, created_at=utcnow())
    insert_message(site, State.PENDING, kind="REMINDER", due_at=later, created_at=written)
    insert_message(site, State.DEAD, created_at=written)
    _, text = get("/metrics")
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("scheduling_outbox_"))
    waiting = {key: float(number) for key, number in found.items() if "outbox_waiting{" in key}
    assert waiting == {
        'scheduling_outbox_waiting{kind="THING",reason="rate_limit"}': 2,
        'scheduling_outbox_waiting{kind="THING",reason="outage"}': 1,
        # As the release before leaves it.
        'scheduling_outbox_waiting{kind="THING",reason="retry"}': 1,
        'scheduling_outbox_waiting{kind="THING",reason="worker"}': 1,
    }
    oldest = float(found['scheduling_outbox_oldest_seconds{kind="THING",reason="rate_limit"}'])
    assert 3600 <= oldest < 3700
    assert float(found["scheduling_outbox_oldest_due_seconds"]) == 0


def test_an_email_that_waits_for_its_turn_says_so(get, site, monkeypatch):
    one_a_minute = replace(site.registry.core_settings, email_rate_limit=1)
    monkeypatch.setattr(site.registry, "core_settings", one_a_minute)
    for _ in range(3):
        site.user()
    site.deliver()
    _, text = get("/metrics")
    assert 'scheduling_outbox_waiting{kind="WELCOME",reason="rate_limit"}' in text
