"""The rate limit: at most so many e-mails in any 60 seconds, on a clock that the test moves."""

import random

import pytest
import sqlalchemy as sa

from scheduling.email import limit
from scheduling.email.limit import MAX_DELAY, MAX_TRANSIT_DIFFERENCE, WINDOW, rate_of
from tests.kit.emails import most_in_a_minute, rate_limit

LIMITS = [1, 2, 7, 30, 100, 6000]
START = 4_070_908_800.0
"""Some moment, in seconds of Unix time."""


@pytest.fixture(params=LIMITS)
def number(site, request):
    with rate_limit(site, request.param):
        yield request.param


def take(site, wanted, at):
    return limit.take(site.registry, wanted, now=sa.literal(int(at * 1_000_000)))


def greedy(site, seconds, start=START):
    """Take as much as there is, looking twice a second; return the moment of each grant."""
    granted, at = [], start
    while at < start + seconds:
        granted += [at] * take(site, 1_000_000, at)
        at += 0.5
    return granted


def test_no_minute_has_more_than_the_limit_whoever_takes_what_and_dawdles(site, number):
    chance = random.Random(number)  # noqa: S311 - for a test
    at, sent = START, []
    for _ in range(150):
        at += chance.choice((0, 0.001, 0.1, 1, 2, 5, chance.uniform(0, 90)))
        granted = take(site, chance.choice((1, 2, 50, number, 10 * number)), at)
        # Some are sent as late as they may be, and are long on their way.
        sent += [
            at + chance.choice((0, MAX_DELAY)) + chance.choice((0, MAX_TRANSIT_DIFFERENCE))
            for _ in range(granted)
        ]
    assert len(sent) >= 8
    assert most_in_a_minute(sent) <= number


def test_what_is_left_of_an_old_minute_adds_nothing_to_the_next(site, number):
    sent = [at + MAX_DELAY + MAX_TRANSIT_DIFFERENCE for at in greedy(site, 70)]
    sent += greedy(site, 70, START + 70)
    assert most_in_a_minute(sent) <= number


def test_nearly_the_whole_limit_is_used_all_the_time(site, number):
    minutes = 5
    granted = greedy(site, minutes * WINDOW)
    assert len(granted) >= 0.85 * minutes * number


def test_a_burst_leaves_at_once_and_then_one_after_the_other(site, number):
    rate = rate_of(number)
    assert take(site, 1_000_000, START) == rate.burst
    assert take(site, 1, START) == 0
    interval = rate.interval / 1_000_000
    assert take(site, 1_000_000, START + 0.99 * interval) == 0
    assert take(site, 1_000_000, START + interval) == 1


def test_what_one_is_granted_another_is_not(site):
    with rate_limit(site, 100):
        assert [take(site, 4, START) for _ in range(4)] == [4, 4, 2, 0]


def test_a_clock_that_was_set_back_grants_nothing_twice(site, number):
    first = take(site, 1_000_000, START)
    assert take(site, 1_000_000, START - 3600) == 0
    assert first + take(site, 1_000_000, START + 1) <= number


def test_room_is_what_can_be_taken(site, number):
    assert limit.room(site.registry) == rate_of(number).burst
    # By the database's own clock.
    assert limit.take(site.registry, 1) == 1
    assert limit.room(site.registry) in {rate_of(number).burst - 1, rate_of(number).burst}


def test_without_a_limit_nothing_is_asked(site):
    with rate_limit(site, 0), site.queries() as queries:
        assert limit.take(site.registry, 1_000_000) == 1_000_000
        assert limit.room(site.registry) is None
    assert len(queries) == 0


@pytest.mark.parametrize("number", [30, 1_000_000])
def test_a_limit_costs_one_statement_for_a_batch_however_high_it_is(site, number):
    with rate_limit(site, number):
        take(site, 1, START)
        with site.queries() as queries:
            take(site, 50, START + 60)
    assert len([each for each in queries.statements if "email_rate" in each]) == 1


def test_a_limit_that_is_lowered_holds_from_then_on(site):
    with rate_limit(site, 6000):
        assert take(site, 1_000_000, START) == 600
    with rate_limit(site, 7):
        granted = greedy(site, 600, START + 0.1)
        assert most_in_a_minute(granted) <= 7
        assert len(granted) >= 7 * 7


def test_a_limit_that_is_raised_is_used_at_once(site):
    with rate_limit(site, 7):
        greedy(site, 60)
    with rate_limit(site, 6000):
        assert len(greedy(site, 60, START + 60)) >= 5000
