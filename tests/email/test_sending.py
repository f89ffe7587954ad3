"""What a batch of e-mails shows and costs, and what follows from what the provider says."""

from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging import delivery
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.messaging.outbox import enqueue
from scheduling.plugin import Ambiguous, Deferred, Notice, Transient, publish
from scheduling.times import utcnow
from tests.kit.emails import Scripted, ScriptedWithKeys, rate_limit, write_email
from tests.kit.factories import book
from tests.kit.messages import change, make_due, mark, only_row, rows


def test_an_email_says_that_a_machine_wrote_it_and_has_one_message_id(site):
    site.user()
    site.deliver()
    [mail] = site.mail
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["Message-ID"] == f"<{only_row(site).id}@localhost>"
    assert abs(parsedate_to_datetime(mail.headers["Date"]) - utcnow()) < timedelta(minutes=1)


def test_the_message_id_is_the_same_on_every_attempt(site, provide):
    site.user()
    provide(Transient("it broke"))
    site.deliver()
    site.registry.email_provider = site.provider
    make_due(site)
    site.deliver()
    [mail] = site.mail
    assert mail.headers["Message-ID"] == f"<{only_row(site).id}@localhost>"


@pytest.mark.parametrize(("kind", "attempts"), [(Scripted, 2), (ScriptedWithKeys, 1)])
def test_where_nobody_knows_it_is_sent_again(site, provide, clock, kind, attempts):
    provider = provide(Ambiguous("no answer"), kind=kind)
    site.user()
    assert site.deliver() == [State.RETRY]
    clock.advance(hours=1)
    assert site.deliver() == [State.DONE]
    assert len(set(provider.calls)) == 1, "with the same key"
    assert only_row(site).attempts == attempts, "an attempt is counted where it may be sent twice"


def test_a_kind_that_holds_is_kept_for_an_operator_where_nobody_knows(site, provide, hold):
    provide(Ambiguous("no answer"))
    site.user()
    assert site.deliver() == [State.DEAD]
    assert only_row(site).last_error == "Permanent: held: no answer; redrive it to send it again"


def test_a_kind_that_holds_is_sent_again_by_a_provider_that_knows_repetitions(site, provide, hold):
    provide(Ambiguous("no answer"), kind=ScriptedWithKeys)
    site.user()
    assert site.deliver() == [State.RETRY]


@pytest.mark.parametrize(("kind", "expected"), [(Scripted, State.DEAD), (ScriptedWithKeys, State.DONE)])
def test_a_kind_that_holds_is_kept_when_a_worker_died_with_it(site, provide, hold, kind, expected):
    provider = provide(kind=kind)
    site.user()
    past = utcnow() - timedelta(seconds=1)
    change(site, state=State.RUNNING, attempts=1, owner="gone", lease_until=past, due_at=past)
    assert site.deliver() == [expected]
    assert len(provider.calls) == (1 if expected == State.DONE else 0)


def test_the_confirmation_of_a_booking_that_is_cancelled_by_then_is_skipped(site):
    alice = site.user()
    booking = book(alice)
    alice.delete(f"/bookings/{booking['id']}")
    assert site.deliver() == [State.DONE, State.SKIPPED, State.DONE]
    assert [mail.subject for mail in site.mail] == ["Welcome, Alice", "Booking cancelled: Standup"]


def test_the_address_is_that_of_the_moment_of_sending(site):
    alice = site.user(email="old@example.com")
    with session_scope(site.registry) as db:
        db.write(sa.update(users).where(users.c.id == alice.id).values(email="new@example.com"))
    site.deliver()
    assert [mail.to_address for mail in site.mail] == ["new@example.com"]


def test_an_address_that_there_cannot_be_is_given_up_at_once(site, provide):
    provider = provide()
    alice = site.user()
    with session_scope(site.registry) as db:
        # As an account that is older than the rule may have it.
        db.write(sa.update(users).where(users.c.id == alice.id).values(email="alice@example.com\u202e"))
    assert site.deliver() == [State.DEAD]
    assert provider.calls == []
    assert "no domain" in only_row(site).last_error


