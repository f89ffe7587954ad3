"""The pause in sending e-mails after the provider refused the installation as a whole.

With a wrong key, say, every e-mail would be refused. Without a pause each of them would use up its attempts
and be dead before an operator has corrected the key; so they wait instead, and no attempt is counted.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from scheduling.messaging.models import Delay
from scheduling.messaging.outcomes import Postpone
from scheduling.times import utcnow

PAUSE = timedelta(minutes=5)

logger = logging.getLogger(__name__)


class SendingPause:
    """Whether sending pauses now, and why; the application's one is ``registry.sending_pause``.

    It is kept in memory: each process learns by one e-mail of its own that the provider refuses it.
    """

    def __init__(self) -> None:
        self._until: datetime | None = None
        self._reason = ""

    @property
    def reason(self) -> str | None:
        """What the provider said, during a pause; None when there is none."""
        return self._reason if self._until and utcnow() < self._until else None

    def begin(self, reason: str) -> None:
        """Pause for :data:`PAUSE` from now on, and log ``reason``, which is what the provider said."""
        self._reason = reason
        self._until = utcnow() + PAUSE
        logger.error("The e-mail provider refuses us, sending pauses for %s: %s", PAUSE, reason)

    def raise_if_paused(self) -> None:
        """Raise ``Postpone`` until the end of the pause, if there is one now."""
        if self.reason and self._until:
            raise Postpone(f"the e-mail provider refuses us: {self._reason}", self._until, delay=Delay.OUTAGE)
