"""The keeper: leases of what is in hand, what waits behind a slow message, handlers that do not come back."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from scheduling.messaging import batch as batches
from scheduling.messaging import keeper, worker
from scheduling.messaging.models import State
from scheduling.testing.processes import wait_for
from tests.kit.messages import consumer, put, row, rows, working


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.02)


class Blocking:
    """A handler that does not come back from some messages before it is let go."""

    def __init__(self, *kept):
        self.kept = set(kept)
        self.begun = []
        self.ended = []
        self.go_on = threading.Event()

    def __call__(self, message, registry):
        self.begun.append(message.id)
        if message.id in self.kept:
            self.go_on.wait()
        self.ended.append(message.id)
        return "late"


@contextmanager
def blocking(site, number, *, kept=1, receivers=1, **options):
    """Have a worker deliver messages, of which the handler does not come back from the first ones."""
    handler = Blocking()
    with consumer(site, handler, **options):
        ids = [put(site) for _ in range(number)]
        handler.kept = set(ids[:kept])
        with working(site, receivers) as running:
            try:
                yield handler, ids, running
            finally:
                handler.go_on.set()


def test_the_lease_of_what_is_in_hand_is_renewed(site, monkeypatch):
    short = replace(site.registry.core_settings, outbox_lease=1)
    monkeypatch.setattr(site.registry, "core_settings", short)
    with blocking(site, 3, kept=1) as (handler, ids, _):
        wait_for(lambda: handler.begun)
        first = [row(site, message_id).lease_until for message_id in ids]
        wait_for(
            lambda: all(row(site, each).lease_until > then for each, then in zip(ids, first, strict=True))
        )
        handler.go_on.set()
        wait_for(lambda: {each.state for each in rows(site)} == {"done"})
    assert {each.attempts for each in rows(site)} == {1}


@pytest.mark.parametrize("together", [False, True])
def test_what_waits_behind_a_slow_message_is_delivered_by_another_thread(site, monkeypatch, together):
    monkeypatch.setattr(batches, "LONG_SECONDS", 0.05)
    options = {"receivers": 2, "marked_together": lambda registry: together}
    with blocking(site, 8, **options) as (handler, ids, _):
        wait_for(lambda: all(row(site, message_id).state == State.DONE for message_id in ids[1:]))
        assert row(site, ids[0]).state == State.RUNNING
        handler.go_on.set()
        wait_for(lambda: row(site, ids[0]).state == State.DONE)
    assert {each.attempts for each in rows(site)} == {1}
    assert sorted(handler.begun) == sorted(ids), "each was handled once"


def test_results_do_not_wait_for_a_slow_message_behind_them(site, monkeypatch):
    monkeypatch.setattr(batches, "LONG_SECONDS", 0.05)
    handler = Blocking()
    with consumer(site, handler, marked_together=lambda registry: True):
        ids = [put(site) for _ in range(3)]
        handler.kept = {ids[2]}
        with working(site):
            try:
                wait_for(lambda: [row(site, each).state for each in ids] == ["done", "done", "running"])
            finally:
                handler.go_on.set()


def test_a_handler_that_does_not_come_back_in_time_is_given_up(site, caplog):
    with blocking(site, 3, seconds=0.1) as (handler, ids, running):
        wait_for(lambda: row(site, ids[0]).state == State.RETRY)
        wait_for(lambda: [row(site, each).state for each in ids[1:]] == ["done"] * 2)
        given_up = row(site, ids[0])
        assert given_up.attempts == 1
        assert given_up.last_error == "TimeoutError: the handler did not end within 0 seconds"
        assert given_up.delay == "retry"
        assert "The consumer test of acme failed" in caplog.text
        assert running.seconds_since_alive() < 60
        handler.go_on.set()
        wait_for(lambda: ids[0] in handler.ended)
    assert row(site, ids[0]) == given_up, "the late result is not written"


def test_a_message_whose_handler_never_comes_back_is_dead_in_the_end(site, monkeypatch):
    at_once = replace(site.registry.core_settings, outbox_backoff=0)
    monkeypatch.setattr(site.registry, "core_settings", at_once)
    with blocking(site, 1, seconds=0.05, attempts=3) as (handler, [message_id], _):
        wait_for(lambda: row(site, message_id).state == State.DEAD)
        assert len(handler.begun) == 3


def test_with_too_many_threads_that_do_not_come_back_the_worker_is_not_alive(site, monkeypatch):
    monkeypatch.setattr(worker, "MAX_REPLACED", 2)
    with blocking(site, 3, kept=3, seconds=0.05) as (handler, ids, running):
        wait_for(lambda: set(handler.begun) == set(ids))
        # One may be tried again by now: the first back-off is a random part of twenty seconds.
        wait_for(lambda: all(row(site, message_id).last_error for message_id in ids))
        wait_for(lambda: running.seconds_since_alive() > 1.2)


def test_those_that_came_back_in_the_end_count_no_more(site, monkeypatch):
    monkeypatch.setattr(worker, "MAX_REPLACED", 1)
    first, second = Blocking(), Blocking()
    with consumer(site, first, "first", seconds=0.05), consumer(site, second, "second", seconds=0.05):
        for name, handler in (("first", first), ("second", second)):
            message_id = put(site, name)
            handler.kept = {message_id}
        with working(site) as running:
            try:
                wait_for(lambda: len(running._replaced) == 1)
                stuck = running._replaced[0]
                handler, other = (first, second) if stuck.name.endswith("first") else (second, first)
                handler.go_on.set()
                wait_for(lambda: not stuck.is_alive())
                again = put(site, stuck.name.rpartition(" ")[2])
                handler.go_on.clear()
                handler.kept.add(again)
                wait_for(lambda: running._replaced not in ([], [stuck]))
                assert not other.ended
            finally:
                first.go_on.set()
                second.go_on.set()


def test_a_batch_that_is_prepared_for_ever_is_seen_and_waits_for_another_thread(site, monkeypatch, caplog):
    monkeypatch.setattr(batches, "PREPARE_SECONDS", 0.05)
    first, go_on = threading.Event(), threading.Event()

    def prepare(messages, registry):
        if not first.is_set():
            first.set()
            go_on.wait()
        return lambda message, registry: None

    with consumer(site, Blocking(), prepare=prepare):
        message_id = put(site)
        with working(site):
            try:
                wait_for(lambda: row(site, message_id).state == State.DONE)
            finally:
                go_on.set()
    assert row(site, message_id).attempts == 1
    assert "acme takes too long to prepare a batch" in caplog.text