def test_what_a_worker_died_with_is_kept_too_when_it_was_given_back_meanwhile(site, provide, hold):
    provider = provide()
    site.user()
    change(site, handed_at=utcnow())
    assert site.deliver() == [State.DEAD]
    assert provider.calls == []


def test_whom_to_tell_is_what_holds_when_a_worker_takes_it_over(site, provide):
    alice = site.user("Alice")
    past = utcnow() - timedelta(seconds=1)
    change(site, state=State.RUNNING, attempts=1, owner="gone", lease_until=past, due_at=past)
    with session_scope(site.registry) as db:
        db.write(sa.update(users).where(users.c.id == alice.id).values(name="Alice Baker"))
    site.deliver()
    assert [mail.to_name for mail in site.mail] == ["Alice Baker"]


# What nobody knows the outcome of


def test_after_an_unknown_outcome_the_same_goes_out_whatever_has_changed(site, provide, clock):
    alice = site.user()
    site.deliver()
    booking = book(alice, title="Planning")
    provider = provide(Ambiguous("no answer"), Ambiguous("no answer"), kind=ScriptedWithKeys)
    site.deliver()
    alice.patch(f"/bookings/{booking['id']}", {"title": "Retro"})
    with session_scope(site.registry) as db:
        db.write(sa.update(users).values(name="Somebody Else", email="else@example.com"))
    confirmation = provider.calls[0]
    for _ in range(2):
        clock.advance(hours=1)
        site.deliver()
    sent = [mail for mail, key in zip(provider.mail, provider.calls, strict=True) if key == confirmation]
    assert len(sent) == 3
    assert sent[0] == sent[1] == sent[2]
    assert "Planning" in sent[0].text


def test_it_is_repeated_for_as_long_as_the_provider_knows_it_and_then_held(site, moody, clock):
    begun, tried = clock.now, []

    def meet(provider):
        tried.append((clock.now - begun) / timedelta(minutes=1))
        raise Ambiguous("no answer")

    moody(meet).deduplicates_for = 3600.0
    site.user()
    deliver_when_due(site, clock, lambda: only_row(site).state == State.DEAD)
    assert 45 < tried[-1] <= 60
    assert len(tried) > 10
    held = only_row(site).last_error
    assert held.startswith("Permanent: held: the provider may have sent it")


def test_it_is_repeated_less_and_less_often(site, moody, clock):
    """Or a few e-mails that always end so would pause all others again and again."""
    begun, tried = clock.now, []

    def meet(provider):
        tried.append((clock.now - begun) / timedelta(minutes=1))
        raise Ambiguous("no answer")

    moody(meet)
    site.user()
    while clock.now < begun + timedelta(hours=12):
        clock.now = max(clock.now + timedelta(seconds=1), only_row(site).due_at)
        site.deliver()
    assert 25 < len(tried) < 60
    assert tried[-1] - tried[-2] >= 30


def test_it_goes_out_anew_where_an_operator_has_corrected_the_sender(site, provide, clock, monkeypatch):
    provider = provide(Ambiguous("no answer"), kind=ScriptedWithKeys)
    site.user()
    site.deliver()
    corrected = replace(site.registry.core_settings, email_from="right@example.com")
    monkeypatch.setattr(site.registry, "core_settings", corrected)
    clock.advance(hours=1)
    assert site.deliver() == [State.DONE]
    assert provider.mail[-1].sender == "right@example.com"


# What the provider takes later


def deliver_when_due(site, clock, until):
    """Deliver the only message whenever it is due, until a function says so."""
    while not until():
        clock.now = max(clock.now, only_row(site).due_at)
        site.deliver()


def minutes_of_calls(moody, clock, error=lambda: Deferred("greylisted"), *, until=None):
    """Have a provider take an e-mail later; note after how many minutes it was tried."""
    begun, tried = clock.now, []

    def meet(provider):
        tried.append((clock.now - begun) / timedelta(minutes=1))
        if until is None or tried[-1] < until:
            raise error()

    moody(meet)
    return tried


def test_greylisting_for_twenty_minutes_delays_an_e_mail_by_thirty_six(site, moody, clock):
    tried = minutes_of_calls(moody, clock, until=20)
    site.user()
    deliver_when_due(site, clock, lambda: only_row(site).state == State.DONE)
    assert [round(minutes) for minutes in tried] == [0, 6, 36]
    assert only_row(site).attempts == 1


