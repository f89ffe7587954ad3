"""Tasks that plugins have workers run from time to time."""

import threading
from contextlib import contextmanager
from time import monotonic

import pytest

from scheduling.exceptions import StartupError
from scheduling.messaging.housekeeping import HousekeepingTask
from scheduling.messaging.worker import Worker
from scheduling.testing.processes import wait_for

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
