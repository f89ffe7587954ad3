"""The pause while the provider takes nothing: what is tried meanwhile, and what becomes of an outage."""

import pytest
import sqlalchemy as sa

from scheduling.email import limit
from scheduling.email.pause import (
    FAILURES,
    FIRST_PAUSE,
    LONGEST_ASKED,
    LONGEST_PAUSE,
    PROBE_SECONDS,
    REFUSED_PAUSE,
    SendingPause,
)
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.messaging.outcomes import NotNow
from scheduling.plugin import Ambiguous, Misconfigured, Permanent, Throttled, Unavailable
from tests.kit.emails import ScriptedWithKeys, most_in_a_minute, rate_limit, write_email
from tests.kit.messages import mark, rows


@pytest.fixture
def pause(clock):
    return SendingPause()


def passes(pause):
    """Let an e-mail pass that the provider takes; tell whether it was the one that is tried after a pause."""
    with pause.passing() as probing:
        return probing


def fails(pause, **options):
    with pause.passing():
        pause.begin("it is away", **options)


def test_where_nothing_is_wrong_e_mails_pass(pause):
    assert passes(pause) is False
    assert (pause.is_on(), pause.is_probe_due(), pause.reason) == (False, False, None)


def test_pauses_become_longer_up_to_a_minute(pause, clock):
    lengths = []
    for _ in range(8):
        fails(pause)
        lengths.append(pause.rest().total_seconds())
        with pytest.raises(NotNow):
            passes(pause)
        clock.advance(seconds=lengths[-1])
    assert lengths == [FIRST_PAUSE, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


def test_after_a_pause_one_is_tried_and_no_other_until_it_was_taken(pause, clock):
    fails(pause)
    clock.advance(seconds=FIRST_PAUSE)
    assert pause.is_probe_due()
    with pause.passing() as probing:
        assert probing
        assert pause.is_on()
        with pytest.raises(NotNow):
            passes(pause)
    assert (pause.is_on(), pause.is_probe_due(), pause.reason) == (False, False, None)
    assert passes(pause) is False


def test_another_is_tried_where_nothing_is_heard_of_the_first(pause, clock):
    fails(pause)
    clock.advance(seconds=FIRST_PAUSE)
    with pause.passing():
        clock.advance(seconds=PROBE_SECONDS)
        assert pause.is_probe_due()
        assert passes(pause) is True
    assert pause.reason is None


def test_after_one_that_was_taken_pauses_are_short_again(pause, clock):
    for _ in range(5):
        fails(pause)
        clock.advance(seconds=LONGEST_PAUSE)
    passes(pause)
    fails(pause)
    assert pause.rest().total_seconds() == FIRST_PAUSE


def test_several_that_fail_at_once_begin_one_pause(pause, caplog):
    with pause.passing(), pause.passing(), pause.passing():
        for _ in range(3):
            pause.begin("it is away")
    assert pause.rest().total_seconds() == FIRST_PAUSE
    assert len(caplog.records) == 1


def test_it_lasts_as_long_as_the_provider_says(pause):
    fails(pause, seconds=800)
    assert pause.rest().total_seconds() == 800


def test_it_is_a_quarter_of_an_hour_at_most(pause):
    fails(pause, seconds=24 * 3600)
    assert pause.rest().total_seconds() == LONGEST_ASKED


def test_a_provider_that_refuses_us_is_asked_rarely_and_an_operator_told(pause):
    fails(pause, refused=True)
    assert pause.rest().total_seconds() == REFUSED_PAUSE
    assert pause.refusal == pause.reason == "it is away"


def test_a_provider_that_is_away_is_nothing_an_operator_has_to_mend(pause):
    fails(pause)
    assert (pause.refusal, pause.reason) == (None, "it is away")


# What becomes of messages


@pytest.mark.parametrize("error", [Misconfigured("the key is wrong"), Unavailable("the key is wrong", 1.0)])
def test_a_provider_that_takes_nothing_uses_up_no_attempt(site, provide, error):
    provider = provide(error)
    site.user()
    site.user()
    assert site.deliver() == []
    assert len(provider.calls) == 1, "the second message was not tried"
    assert [(row.state, row.attempts) for row in rows(site)] == [("pending", 0)] * 2
    assert site.registry.sending_pause.reason == "the key is wrong"


@pytest.mark.parametrize("error", [Unavailable("503"), Ambiguous("no answer")])
def test_a_provider_that_fails_now_and_then_keeps_the_others_back_for_nothing(site, provide, error):
    provide(error, kind=ScriptedWithKeys)
    for _ in range(3):
        site.user()
    assert site.deliver() == [State.RETRY, State.DONE, State.DONE]
    assert site.registry.sending_pause.reason is None
    assert rows(site)[0].attempts == 0


@pytest.mark.parametrize("error", [Unavailable, Ambiguous])
def test_a_pause_begins_after_some_in_succession(site, provide, error):
    provider = provide(*[error("away")] * FAILURES, kind=ScriptedWithKeys)
    for _ in range(10):
        site.user()
    site.deliver()
    assert len(provider.calls) == FAILURES
    assert site.registry.sending_pause.reason == "away"
    assert {row.attempts for row in rows(site)} == {0}


def test_after_a_pause_the_count_begins_anew(pause, clock):
    while not pause.failed("away"):
        pass
    clock.advance(seconds=FIRST_PAUSE)
    assert passes(pause) is True
    assert not pause.failed("away")


def test_one_that_is_taken_begins_the_count_anew(pause):
    for _ in range(5):
        assert not pause.failed("away")
        assert not pause.failed("away")
        pause.took()
    assert pause.reason is None


def test_sending_goes_on_when_the_pause_is_over(site, provide, clock):
    provide(Misconfigured("the key is wrong"))
    site.user()
    site.user()
    site.deliver()
    clock.advance(seconds=REFUSED_PAUSE)
    assert site.deliver() == [State.DONE, State.DONE]
    assert site.registry.sending_pause.reason is None


def test_another_e_mail_is_tried_after_one_that_failed_in_a_pause(site, moody, clock):
    """So one that the provider alone refuses keeps no other back."""
    site.user()
    first = rows(site)[0].id
    clock.advance(seconds=1)
    site.user()

    def meet(provider):
        if provider.calls[-1] == str(first):
            raise Unavailable("it closes the connection")

    provider = moody(meet)
    site.deliver()
    for _ in range(60):
        clock.advance(seconds=1)
        site.deliver()
    assert [row.state for row in rows(site)] == ["retry", "done"]
    assert len(provider.taken) == 1


@pytest.mark.parametrize("error", [Permanent("no such address"), ValueError("odd"), Throttled("slower", 0)])
def test_a_pause_is_over_when_the_provider_answers_whatever_it_says(site, provide, clock, error):
    provide(Unavailable("away", FIRST_PAUSE), error)
    site.user()
    site.deliver()
    clock.advance(seconds=FIRST_PAUSE)
    site.deliver()
    assert site.registry.sending_pause.reason is None


def test_what_the_provider_said_is_written_where_the_pause_cannot_be_noted(site, provide, monkeypatch):
    def locked(registry, until):
        raise sa.exc.OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(limit, "note_pause", locked)
    provide(Ambiguous("no answer"), kind=ScriptedWithKeys)
    site.user()
    assert site.deliver() == [State.RETRY]
    [written] = rows(site)
    assert (written.attempts, written.handed is None) == (0, False)


def test_a_pause_is_not_over_where_the_rate_limit_has_no_room(site, provide, clock):
    provider = provide(Unavailable("away", FIRST_PAUSE))
    site.user()
    with rate_limit(site, 1):
        site.deliver()
        clock.advance(seconds=FIRST_PAUSE)
        # As where another worker has taken the room meanwhile.
        assert deliver(site.registry, "email", mark(site, "email")) == []
    assert len(provider.calls) == 1
    assert site.registry.sending_pause.reason == "away"


def test_an_outage_of_four_hours_loses_nothing(site, moody, clock):
    alice, ids = site.user(), []
    site.deliver()
    begun, end = clock.seconds(), clock.seconds() + 4 * 3600

    def meet(provider):
        if clock.seconds() < end:
            raise Unavailable("connection refused")

    provider = moody(meet)
    with rate_limit(site, 30):
        while clock.seconds() < end:
            if len(ids) < 300:
                ids.append(str(write_email(site, alice)))
            site.deliver()
            clock.advance(seconds=20 if len(ids) < 300 else LONGEST_PAUSE)
        tried = list(provider.calls)
        assert len(tried) <= (end - begun) / LONGEST_PAUSE + 10
        while len(provider.taken) < len(ids):
            site.deliver()
            clock.advance(seconds=2)
            assert clock.seconds() < end + 15 * 60
    moments = [at.timestamp() for at, _ in provider.taken]
    assert most_in_a_minute(moments) <= 30
    taken = [key for _, key in provider.taken]
    assert sorted(taken) == sorted(ids), "each once"
    waited = [key for key in taken if key not in tried]
    assert len(waited) > 100
    assert waited == [key for key in ids if key not in tried], "oldest first"
    assert {(row.state, row.attempts) for row in rows(site)} == {("done", 1)}