def test_what_is_taken_later_is_tried_every_two_hours_for_five_days(site, moody, clock):
    tried = minutes_of_calls(moody, clock)
    site.user()
    deliver_when_due(site, clock, lambda: only_row(site).state == State.DEAD)
    assert [round(minutes) for minutes in tried[:5]] == [0, 6, 36, 156, 276]
    assert 5 * 24 * 60 - 121 <= tried[-1] <= 5 * 24 * 60
    assert only_row(site).last_error == "Permanent: given up after 5 days: greylisted"


def test_the_days_do_not_begin_before_it_was_due(site, moody, clock):
    """As with a reminder that was written a week ahead."""
    tried = minutes_of_calls(moody, clock, until=20)
    site.user()
    change(site, created_at=clock.now - timedelta(days=7))
    deliver_when_due(site, clock, lambda: only_row(site).state == State.DONE)
    assert [round(minutes) for minutes in tried] == [0, 6, 36]


def test_it_is_tried_later_still_where_the_provider_says_so(site, moody, clock):
    tried = minutes_of_calls(moody, clock, lambda: Deferred("busy", retry_after=3600), until=30)
    site.user()
    deliver_when_due(site, clock, lambda: only_row(site).state == State.DONE)
    assert [round(minutes) for minutes in tried] == [0, 60]


def test_what_has_become_pointless_meanwhile_is_skipped(site, moody, clock):
    tried = minutes_of_calls(moody, clock)
    site.user()
    change(site, expires_at=clock.now + timedelta(minutes=30))
    deliver_when_due(site, clock, lambda: only_row(site).state == State.SKIPPED)
    assert [round(minutes) for minutes in tried] == [0, 6]


def test_one_that_is_taken_later_keeps_no_other_back(site, provide):
    provide(Deferred("greylisted"))
    site.user(), site.user()
    assert site.deliver() == [State.RETRY, State.DONE]


def test_attempts_count_what_the_provider_refuses_of_this_e_mail(site, provide):
    provider = provide(*[Transient("no")] * 9)
    site.user()
    attempts = site.registry.core_settings.email_retry_attempts
    for _ in range(attempts - 1):
        assert site.deliver() == [State.RETRY]
        make_due(site)
    assert site.deliver() == [State.DEAD]
    assert len(provider.calls) == attempts


# Batches


def deliver_batch(site, number, kind="WELCOME"):
    """Write e-mails and deliver them as one batch; return the statements that it cost."""
    pace = site.registry.pace
    for each in range(number):
        write_email(site, site.user(f"User {each}"), kind)
    change(site, state=State.DONE)
    ids = [row.id for row in rows(site)][:number]
    change(site, *ids, state=State.PENDING, due_at=utcnow())
    pace._seconds["email"] = 0.001
    with site.queries() as queries:
        assert site.deliver() == [State.DONE] * number
    return queries.statements


@pytest.mark.parametrize("number", [0, 6000])
def test_a_batch_of_e_mails_costs_as_many_statements_as_a_small_one(site, number):
    with rate_limit(site, number):
        small, large = deliver_batch(site, 5), deliver_batch(site, 50)
    assert len(small) == len(large), large


def test_with_a_limit_a_batch_costs_no_more_than_three_statements_above_one_without(site):
    without = deliver_batch(site, 20)
    with rate_limit(site, 6000):
        limited = deliver_batch(site, 20)
    # What is left, and what is taken, in a transaction of its own.
    assert len(limited) <= len(without) + 2 * 4


def test_an_e_mail_is_marked_before_the_next_where_the_provider_cannot_tell_a_repetition(site, provide):
    seen = []

    class Looking(Scripted):
        def meet(self, message):
            seen.append([row.state for row in rows(site)].count(State.DONE))

    provide(kind=Looking)
    for _ in range(4):
        site.user()
    site.deliver()
    assert seen == [0, 1, 2, 3]


def load_with(site, monkeypatch, kind, load):
    monkeypatch.setitem(site.registry.email_templates._loads, kind, load)


