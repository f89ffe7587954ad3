"""How fast a provider takes e-mails is learnt from its complaints (HTTP 429)."""

import pytest

from scheduling.email.throttle import EASE_SECONDS, FORGET_AT, Throttle
from scheduling.messaging.models import State
from scheduling.plugin import Throttled
from tests.kit.emails import write_email
from tests.kit.messages import rows


@pytest.fixture
def throttle(clock):
    return Throttle()


class Bucket:
    """A provider's limit: so many a second, and a second's worth at once."""

    def __init__(self, clock, rate, retry_after=1.0):
        self._clock = clock
        self._rate = rate
        self._retry_after = retry_after
        self._left, self._at = rate, 0.0
        self.complaints = 0

    def __call__(self, provider=None):
        now = self._clock.seconds()
        self._left, self._at = min(self._rate, self._left + (now - self._at) * self._rate), now
        if self._left < 1:
            self.complaints += 1
            raise Throttled("too many requests", self._retry_after)
        self._left -= 1


def test_without_a_complaint_there_is_no_pace(throttle):
    assert throttle.room() is None
    assert all(throttle.take() for _ in range(1000))


def test_after_a_complaint_nothing_is_sent_for_as_long_as_it_says(throttle, clock):
    throttle.complained(30.0)
    assert throttle.room() == 0
    assert not throttle.take()
    clock.advance(seconds=29)
    assert not throttle.take()
    clock.advance(seconds=1)
    assert throttle.room() == 1
    assert throttle.take()
    assert not throttle.take()


def test_the_pace_is_a_little_less_than_what_was_taken(throttle, clock):
    for _ in range(50):
        throttle.took()
        clock.advance(seconds=0.1)
    throttle.complained(1.0)
    clock.advance(seconds=1)
    taken = 0
    for _ in range(200):
        taken += throttle.take()
        clock.advance(seconds=0.05)
    assert 70 <= taken <= 90


def test_a_complaint_before_anything_was_taken_slows_to_the_time_that_it_asks_for(throttle, clock):
    throttle.complained(2.0)
    clock.advance(seconds=2)
    assert throttle.take()
    clock.advance(seconds=3)
    assert throttle.take(), "not one a minute: it has only not answered yet"


def test_many_complaints_at_once_slow_down_once(throttle, clock):
    for _ in range(50):
        throttle.took()
        clock.advance(seconds=0.1)
    for _ in range(30):
        throttle.complained(1.0)
    clock.advance(seconds=1.0)
    taken = 0
    for _ in range(100):
        taken += throttle.take()
        clock.advance(seconds=0.1)
    assert 70 <= taken <= 90


def test_it_becomes_faster_while_nobody_complains_and_is_forgotten_in_the_end(throttle, clock):
    throttle.took()
    throttle.complained(None)
    steps = 0
    while throttle.room() is not None:
        clock.advance(seconds=EASE_SECONDS + 1)
        steps += 1
        assert steps < 100
    assert steps > 10
    assert throttle._rate is None
    assert FORGET_AT > 100


@pytest.mark.parametrize("rate", [2, 10])
def test_all_is_delivered_at_the_pace_of_the_provider_and_no_attempt_is_counted(site, moody, clock, rate):
    alice = site.user()
    bucket = Bucket(clock, rate)
    provider = moody(bucket)
    for _ in range(60):
        write_email(site, alice)
    while any(message.state != State.DONE for message in rows(site)):
        site.deliver()
        clock.advance(seconds=0.1)
        assert clock.seconds() < 6 * 61 / rate
    assert {message.attempts for message in rows(site)} == {1}
    assert len(provider.taken) == len(set(provider.calls)) == 61
    assert bucket.complaints <= 10


def test_several_workers_that_all_learn_it_lose_nothing(site, clock, moody, throttle):
    bucket = Bucket(clock, 5)
    taken = 0
    throttles = [Throttle() for _ in range(3)]
    while taken < 200:
        for each in throttles:
            if each.take():
                try:
                    bucket()
                    each.took()
                    taken += 1
                except Throttled as error:
                    each.complained(error.retry_after)
        clock.advance(seconds=0.05)
        assert clock.seconds() < 200
    assert bucket.complaints < 60
