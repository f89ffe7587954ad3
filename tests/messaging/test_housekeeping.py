"""Tasks that plugins have workers run from time to time."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

import pytest

from scheduling.exceptions import StartupError
from scheduling.messaging import housekeeping
from scheduling.messaging.housekeeping import HousekeepingTask, give_up_unhandled
from scheduling.messaging.models import State
from scheduling.messaging.worker import Worker
from scheduling.testing.processes import wait_for
from scheduling.times import utcnow
from tests.kit.factories import insert_message
from tests.kit.messages import Handler, consumer, row

ADD_TASK = "config.add_housekeeping('acme', lambda registry: None, 60.0)"
LONG_SECONDS = 3600.0


def test_a_plugin_registers_a_task(install_plugin, start_app):
    install_plugin("acme", includeme=ADD_TASK)
    task = start_app("acme").registry.housekeeping["acme"]
    assert (task.work(None), task.seconds) == (None, 60.0)


def test_two_claims_on_one_name_stop_the_start(install_plugin, start_app):
    install_plugin("acme", includeme=ADD_TASK)
    install_plugin("acme_too", includeme=ADD_TASK)
    with pytest.raises(StartupError, match=r"'acme' of acme 2\.1 and 'acme_too' of acme-too 2\.1"):
        start_app("acme", "acme_too")


@contextmanager
def worker_with(site, monkeypatch, **tasks):
    monkeypatch.setattr(site.registry, "housekeeping", tasks)
    worker = Worker(site.registry)
    worker.start()
    try:
        yield worker
    finally:
        assert worker.stop()


def test_a_worker_runs_a_task_again_after_a_while(site, monkeypatch):
    seen = []
    with worker_with(site, monkeypatch, test=HousekeepingTask(seen.append, 0.01)):
        wait_for(lambda: len(seen) >= 3)
    assert all(registry is site.registry for registry in seen)


def test_a_task_with_more_to_do_is_run_again_at_once(site, monkeypatch):
    more = [False, True, True]
    with worker_with(site, monkeypatch, test=HousekeepingTask(lambda registry: more.pop(), LONG_SECONDS)):
        wait_for(lambda: not more)


def test_a_task_that_fails_is_logged_and_run_again_and_delays_no_other(site, monkeypatch, caplog):
    calls, seen = [], []

    def fail(registry):
        calls.append(registry)
        raise RuntimeError("broken broom")

    with worker_with(
        site, monkeypatch, sweep=HousekeepingTask(fail, 0.01), mop=HousekeepingTask(seen.append, 0.01)
    ):
        wait_for(lambda: len(calls) >= 2 and len(seen) >= 2)
    assert "The housekeeping of sweep failed and starts again: RuntimeError: broken broom" in caplog.text


def test_a_task_that_takes_long_affects_neither_the_probe_nor_the_end_of_a_worker(site, monkeypatch):
    begun, ended = [], threading.Event()

    def work(registry):
        begun.append(monotonic())
        ended.wait()

    with worker_with(site, monkeypatch, test=HousekeepingTask(work, LONG_SECONDS)) as worker:
        wait_for(lambda: begun)
        wait_for(lambda: worker.seconds_since_alive() < monotonic() - begun[0])
    ended.set()


# Messages that nobody handles

DAY = timedelta(days=1)
LATE = timedelta(minutes=1)


def overdue(site, state, since, **values):
    """Insert a message to the consumer ``test``, which nobody has, that has been due for so long."""
    moment = utcnow() - since
    turn = int(moment.timestamp() * 1_000_000)
    return insert_message(site, state, due_at=moment, created_at=moment, turn=turn, last_error=None, **values)


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RUNNING, State.RETRY])
def test_a_message_that_nobody_handles_is_dead_after_a_day(site, state, caplog):
    old, new = overdue(site, state, DAY + LATE), overdue(site, state, DAY - LATE)
    assert give_up_unhandled(site.registry) is False
    assert (row(site, old).state, row(site, new).state) == ("dead", state)
    assert row(site, old).last_error == "no enabled plugin handles 'test'"
    assert row(site, old).done_at is not None
    assert "1 messages are dead: no enabled plugin handles 'test'" in caplog.text


@pytest.mark.parametrize("state", [State.DONE, State.SKIPPED, State.DEAD])
def test_what_is_finished_stays_as_it_is(site, state):
    message_id = overdue(site, state, 9 * DAY)
    before = row(site, message_id)
    give_up_unhandled(site.registry)
    assert row(site, message_id) == before


def test_a_message_that_somebody_handles_waits_however_long_it_takes(site):
    with consumer(site, Handler()):
        message_id = overdue(site, State.PENDING, 9 * DAY)
        give_up_unhandled(site.registry)
        assert row(site, message_id).state == State.PENDING


def test_a_message_for_later_waits_for_its_plugin_until_then(site):
    later = insert_message(site, State.RETRY, due_at=utcnow() + DAY, created_at=utcnow() - 9 * DAY)
    give_up_unhandled(site.registry)
    assert row(site, later).state == State.RETRY


def test_many_are_given_up_in_batches(site, monkeypatch):
    monkeypatch.setattr(housekeeping, "GIVE_UP_BATCH", 4)
    ids = [
        overdue(site, state, DAY + LATE, consumer=name)
        for name in ("a", "b")
        for state in (State.PENDING, State.RETRY, State.PENDING)
        for _ in range(2)
    ]
    assert give_up_unhandled(site.registry) is True
    assert [row(site, message_id).state for message_id in ids].count("dead") == 8
    assert give_up_unhandled(site.registry) is False
    assert {row(site, message_id).state for message_id in ids} == {"dead"}


def test_a_worker_gives_them_up(site):
    assert site.registry.housekeeping["unhandled messages"].work is give_up_unhandled
