"""The embedded worker: relay and receiver as threads of the process, over Kombu's memory transport."""

import threading

import pytest

from scheduling.plugin import EmailProvider, SendResult
from scheduling.testing.processes import wait_for
from tests.kit.messages import consumer, put, working


def test_a_registration_and_a_booking_are_mailed_without_anybody_waiting(site):
    with working(site):
        alice = site.user("Alice")
        alice.post(
            "/bookings",
            {"title": "T", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"},
            status=201,
        )
        wait_for(lambda: len(site.mail) == 2)
    assert [mail.subject for mail in site.mail] == ["Welcome, Alice", "Booking confirmed: T"]


def test_messages_from_before_the_start_are_delivered(site):
    site.user("Alice")
    with working(site):
        wait_for(lambda: site.mail)


def test_several_receivers_deliver_each_message_once(site):
    seen = []
    with consumer(site, lambda message, _: seen.append(message.id)):
        ids = [put(site) for _ in range(250)]
        with working(site, receivers=3):
            wait_for(lambda: len(seen) >= len(ids))
    assert sorted(seen) == sorted(ids)


def test_a_slow_consumer_takes_nothing_from_another(site):
    go_on, begun, seen = threading.Event(), [], []

    def slow(message, _):
        begun.append(message.id)
        go_on.wait()

    with consumer(site, slow, "slow"), consumer(site, lambda message, _: seen.append(message.id), "quick"):
        for _ in range(20):
            put(site, "slow")
        with working(site, receivers=2):
            try:
                wait_for(lambda: len(begun) == 2)
                ids = [put(site, "quick") for _ in range(20)]
                site.user()
                wait_for(lambda: len(seen) == len(ids) and site.mail)
                assert len(begun) == 2
            finally:
                go_on.set()


class BrokenProvider(EmailProvider):
    def send(self, message, idempotency_key):
        if "broken" in message.to_address:
            raise RuntimeError("it broke")
        self.options["sent"].append(message.to_address)
        return SendResult()


@pytest.fixture
def broken_provider(site):
    sent = []
    site.registry.email_provider = BrokenProvider(site.registry.core_settings, {"sent": sent})
    yield sent
    site.registry.email_provider = site.provider


def test_a_message_that_fails_does_not_hold_up_the_next(site, broken_provider):
    with working(site):
        site.user(email="broken@example.com")
        fine = site.user()
        wait_for(lambda: broken_provider)
    assert broken_provider == [fine.email]


def test_what_handlers_keep_open_is_closed_after_the_threads_ended(site, monkeypatch):
    before, threads_left = set(threading.enumerate()), []

    def close(registry):
        threads_left.append(set(threading.enumerate()) - before)

    monkeypatch.setattr(site.registry, "worker_stop_hooks", [close])
    with working(site):
        assert threads_left == []
    assert threads_left == [set()]


def test_a_worker_without_a_hook_closes_nothing(site, monkeypatch):
    closed = []
    monkeypatch.setattr(site.provider, "close", lambda: closed.append(True))
    monkeypatch.setattr(site.registry, "worker_stop_hooks", [])
    with working(site):
        pass
    assert closed == [], "messaging knows nothing of e-mail"


def test_stopping_leaves_no_thread(site):
    before = set(threading.enumerate())
    with working(site, receivers=2):
        assert len(set(threading.enumerate()) - before) >= 4
    assert set(threading.enumerate()) <= before
