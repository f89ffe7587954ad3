"""The limiter by itself: exact over threads and processes, on either database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from scheduling.db import pruning
from scheduling.db.session import session_scope
from scheduling.throttling import housekeeping
from scheduling.throttling.limiter import Limit, TooMany
from scheduling.throttling.models import rate_limits

FIVE = Limit("five", 5, 900)
GROWING = Limit("growing", 5, 900, first_wait=60)
KEY = b"k" * 16


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def limiter(site):
    return site.registry.limiter


def take(site, limit=FIVE, key=KEY):
    """Take a place as a process that knows of no refusal; return it, or the seconds without one."""
    site.registry.limiter.refusals.clear()
    with session_scope(site.registry) as db:
        try:
            return site.registry.limiter.take(db, limit, key)
        except TooMany as refusal:
            return refusal.seconds


def give_back(site, place):
    with session_scope(site.registry) as db:
        site.registry.limiter.give_back(db, place)


def pass_time(site, seconds):
    """Have everything be so many seconds ago."""
    with session_scope(site.registry) as db:
        for row in db.rows(sa.select(rate_limits)):
            hits = [moment - int(seconds * 1_000_000) for moment in row.hits]
            expires_at = row.expires_at - int(seconds * 1_000_000)
            db.write(
                sa.update(rate_limits)
                .where(rate_limits.c.key == row.key)
                .values(hits=hits, expires_at=expires_at)
            )


def is_refused(answer):
    return isinstance(answer, float)


def test_as_many_pass_at_once_as_there_are_places_and_the_next_when_the_first_is_over(site):
    remaining = [take(site).remaining for _ in range(5)]
    assert remaining == [4, 3, 2, 1, 0]
    assert take(site) == pytest.approx(900, abs=20)
    pass_time(site, 870)
    assert take(site) == pytest.approx(30, abs=20)
    pass_time(site, 31)
    assert take(site).remaining >= 0


def test_a_window_slides(site):
    take(site)
    pass_time(site, 600)
    for _ in range(4):
        take(site)
    assert is_refused(take(site))
    pass_time(site, 301)
    # The first is over, the other four are not.
    assert take(site).remaining == 0
    assert is_refused(take(site))


def test_places_of_one_moment_are_told_apart(site):
    places = [take(site) for _ in range(5)]
    assert len({place.moment for place in places}) == 5
    give_back(site, places[2])
    assert not is_refused(take(site))
    assert is_refused(take(site))


def test_a_clock_that_is_set_back_lets_nobody_pass_twice(site):
    for _ in range(5):
        take(site)
    pass_time(site, -3600)
    assert is_refused(take(site))


def test_waits_grow_up_to_the_window_and_begin_anew_after_a_day(site):
    assert [take(site, GROWING).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    for wait in (60, 120, 240, 480, 900, 900):
        assert take(site, GROWING) == pytest.approx(wait, abs=10)
        pass_time(site, wait - 15)
        assert is_refused(take(site, GROWING))
        pass_time(site, 16)
        place = take(site, GROWING)
        assert (place.remaining, place.raised) == (0, 1)
    pass_time(site, 86_401)
    assert [take(site, GROWING).remaining for _ in range(5)] == [4, 3, 2, 1, 0]


def test_a_place_that_is_given_back_imposes_no_wait(site):
    for _ in range(4):
        take(site, GROWING)
    give_back(site, take(site, GROWING))
    assert take(site, GROWING).remaining == 0
    assert take(site, GROWING) == pytest.approx(60, abs=10)


def test_a_limit_of_one_has_its_wait_from_the_first_on(site):
    one = Limit("one", 1, 900, first_wait=60)
    assert take(site, one).remaining == 0
    assert take(site, one) == pytest.approx(60, abs=10)


@pytest.mark.parametrize("limit", [FIVE, GROWING, Limit("fifty", 50, 60)])
def test_of_many_at_once_exactly_as_many_pass_as_there_are_places(site, limit):
    number = min(10 * limit.places, 100)
    gate = threading.Barrier(8)

    def some(_):
        gate.wait()
        return [take(site, limit) for _ in range(number // 8 + 1)]

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for part in threads.map(some, range(8)) for answer in part]
    passed = [answer.moment for answer in answers if not is_refused(answer)]
    assert len(passed) == len(set(passed)) == limit.places


def test_a_limit_that_is_lowered_holds_at_once_and_one_that_is_raised_too(site):
    for _ in range(5):
        take(site)
    assert is_refused(take(site, Limit("five", 2, 900)))
    assert take(site, Limit("five", 7, 900)).remaining == 1


def test_a_decision_is_one_statement_that_begins_no_transaction(site, limiter):
    take(site)
    with site.queries() as queries:
        take(site)
    assert len(queries) == 1
    assert queries.statements[0].strip().startswith("INSERT INTO rate_limits")


def test_a_refusal_that_stands_is_answered_without_the_database(site, limiter):
    for _ in range(5):
        take(site)
    assert is_refused(take(site))
    with session_scope(site.registry) as db, site.queries() as queries, pytest.raises(TooMany) as refused:
        limiter.take(db, FIVE, KEY)
    assert len(queries) == 0
    assert refused.value.seconds == pytest.approx(900, abs=20)
    # A place that is given back lets one pass, in other processes within a second.
    assert refused.value.certain <= 1


def test_a_refusal_is_certain_to_the_end_where_no_place_can_be_given_back(site, limiter):
    for _ in range(5):
        take(site)
    pass_time(site, 11)
    with session_scope(site.registry) as db, pytest.raises(TooMany) as refused:
        limiter.take(db, FIVE, KEY)
    assert refused.value.certain == refused.value.seconds == pytest.approx(889, abs=20)


def test_keys_tell_limits_and_subjects_apart_and_hide_them(site, limiter):
    keys = {limiter.key("a", "b"), limiter.key("b", "a"), limiter.key("a", "b", "c"), limiter.key("a", "bc")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {16}


def test_rows_that_say_nothing_any_more_are_pruned(site, monkeypatch):
    monkeypatch.setattr(pruning, "PRUNE_BATCH", 2)
    for number in range(5):
        take(site, key=bytes([number]) * 16)
    assert housekeeping.prune(site.registry) is False
    pass_time(site, 901)
    take(site, key=bytes([0]) * 16)
    assert [housekeeping.prune(site.registry) for _ in range(3)] == [True, True, False]
    with session_scope(site.registry) as db:
        assert [row.key for row in db.rows(sa.select(rate_limits.c.key))] == [bytes(16)]
    assert site.registry.housekeeping["rate limits"].work is housekeeping.prune
