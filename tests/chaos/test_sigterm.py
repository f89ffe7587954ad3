"""A worker that is told to end, one that is killed, and a message that kills whoever takes it."""

import os
import time

import pytest

from scheduling.testing.processes import wait_for

EXIT_SECONDS = 2.0  # promised: that long after the provider's answer the worker has ended
PATIENT = {"SCHEDULING_RESEND_TIMEOUT": "30", "SCHEDULING_OUTBOX_LEASE": "60"}

POISON = """
import os
from scheduling.plugin import Plugin, UserRegistered, enqueue

plugin = Plugin(name="poison", summary="Its messages kill workers.", api=(1, 0))

def put(event):
    enqueue(event.db, consumer="poison", kind="POISON", payload={})

def die(message, registry):
    os._exit(17)

def includeme(config):
    config.add_outbox_consumer("poison", die, attempts=2)
    config.add_subscriber(put, UserRegistered)
"""


@pytest.fixture
def poison(tmp_path):
    """The environment in which the plugin of this name is installed and enabled."""
    metadata = tmp_path / "site" / "poison-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[scheduling.plugins]\npoison = poison:plugin\n")
    (tmp_path / "site" / "poison.py").write_text(POISON)
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "SCHEDULING_PLUGINS": "poison", "SCHEDULING_OUTBOX_LEASE": "1"}


def test_sigterm_while_the_provider_has_the_message_finishes_it_and_exits_soon(make_site, provider):
    site = make_site(**PATIENT)
    provider.go_on.clear()
    site.start()
    [worker] = site.workers
    site.register()
    assert provider.arrived.wait(20)
    worker.terminate()
    wait_for(lambda: "finishes what it has in hand" in worker.output)
    assert worker.running
    provider.go_on.set()
    assert worker.wait(20) == 0
    assert time.monotonic() - provider.answered_at < EXIT_SECONDS
    assert site.states() == {"done": 1}
    assert [call.fate for call in provider.calls] == ["accepted"]


def test_sigterm_with_messages_waiting_loses_none_and_leaves_none_running(make_site, provider):
    site = make_site(**PATIENT)
    provider.go_on.clear()
    site.start()
    [worker] = site.workers
    token = site.register()
    for number in range(40):
        assert site.book(token, f"No. {number}").status == 201
    wait_for(lambda: site.states()["running"] == 4, what="every consumer has a message in hand")
    worker.terminate()
    provider.go_on.set()
    assert worker.wait(20) == 0
    left = site.states()
    assert set(left) <= {"done", "pending", "queued"}
    assert left["done"] == len(provider.accepted) < 41
    # Published ids that nobody took were in the broker or lost; both end well.
    worker.start()
    wait_for(lambda: site.states() == {"done": 41})
    assert provider.duplicates == 0


def test_the_message_of_a_killed_worker_is_taken_over_when_its_lease_is_over(make_site, provider):
    site = make_site()
    provider.go_on.clear()
    site.start()
    [killed] = site.workers
    site.register()
    assert provider.arrived.wait(20)
    killed.kill()
    provider.go_on.set()
    heir = site.add_worker().start()
    wait_for(lambda: site.states() == {"done": 1})
    assert heir.metric("scheduling_outbox_recovered_leases_total") == 1
    assert [row.attempts for row in site.rows("SELECT attempts FROM outbox")] == [2]
    assert (len(provider.accepted), len(provider.calls)) == (1, 2)


def test_a_message_that_kills_its_workers_ends_dead_and_the_others_are_done(make_site, provider, poison):
    site = make_site(**poison)
    site.start()
    [worker] = site.workers
    site.register()
    for _ in range(2):
        assert worker.wait(30) == 17
        worker.start()
    wait_for(lambda: site.states() == {"done": 1, "dead": 1})
    assert worker.is_ready()
    [dead] = site.rows("SELECT kind, last_error FROM outbox WHERE state = 'dead'")
    assert dead == ("POISON", "given up: the workers that tried it died")
    assert sum(provider.subjects().values()) == 1
