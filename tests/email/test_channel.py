"""From a notice to a message: to which consumer it goes, and which are refused where they are written."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduling.db.session import session_scope
from scheduling.email.channel import CONSUMER, URGENT
from scheduling.messaging.models import State
from scheduling.messaging.worker import Worker
from scheduling.plugin import Notice, publish
from scheduling.testing.processes import wait_for
from scheduling.times import utcnow
from tests.kit.emails import Scripted, rate_limit, write_email
from tests.kit.messages import change, only_row, rows, working


@pytest.fixture
def urgent(site, monkeypatch):
    """Make WELCOME urgent."""
    monkeypatch.setattr(site.registry.email_templates, "_urgent", {"WELCOME"})


@pytest.fixture
def alice(site):
    """A user who was welcomed already."""
    user = site.user()
    site.deliver()
    change(site, created_at=utcnow() - timedelta(days=9))
    site.clear_mail()
    return user


def tell(site, user, kind="WELCOME", **options):
    with session_scope(site.registry) as db:
        publish(Notice(db=db, user_id=user.id, email=kind, **options))


def open_rows(site):
    return [row for row in rows(site) if row.state not in ("done", "skipped")]


def test_an_e_mail_that_no_enabled_plugin_has_is_refused_where_it_is_written(site, alice):
    with pytest.raises(LookupError, match="'WELCMOE'"):
        tell(site, alice, "WELCMOE")
    assert open_rows(site) == []


def test_in_production_it_waits_for_a_day_and_then_is_dead(site, alice, clock, monkeypatch, caplog):
    production = replace(site.registry.core_settings, app_env="production")
    monkeypatch.setattr(site.registry, "core_settings", production)
    tell(site, alice, "NEXT_RELEASE")
    assert "No enabled plugin has the e-mail 'NEXT_RELEASE'" in caplog.text
    assert site.deliver() == [State.RETRY]
    [waiting] = open_rows(site)
    assert (waiting.attempts, waiting.delay) == (0, "postponed")
    assert waiting.due_at == clock.now + timedelta(minutes=5)
    clock.advance(hours=25)
    assert site.deliver() == [State.DEAD]
    assert open_rows(site)[0].last_error == "Permanent: no enabled plugin has the e-mail NEXT_RELEASE"


def test_in_production_the_plugin_of_the_next_release_delivers_it(site, alice, clock, monkeypatch):
    production = replace(site.registry.core_settings, app_env="production")
    monkeypatch.setattr(site.registry, "core_settings", production)
    tell(site, alice, "NEXT_RELEASE")
    site.deliver()
    templates = site.registry.email_templates
    for names in (templates.samples, templates._bases, templates._on_ambiguous):
        monkeypatch.setitem(names, "NEXT_RELEASE", names["WELCOME"])
    clock.advance(minutes=6)
    assert site.deliver() == [State.DONE]


def test_of_two_e_mails_with_one_key_the_first_is_kept_and_waits_for_its_moment(site, alice):
    later = utcnow() + timedelta(minutes=2)
    tell(site, alice, email_key="k", email_due_at=later)
    tell(site, alice, email_key="k")
    [message] = open_rows(site)
    assert (message.state, message.due_at, message.dedupe_key) == ("scheduled", later, "k")


def test_an_e_mail_that_is_of_no_use_any_more_is_skipped(site, alice, clock):
    tell(site, alice, email_expires_at=utcnow() + timedelta(hours=1))
    clock.advance(hours=2)
    assert site.deliver() == [State.SKIPPED]
    assert site.mail == []


# What is urgent


@pytest.mark.usefixtures("urgent")
def test_what_is_urgent_has_a_consumer_of_its_own(site):
    site.user()
    assert only_row(site).consumer == URGENT
    assert site.deliver() == [State.DONE]


@pytest.mark.usefixtures("urgent")
@pytest.mark.parametrize("number", [1, 30])
def test_what_is_urgent_is_the_next_that_the_rate_limit_lets_through(site, alice, clock, number):
    with rate_limit(site, number):
        for _ in range(50):
            write_email(site, alice, consumer=CONSUMER)
        site.deliver()
        clock.advance(seconds=0.5)
        tell(site, alice)
        [late] = [row for row in open_rows(site) if row.consumer == URGENT]
        while not site.deliver():
            clock.advance(seconds=0.5)
        assert [row.state for row in rows(site) if row.id == late.id] == ["done"]


@pytest.mark.usefixtures("urgent")
def test_what_is_urgent_waits_for_no_e_mail_that_is_being_sent(site, alice, provide):
    go_on, begun = threading.Event(), []

    class Slow(Scripted):
        def meet(self, message):
            if not begun:
                begun.append(message)
                go_on.wait()

    provide(kind=Slow)
    for _ in range(5):
        write_email(site, alice, consumer=CONSUMER)
    with working(site):
        try:
            wait_for(lambda: begun)
            tell(site, alice)
            wait_for(lambda: URGENT not in {row.consumer for row in open_rows(site)})
            assert len(open_rows(site)) == 5
        finally:
            go_on.set()


def test_the_provider_is_closed_when_a_worker_ends(site, monkeypatch):
    closed = []
    monkeypatch.setattr(site.provider, "close", lambda: closed.append(True))
    worker = Worker(site.registry)
    worker.start()
    assert closed == []
    worker.stop()
    assert closed == [True]
