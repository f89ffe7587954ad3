"""The interface of an e-mail provider, what it is given, and what it raises.

A provider is a class with an entry point in the group ``scheduling.email_providers``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from scheduling.messaging.outcomes import Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marshmallow import Schema

    from scheduling.config.settings import Settings


@dataclass(frozen=True, kw_only=True)
class OutgoingEmail:
    """One e-mail, rendered; no header field in it has a line break."""

    sender: str
    """``Name <address>`` or an address, from the settings."""

    to_name: str
    to_address: str
    """As mail servers are told it, its domain in ASCII; letters before the @ may be any."""

    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further header fields that whoever sends it must set, such as ``Auto-Submitted`` and ``Message-ID``."""


@dataclass(frozen=True)
class SendResult:
    """What a provider says of an e-mail that it accepted."""

    provider_id: str | None = None
    """The provider's own id for it, for asking about it later."""


class Ambiguous(Transient):
    """Nobody knows whether the e-mail was accepted, as when the connection broke after it was handed over.

    After some in succession sending pauses. A provider that tells repetitions by their key is given the same
    again, for as long as it knows the key, and no attempt is counted.
    """


class Unavailable(Transient):
    """The provider takes no e-mail of anybody now: it cannot be reached, or asks everybody to come later.

    After some in succession, or where it says ``retry_after``, sending pauses. No attempt is counted, and the
    e-mail leaves when the provider is back.
    """


class Throttled(Unavailable):
    """We send faster than the provider takes (HTTP 429); ``retry_after`` is in how many seconds to go on.

    Sending slows down, and no attempt is counted.
    """


class Deferred(Transient):
    """The provider takes this e-mail later, as a mail server that greylists does; no attempt is counted.

    It is tried again after 6 and 30 minutes, then every two hours, for some days
    (``scheduling.email_retry_days``).
    """


class AddressRefused(Permanent):
    """There is no such mailbox, now and later; nothing more is sent to this address."""


class Misconfigured(Exception):
    """The provider refuses the installation, not one e-mail: a wrong key, a sender that is not verified."""


class EmailProvider(ABC):
    """Sends e-mails. One object serves all threads of a process."""

    deduplicates: ClassVar[bool] = False
    """True if the provider does not send an e-mail twice that is repeated with the same key."""

    deduplicates_for: ClassVar[float] = 24 * 3600.0
    """For how many seconds such a provider knows a key; an e-mail that it may have is not repeated later."""

    settings_schema: ClassVar[type[Schema] | None] = None
    """The provider's own settings, under ``<provider>.<field>`` in the ini file."""

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        self.settings = settings
        self.options = options

    @abstractmethod
    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand one e-mail over, within 40 minutes; a repetition has the same ``idempotency_key``.

        Raises :class:`Unavailable`, :class:`Throttled`, :class:`Deferred` or :class:`Ambiguous`,
        :class:`AddressRefused` or :class:`Permanent`, or :class:`Misconfigured`. A :class:`Transient` that is
        none of them counts as an attempt.
        """

    def check(self) -> None:  # noqa: B027 - optional
        """Ask the provider whether it would accept e-mails; called when a worker starts.

        Raises :class:`Misconfigured`, or :class:`Transient` where it cannot be asked now.
        """

    def close(self) -> None:  # noqa: B027 - optional
        """Close what is kept open between e-mails; called when a worker ends."""
