"""EMAIL_RATE_LIMIT over all workers: for real, and with a clock that runs faster."""

import heapq
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduling.email.limit import MAX_DELAY, MAX_TRANSIT_DIFFERENCE, WINDOW, take_slot
from scheduling.messaging.outbox import Message
from scheduling.messaging.outcomes import Postpone
from scheduling.testing.processes import wait_for

MINUTE = timedelta(seconds=60)
START = datetime(2099, 1, 1, tzinfo=UTC)


def test_three_workers_together_send_no_more_than_the_limit(make_site, provider):
    site = make_site(EMAIL_RATE_LIMIT="60")
    site.start(workers=0)
    token = site.register()
    for number in range(89):
        assert site.book(token, f"No. {number}").status == 201
    for _ in range(3):
        site.add_worker().start()
    wait_for(lambda: site.states() == {"done": 60, "retry": 30})
    assert len(provider.calls) == 60
    waiting = site.rows(
        "SELECT extract(epoch FROM due_at) AS due, attempts FROM outbox WHERE state = 'retry'"
    )
    assert {row.attempts for row in waiting} == {0}
    # The first of those that wait goes out a minute after the first that was sent, and so on.
    sent, due = sorted(call.at for call in provider.calls), sorted(float(row.due) for row in waiting)
    assert min(then - at for at, then in zip(sent, due, strict=False)) >= 60


@dataclass(order=True)
class Waiting:
    """A message that comes to a worker at a moment."""

    due_at: datetime
    number: int
    reserved_at: datetime | None = None


class Simulation:
    """Messages that many threads take their turns with, on a clock that jumps from one moment to the next."""

    def __init__(self, site, threads):
        self.sent = []
        self._registry = site.registry
        self._threads = threads
        self._now = START

    def run(self, arrivals, lateness=lambda at: 0, on_the_way=lambda at: 0):
        """Let messages arrive, be late at a worker, and be on the way to the provider, until all are sent.

        How late and how long is asked for each moment, in seconds.
        """
        self._on_the_way = on_the_way
        waiting = [Waiting(at, number) for number, at in enumerate(arrivals)]
        heapq.heapify(waiting)
        while waiting:
            due_at = waiting[0].due_at
            self._now = max(self._now, due_at + timedelta(seconds=lateness(due_at)))
            due = []
            while waiting and waiting[0].due_at <= self._now:
                due.append(heapq.heappop(waiting))
            for postponed in filter(None, self._threads.map(self._take_slot, due)):
                heapq.heappush(waiting, postponed)

    def _take_slot(self, waiting):
        message = Message(uuid.UUID(int=waiting.number), "KIND", {}, 1, waiting.reserved_at)
        try:
            take_slot(self._registry, message, lambda: self._now)
        except Postpone as postponed:
            reserved_at = postponed.until if postponed.reserved else None
            return Waiting(postponed.until, waiting.number, reserved_at)
        self.sent.append(self._now + timedelta(seconds=self._on_the_way(self._now)))
        return None


@pytest.fixture
def simulation(site):
    with ThreadPoolExecutor(8) as threads:
        yield Simulation(site, threads)


@pytest.fixture
def limit(site):
    return site.registry.core_settings.email_rate_limit


def require_limit(sent, limit):
    sent = sorted(sent)
    closest = min(later - earlier for earlier, later in zip(sent, sent[limit:], strict=False))
    assert closest >= MINUTE, f"{limit + 1} in {closest}"


def test_the_whole_limit_is_used_at_once_and_then_a_slot_at_a_time(simulation, limit):
    simulation.run([START] * (limit * 10))
    assert simulation.sent.count(START) == limit
    require_limit(simulation.sent, limit)
    assert max(simulation.sent) <= START + 10 * WINDOW
    # Spread over the minute, so that few workers can keep up with them.
    after = simulation.sent[limit:]
    assert max(after.count(moment) for moment in set(after)) <= 2


@pytest.mark.parametrize("seed", range(3))
def test_no_window_has_more_than_the_limit_however_messages_arrive_and_workers_dawdle(
    simulation, limit, seed
):
    chance = random.Random(seed)
    # Some come after their slots and take others, as after a pause of the workers.
    dawdling = (0, 0, 0, 0.5, 2.9, 3, 3.5, 20)
    arrivals = [START + timedelta(seconds=chance.triangular(0, 600, 0)) for _ in range(limit * 10)]
    simulation.run(arrivals, lambda at: chance.choice(dawdling), lambda at: chance.choice((0, 0.2, 1)))
    assert len(simulation.sent) == len(arrivals)
    require_limit(simulation.sent, limit)


def test_a_slot_that_was_used_late_is_not_used_again_early(simulation, limit):
    def in_the_second_minute(at):
        return START < at < START + WINDOW * 1.9

    simulation.run(
        [START] * limit * 3,
        lambda at: MAX_DELAY.total_seconds() if in_the_second_minute(at) else 0,
        lambda at: MAX_TRANSIT_DIFFERENCE.total_seconds() if in_the_second_minute(at) else 0,
    )
    require_limit(simulation.sent, limit)
    assert max(simulation.sent) <= START + 3 * WINDOW


def test_a_limit_that_is_raised_is_used_at_once(simulation, site, limit, monkeypatch):
    simulation.run([START] * limit)
    more = replace(site.registry.core_settings, email_rate_limit=limit * 2)
    monkeypatch.setattr(site.registry, "core_settings", more)
    simulation.run([START] * limit)
    assert simulation.sent == [START] * limit * 2
