"""The e-mail provider ``mock``, for development: it prints each e-mail to the log and sends nothing."""

from __future__ import annotations

import logging

from scheduling.email.provider import EmailProvider, OutgoingEmail, SendResult
from scheduling.logs import printable

logger = logging.getLogger("scheduling.email.mock")


class MockProvider(EmailProvider):
    """Writes each e-mail to the log, the text part in full, and sends nothing."""

    deduplicates = True

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Log the e-mail; the id is made from the key, so a repetition has the same one."""
        logger.info(
            "E-mail %s (nothing is sent: EMAIL_PROVIDER is mock)\n"
            "    From:    %s\n    To:      %s <%s>\n    Subject: %s\n\n%s",
            idempotency_key,
            # What people call themselves and their bookings must not steer the terminal that shows the log.
            *map(printable, (message.sender, message.to_name, message.to_address, message.subject)),
            "\n".join(f"    {printable(line)}".rstrip() for line in message.text.splitlines()),
        )
        return SendResult(f"mock-{idempotency_key}")
