"""What every e-mail provider has to do, as tests.

A provider's own test module inherits the tests and says which server stands for the other side::

    class TestPostProvider(ProviderContract):
        @pytest.fixture
        def other_side(self):
            with PostServer() as server:  # an OtherSide, or an ApiServer of scheduling.testing.api_server
                yield server

        @pytest.fixture
        def provider(self, other_side, patience):
            options = {"url": other_side.url, "timeout": patience}
            provider = make_provider(PostProvider, options, other_side.secret)
            yield provider
            provider.close()
"""

# ruff: noqa: D102 - a test says in its name what it shows
from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

import pytest

from scheduling.config.settings import CoreSchema, Settings
from scheduling.email.provider import (
    Ambiguous,
    Deferred,
    EmailProvider,
    Misconfigured,
    OutgoingEmail,
    Unavailable,
)
from scheduling.messaging.outcomes import Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

MAIL = OutgoingEmail(
    sender="Scheduling <noreply@example.org>",
    to_name="Alice Example",
    to_address="alice@example.com",
    subject="Booking confirmed: Planning",
    text="Hello Alice,\n.\n..two dots\nFrom here on: a very private text, ünïcödé ☕\n"
    + "long " * 300
    + "\n",
    html="<p>Hello Alice,</p>\n.\n<p>a very private text, ünïcödé ☕</p>\n" + "<br>" * 400 + "\n",
    headers={
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<https://scheduling.example.org/unsubscribe?token={'t' * 150}>",
    },
)
PRIVATE = "very private"
"""A part of its bodies."""

KEYS = [f"0f0c7f2e-0000-4000-8000-{number:012}" for number in range(100)]
"""Idempotency keys, as an outbox id is one."""

NAMES = [
    "Zoë Müller",
    "Ngô Bảo Châu",
    "山田 太郎",
    "Doe, Jane",
    'Dwayne "The Rock" Johnson',
    "O'Neill; Tip & <Co>",
    "Dr. J. R. R. Tolkien (retired)",
    "A Name that is Longer than any Line of an E-Mail's Head, by a good deal, and then some, Esq.",
    "",
]


class Mood(Enum):
    """What the other side does with e-mails."""

    ACCEPTS = "accepts"
    IS_BUSY = "asks to be asked again later"
    REFUSES_MAIL = "refuses the e-mail, as it would one to an address that does not exist"
    REFUSES_US = "refuses us, as it would with a wrong key"
    IS_SILENT = "takes the e-mail and does not answer"
    HANGS_UP = "takes the e-mail and closes the connection"


