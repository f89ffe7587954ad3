"""Users take turns, whoever of them writes how much."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.messaging import turns
from scheduling.messaging.turns import FARTHEST, SPACING, Turns

NOON = 4_070_908_800_000_000
"""Some moment, in microseconds of Unix time."""


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch):
        self.now = NOON
        monkeypatch.setattr(turns, "time", self)

    def time_ns(self):
        return self.now * 1000


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_single_message_has_the_turn_of_its_moment(clock):
    given_out = Turns()
    assert given_out.take(1) == given_out.take(2) == given_out.take(None) == given_out.take(None) == NOON


def test_a_flood_is_behind_what_another_writes_after_it(clock):
    given_out = Turns()
    flood = [given_out.take(1) for _ in range(500)]
    clock.now += 3 * SPACING
    later = given_out.take(2)
    assert sum(turn <= later for turn in flood) == 4


def test_a_user_who_was_silent_for_long_enough_has_no_old_debt(clock):
    given_out = Turns()
    for _ in range(10):
        given_out.take(1)
    clock.now += 10 * SPACING
    assert given_out.take(1) == clock.now


def test_no_flood_is_a_matter_of_more_than_a_day(clock):
    given_out = Turns()
    for _ in range(2 * FARTHEST // SPACING):
        last = given_out.take(1)
    assert last == NOON + FARTHEST


def test_only_users_with_a_debt_are_remembered(clock):
    given_out = Turns()
    for user in range(30_000):
        given_out.take(user)
        clock.now += SPACING
    assert len(given_out._next) <= 10_001


WRITTEN = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2 * SPACING)), min_size=1, max_size=60)
"""Messages: of whom, and how long after the one before."""


@given(WRITTEN)
def test_whoever_writes_what_each_users_messages_keep_their_order_and_nobody_waits_for_a_flood(written):
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock, given_out, taken = Clock(monkeypatch), Turns(), []
        for user, pause in written:
            clock.now += pause
            taken.append((given_out.take(user), clock.now, user))
    for user in {user for _, _, user in taken}:
        mine = [(turn, at) for turn, at, of in taken if of == user]
        ordered = [turn for turn, _ in mine]
        assert ordered == sorted(set(ordered)), "in the order in which they were written"
        assert all(later - earlier >= SPACING for earlier, later in pairwise(ordered))
        assert all(turn >= at for turn, at in mine)
        for position, (turn, at) in enumerate(mine):
            assert turn <= at + position * SPACING, "no later than the number of one's own before"
    for turn, at, user in taken:
        before = [other for other, written_at, of in taken if of != user and other < turn and written_at > at]
        own = turn - at
        if own == 0:
            assert before == [], "nobody who comes later overtakes one who has no debt"
