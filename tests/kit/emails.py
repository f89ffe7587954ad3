"""E-mail providers that fail as a test says, and a clock that it moves."""

import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.email import limit
from scheduling.email.pause import SendingPause
from scheduling.email.throttle import Throttle
from scheduling.messaging import turns
from scheduling.messaging.outbox import enqueue
from scheduling.plugin import EmailProvider, SendResult
from scheduling.times import utcnow


class Scripted(EmailProvider):
    """A provider that raises what it is told to, and then takes everything."""

    def __init__(self, settings, options):
        super().__init__(settings, options)
        self.errors = list(options.get("errors", ()))
        self.calls = []
        self.mail = []

    def send(self, message, idempotency_key):
        self.calls.append(idempotency_key)
        self.mail.append(message)
        self.meet(message)
        return SendResult("theirs")

    def meet(self, message):
        """Raise what this e-mail meets."""
        if self.errors:
            raise self.errors.pop(0)


class ScriptedWithKeys(Scripted):
    deduplicates = True


class Moody(ScriptedWithKeys):
    """A provider that does with each e-mail what a function says, and notes when it took which."""

    def __init__(self, settings, options):
        super().__init__(settings, options)
        self.taken = []

    def meet(self, message):
        self.options["meet"](self)
        self.taken.append((self.options["clock"].now, self.calls[-1]))


class Clock:
    """What all modules of delivery take for the time, also the database for the rate limit."""

    def __init__(self, monkeypatch):
        self.now = utcnow()
        self._begun = self.now
        for name, module in list(sys.modules.items()):
            if name.startswith(("scheduling.messaging", "scheduling.email")):
                if hasattr(module, "utcnow"):
                    monkeypatch.setattr(module, "utcnow", lambda: self.now)
                if hasattr(module, "monotonic"):
                    monkeypatch.setattr(module, "monotonic", self.seconds)
        monkeypatch.setattr(limit, "database_microseconds", lambda: sa.literal(self.microseconds()))
        monkeypatch.setattr(turns, "time", SimpleNamespace(time_ns=lambda: self.microseconds() * 1000))

    def microseconds(self):
        """Return the moment in microseconds of Unix time."""
        return int(self.now.timestamp() * 1_000_000)

    def seconds(self):
        """Return how many seconds have passed."""
        return (self.now - self._begun).total_seconds()

    def advance(self, **durations):
        """Let time pass."""
        self.now += timedelta(**durations)


def forget(site):
    """Let the site use its own provider again, of which it has learnt nothing."""
    site.registry.email_provider = site.provider
    site.registry.sending_pause = SendingPause()
    site.registry.throttle = Throttle()


@contextmanager
def rate_limit(site, number):
    """Allow so many e-mails a minute meanwhile."""
    before = site.registry.core_settings
    site.registry.core_settings = replace(before, email_rate_limit=number)
    try:
        yield
    finally:
        site.registry.core_settings = before


def write_email(site, user, kind="WELCOME", consumer="email", **options):
    """Write an e-mail to a user and return the message's id."""
    with session_scope(site.registry) as db:
        payload = {"user_id": user.id, "data": {}}
        return enqueue(db, consumer=consumer, kind=kind, payload=payload, **options)


def most_in_a_minute(moments):
    """Return the largest number of moments, in seconds, within less than 60 seconds."""
    moments = sorted(moments)
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 60:
            first += 1
        most = max(most, last - first + 1)
    return most