class OtherSide(ABC):
    """A server on this machine that stands for a provider's; a context manager, and silent in the log."""

    mood = Mood.ACCEPTS

    secret = "the-secret-k3y"  # noqa: S105
    """The key or the password that it takes."""

    retry_after: float | None = None
    """How many seconds it asks for when it is busy; None if its protocol has no word for that."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    @abstractmethod
    def mails(self) -> list[OutgoingEmail]:
        """What it accepted and would deliver, each e-mail with the further header fields that matter."""

    @abstractmethod
    def drop_connections(self) -> None:
        """Close the connections that are open, and return when they are closed."""

    @abstractmethod
    def stop(self) -> None:
        """Close everything, so that nobody listens any more; twice is as good as once."""


def make_provider(
    provider: type[EmailProvider], options: Mapping[str, str], key: str = "", sender: str = MAIL.sender
) -> EmailProvider:
    """Make a provider from options as they are in an ini file, and EMAIL_API_KEY."""
    core = {
        "database_url": "sqlite:///unused.db",
        "jwt_secret": "a secret that nobody uses",
        "email_api_key": key,
        "email_from": sender,
    }
    schema = provider.settings_schema
    loaded = schema().load(options) if schema else {}
    return provider(Settings(**CoreSchema().load(core)), loaded)


class ProviderContract:
    """Inherited by a provider's test class, which gives the two fixtures."""

    @pytest.fixture
    def other_side(self) -> Iterator[OtherSide]:
        """Give a server on this machine."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, other_side: OtherSide) -> Iterator[EmailProvider]:
        """Give the provider, pointed at the server."""
        raise NotImplementedError

    @pytest.fixture
    def patience(self, request: pytest.FixtureRequest) -> str:
        """Give the time-out for the provider: short in a test that waits for its end, else long."""
        callspec = getattr(request.node, "callspec", None)
        return "0.5" if callspec and Mood.IS_SILENT in callspec.params.values() else "10"

    def test_an_email_arrives_whole(self, provider: EmailProvider, other_side: OtherSide) -> None:
        provider.send(MAIL, KEYS[0])
        [mail] = other_side.mails
        assert mail == MAIL

    @pytest.mark.parametrize("name", NAMES)
    def test_a_name_arrives_whatever_is_in_it(
        self, provider: EmailProvider, other_side: OtherSide, name: str
    ) -> None:
        provider.send(replace(MAIL, to_name=name), KEYS[0])
        [mail] = other_side.mails
        assert (mail.to_name, mail.to_address) == (name, MAIL.to_address)

    @pytest.mark.parametrize("subject", [name for name in NAMES if name])
    def test_a_subject_arrives_whatever_is_in_it(
        self, provider: EmailProvider, other_side: OtherSide, subject: str
    ) -> None:
        provider.send(replace(MAIL, subject=subject), KEYS[0])
        [mail] = other_side.mails
        assert mail.subject == subject

    def test_a_repetition_is_sent_once_if_the_provider_says_so(
        self, provider: EmailProvider, other_side: OtherSide
    ) -> None:
        first = provider.send(MAIL, KEYS[0])
        again = provider.send(MAIL, KEYS[0])
        provider.send(MAIL, KEYS[1])
        assert len(other_side.mails) == (2 if provider.deduplicates else 3)
        assert not provider.deduplicates or again == first

    def test_what_a_provider_was_given_before_is_a_success_whatever_has_changed(
        self, provider: EmailProvider, other_side: OtherSide
    ) -> None:
        if provider.deduplicates:
            assert provider.deduplicates_for > 0
            provider.send(MAIL, KEYS[0])
            provider.send(replace(MAIL, subject="Something else"), KEYS[0])
            assert other_side.mails == [MAIL]

    def test_a_busy_server_costs_no_attempt_and_says_how_long(
        self, provider: EmailProvider, other_side: OtherSide
    ) -> None:
        error = failure_in(Mood.IS_BUSY, provider, other_side)
        assert isinstance(error, (Unavailable, Deferred))
        assert error.retry_after == other_side.retry_after

    def test_a_refused_email_is_permanent(self, provider: EmailProvider, other_side: OtherSide) -> None:
        assert isinstance(failure_in(Mood.REFUSES_MAIL, provider, other_side), Permanent)

    def test_being_refused_is_a_matter_of_configuration(
        self, provider: EmailProvider, other_side: OtherSide
    ) -> None:
        assert isinstance(failure_in(Mood.REFUSES_US, provider, other_side), Misconfigured)

    @pytest.mark.parametrize("mood", [Mood.IS_SILENT, Mood.HANGS_UP])
    def test_no_answer_to_an_email_is_ambiguous(
        self, provider: EmailProvider, other_side: OtherSide, mood: Mood
    ) -> None:
        assert isinstance(failure_in(mood, provider, other_side), Ambiguous)

    def test_a_server_that_is_away_is_an_outage(self, provider: EmailProvider, other_side: OtherSide) -> None:
        other_side.stop()
        with pytest.raises(Unavailable):
            provider.send(MAIL, KEYS[0])
        with pytest.raises(Unavailable):
            provider.check()

    def test_a_check_sends_nothing(self, provider: EmailProvider, other_side: OtherSide) -> None:
        provider.check()
        assert other_side.mails == []

    def test_a_check_finds_that_we_are_refused(self, provider: EmailProvider, other_side: OtherSide) -> None:
        other_side.mood = Mood.REFUSES_US
        with pytest.raises(Misconfigured):
            provider.check()

    @pytest.mark.parametrize("mood", [mood for mood in Mood if mood is not Mood.ACCEPTS])
    def test_after_a_failure_the_next_email_arrives(
        self, provider: EmailProvider, other_side: OtherSide, mood: Mood
    ) -> None:
        failure_in(mood, provider, other_side)
        provider.send(MAIL, KEYS[1])
        assert other_side.mails[-1] == MAIL

    @pytest.mark.parametrize("mood", [mood for mood in Mood if mood is not Mood.ACCEPTS])
    def test_no_error_and_no_log_has_the_secret_or_the_bodies(
        self, provider: EmailProvider, other_side: OtherSide, mood: Mood, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        error = failure_in(mood, provider, other_side)
        told = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
        assert other_side.secret not in told
        assert PRIVATE not in told

    def test_connections_that_were_closed_meanwhile_do_not_matter(
        self, provider: EmailProvider, other_side: OtherSide
    ) -> None:
        for key in KEYS[:3]:
            provider.send(MAIL, key)
            other_side.drop_connections()
        assert len(other_side.mails) == 3

    def test_one_object_serves_many_threads(self, provider: EmailProvider, other_side: OtherSide) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda i: provider.send(replace(MAIL, subject=f"No. {i}"), KEYS[i]), range(24)))
        assert sorted(mail.subject for mail in other_side.mails) == sorted(f"No. {i}" for i in range(24))

    def test_it_can_be_closed_twice(self, provider: EmailProvider, other_side: OtherSide) -> None:
        provider.send(MAIL, KEYS[0])
        provider.close()
        provider.close()


def failure(provider: EmailProvider, mail: OutgoingEmail = MAIL) -> Exception:
    """Send an e-mail that cannot be sent, and return what that raised."""
    with pytest.raises((Transient, Permanent, Misconfigured)) as raised:
        provider.send(mail, KEYS[0])
    return raised.value


def failure_in(mood: Mood, provider: EmailProvider, other_side: OtherSide) -> Exception:
    """Send an e-mail to a server in a mood, which is over afterwards, and return what that raised."""
    other_side.mood = mood
    error = failure(provider)
    other_side.mood = Mood.ACCEPTS
    return error
