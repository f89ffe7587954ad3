"""What the e-mail channel does besides rendering: headers, pauses, held messages, messages nobody needs."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.email.pause import SendingPause
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State, outbox
from scheduling.messaging.relay import mark_due_as_queued
from scheduling.messaging.worker import Worker
from scheduling.plugin import Ambiguous, EmailProvider, Misconfigured, SendResult
from scheduling.times import utcnow
from tests.kit.factories import book


class Scripted(EmailProvider):
    """A provider that raises what it is told to, and then takes everything."""

    def send(self, message, idempotency_key):
        self.options["calls"].append(idempotency_key)
        if self.options["errors"]:
            raise self.options["errors"].pop(0)
        return SendResult("theirs")


class ScriptedWithKeys(Scripted):
    deduplicates = True


@pytest.fixture
def provide(site):
    """Let the site send with a provider that raises these errors first; return its calls."""

    def use(*errors, kind=Scripted):
        calls = []
        options = {"errors": list(errors), "calls": calls}
        site.registry.email_provider = kind(site.registry.core_settings, options)
        return calls

    yield use
    site.registry.email_provider = site.provider
    site.registry.sending_pause = SendingPause()


@pytest.fixture
def hold(site):
    """Make WELCOME a kind of which no second copy may be sent."""
    kinds = site.registry.email_templates._on_ambiguous
    kinds["WELCOME"] = "hold"
    yield
    kinds["WELCOME"] = "resend"


def only_row(site):
    with session_scope(site.registry) as db:
        return db.row(sa.select(outbox))


def change(site, **values):
    with session_scope(site.registry) as db:
        db.write(sa.update(outbox).values(values))


def make_due(site):
    change(site, due_at=utcnow() - timedelta(seconds=1))


def test_an_email_says_that_a_machine_wrote_it_and_has_one_message_id(site):
    site.user()
    site.deliver()
    [mail] = site.mail
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["Message-ID"] == f"<{only_row(site).id}@localhost>"
    assert abs(parsedate_to_datetime(mail.headers["Date"]) - utcnow()) < timedelta(minutes=1)


def test_the_message_id_is_the_same_on_every_attempt(site, provide):
    site.user()
    provide(Ambiguous("it broke"))
    site.deliver()
    site.registry.email_provider = site.provider
    make_due(site)
    site.deliver()
    [mail] = site.mail
    assert mail.headers["Message-ID"] == f"<{only_row(site).id}@localhost>"


def test_a_provider_that_refuses_us_pauses_sending_and_uses_up_no_attempt(site, provide):
    calls = provide(Misconfigured("the key is wrong"))
    site.user()
    site.user()
    assert site.deliver() == [State.RETRY, State.RETRY]
    assert len(calls) == 1, "the second message did not try the same key"
    with session_scope(site.registry) as db:
        rows = db.rows(sa.select(outbox))
    assert [row.attempts for row in rows] == [0, 0]
    assert {row.last_error for row in rows} == {"the e-mail provider refuses us: the key is wrong"}
    assert site.registry.sending_pause.reason == "the key is wrong"


def test_sending_goes_on_when_the_pause_is_over(site, provide):
    provide(Misconfigured("the key is wrong"))
    site.user()
    site.deliver()
    site.registry.sending_pause._until = utcnow() - timedelta(seconds=1)
    make_due(site)
    assert site.deliver() == [State.DONE]
    assert site.registry.sending_pause.reason is None


def test_where_nobody_knows_it_is_sent_again(site, provide):
    calls = provide(Ambiguous("no answer"))
    site.user()
    assert site.deliver() == [State.RETRY]
    make_due(site)
    assert site.deliver() == [State.DONE]
    assert len(set(calls)) == 1, "with the same key"


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
    calls = provide(kind=kind)
    site.user()
    past = utcnow() - timedelta(seconds=1)
    change(site, state=State.RUNNING, attempts=1, owner="gone", lease_until=past, due_at=past)
    assert site.deliver() == [expected]
    assert len(calls) == (1 if expected == State.DONE else 0)


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


def test_more_mail_than_the_limit_waits_for_its_slots_and_uses_up_no_attempts(site):
    limit = site.registry.core_settings.email_rate_limit
    for _ in range(limit + 2):
        site.user()
    site.deliver()
    assert len(site.mail) == limit
    with session_scope(site.registry) as db:
        waiting = db.rows(sa.select(outbox).where(outbox.c.state == State.RETRY))
    assert [row.attempts for row in waiting] == [0, 0]
    assert all(row.reserved_at == row.due_at for row in waiting)
    assert all(row.due_at > utcnow() + timedelta(seconds=50) for row in waiting)


def test_a_message_uses_the_slot_that_it_reserved(site):
    site.user()
    now = utcnow()
    change(site, reserved_at=now, due_at=now)
    with site.queries() as queries:
        [message_id] = mark_due_as_queued(site.registry)
        assert deliver(site.registry, message_id) == State.DONE
    assert not [statement for statement in queries.statements if "email_slots" in statement]
    assert only_row(site).reserved_at is None


def test_a_message_that_comes_too_late_for_its_slot_takes_another(site):
    site.user()
    past = utcnow() - timedelta(seconds=10)
    change(site, reserved_at=past, due_at=past)
    with site.queries() as queries:
        assert site.deliver() == [State.DONE]
    assert [statement for statement in queries.statements if "email_slots" in statement]


def test_the_provider_is_closed_when_a_worker_ends(site, monkeypatch):
    closed = []
    monkeypatch.setattr(site.provider, "close", lambda: closed.append(True))
    worker = Worker(site.registry)
    worker.start()
    assert closed == []
    worker.stop()
    assert closed == [True]


def test_an_address_that_there_cannot_be_is_given_up_at_once(site, provide):
    calls = provide()
    alice = site.user()
    with session_scope(site.registry) as db:
        # As an account that is older than the rule may have it.
        db.write(sa.update(users).where(users.c.id == alice.id).values(email="alice@example.com\u202e"))
    assert site.deliver() == [State.DEAD]
    assert calls == []
    assert "no domain" in only_row(site).last_error
