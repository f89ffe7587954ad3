"""The interface of an e-mail provider, registered under ``scheduling.email_providers``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from marshmallow import Schema

    from scheduling.settings import Settings


@dataclass(frozen=True, kw_only=True)
class OutgoingEmail:
    """One e-mail, rendered; no header field in it has a line break."""

    sender: str
    """``Name <address>`` or an address, from the settings."""

    to_name: str
    to_address: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class SendResult:
    """What a provider says of an e-mail that it accepted."""

    provider_id: str | None = None
    """The provider's own id for it, for asking about it later."""


class Transient(Exception):
    """Sending failed in a way that passes; ``retry_after`` is how many seconds the other side asks for."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class Permanent(Exception):
    """Sending failed in a way that no repetition mends, such as an address that does not exist."""


class EmailProvider(ABC):
    """Sends e-mails. One object serves all consumer threads of a process."""

    settings_schema: ClassVar[type[Schema] | None] = None
    """The provider's own settings, under ``<provider>.<field>`` in the ini file."""

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        self.settings = settings
        self.options = options

    @abstractmethod
    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand one e-mail over, within 30 seconds; the same key on a repetition must not send it twice.

        Raises :class:`Transient` or :class:`Permanent`.
        """