def test_what_an_e_mail_shows_is_loaded_once_for_a_batch_when_it_is_sent(site, monkeypatch):
    calls = []

    def load(db, messages):
        calls.append(len(messages))
        return [None, *[{}] * (len(messages) - 1)]

    load_with(site, monkeypatch, "WELCOME", load)
    for _ in range(4):
        site.user()
    assert site.deliver() == [State.SKIPPED, *[State.DONE] * 3]
    assert calls == [4]


def wrong_length(db, messages):
    return []


def wrong_sql(db, messages):
    db.rows(sa.text("SELECT no_such_column FROM users"))


def in_a_transaction(db, messages):
    db.write(sa.text("UPDATE users SET no_such_column = 1"))


def wrong_type(db, messages):
    return [5 for _ in messages]


@pytest.mark.parametrize("load", [wrong_length, wrong_sql, in_a_transaction, wrong_type])
def test_a_kind_whose_function_fails_fails_no_other(site, monkeypatch, caplog, load):
    load_with(site, monkeypatch, "WELCOME", load)
    alice = site.user()
    book(alice)
    assert sorted(site.deliver()) == [State.DONE, State.RETRY]
    assert "Traceback" in caplog.text
    assert [row.attempts for row in rows(site)] == [1, 1]


def test_a_message_that_its_function_cannot_load_fails_no_other_of_its_kind(site):
    alice = site.user()
    book(alice)
    with session_scope(site.registry) as db:
        publish(Notice(db=db, user_id=alice.id, email="BOOKING_CONFIRMATION", data={"no": "id"}))
    assert sorted(site.deliver()) == [State.DONE, State.DONE, State.RETRY]
    assert [row.payload["data"] for row in rows(site) if row.state == State.RETRY] == [{"no": "id"}]


@pytest.mark.parametrize("payload", [{"data": {}}, {"user_id": "7", "data": {}}])
def test_a_message_that_names_no_user_fails_no_other(site, payload):
    site.user()
    with session_scope(site.registry) as db:
        enqueue(db, consumer="email", kind="WELCOME", payload=payload)
    assert site.deliver() == [State.DONE, State.SKIPPED]


def test_what_the_database_does_not_give_fails_no_e_mail_and_keeps_no_other_kind_back(
    site, monkeypatch, caplog
):
    def load(db, messages):
        raise sa.exc.OperationalError("SELECT", {}, ConnectionError("gone"))

    load_with(site, monkeypatch, "WELCOME", load)
    alice = site.user()
    book(alice)
    assert site.deliver() == [State.RETRY, State.DONE], (
        "a statement of one kind that takes too long is like it"
    )
    [welcome] = [row for row in rows(site) if row.kind == "WELCOME"]
    assert (welcome.attempts, welcome.delay) == (0, "postponed")
    assert "What the e-mails WELCOME show could not be loaded: gone" in caplog.text


def test_more_e_mails_than_the_limit_wait_for_their_turn_and_use_up_no_attempt(site, clock):
    with rate_limit(site, 30):
        for _ in range(5):
            site.user()
        site.deliver()
        ended = sorted((row.state, row.attempts) for row in rows(site))
        assert ended == [("done", 1)] * 3 + [("pending", 0)] * 2
        for _ in range(8):
            clock.advance(seconds=1)
            site.deliver()
    assert {row.state for row in rows(site)} == {"done"}


def test_what_was_granted_is_not_used_late(site, clock, moody, monkeypatch):
    """As where the provider takes a second for each e-mail of a batch."""
    monkeypatch.setattr(delivery, "LONG_SECONDS", 60.0)

    def meet(provider):
        clock.advance(seconds=1)

    provider = moody(meet)
    with rate_limit(site, 100):
        for _ in range(10):
            site.user()
        ids = mark(site, "email")
        with site.queries() as queries:
            deliver(site.registry, "email", ids)
    taking = [each for each in queries.statements if "email_rate" in each]
    # Those of the batch for three seconds, and then each its own.
    assert len(taking) == 1 + 10 - 3 - 1 or len(taking) == 1 + 10 - 3
    assert len(provider.taken) == 10
