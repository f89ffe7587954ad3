"""The pause in sending e-mails while the provider takes none: a circuit breaker.

A provider that cannot be reached, refuses the installation or asks to come later would fail every e-mail. So
they wait instead, and no attempt is counted. After the pause one e-mail is tried; until it has been taken, no
other is, and where it is not, a longer pause begins. See
https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.messaging.outcomes import NotNow

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PAUSE = 1.0
"""Seconds; each pause is twice as long as the one before.

So a single 503 of a provider that is up hardly keeps anybody's e-mail back.
"""

LONGEST_PAUSE = 60.0
"""The longest pause where the provider is away, in seconds."""

FAILURES = 3
"""After how many e-mails in succession that failed a pause begins, where the provider does not ask for one.

A provider that fails at one e-mail in five is up, and the others need not wait.
"""

LONGEST_ASKED = 900.0
"""The longest pause where the provider says when to come again: it may be back long before."""

REFUSED_PAUSE = 300.0
"""The pause where it refuses the installation: mail servers lock an account for wrong passwords."""

PROBE_SECONDS = 60.0
"""For how long no other e-mail is tried than one; it may take much longer, as where a server says nothing."""

logger = logging.getLogger(__name__)


class SendingPause:
    """Whether sending pauses now, and why; the application's one is ``registry.sending_pause``.

    It is kept in memory: each process learns by one e-mail of its own that the provider takes none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: float | None = None
        self._reason = ""
        self._pauses = 0
        self._failures = 0
        self._probing_until = 0.0
        self._is_refused = False

    @property
    def reason(self) -> str | None:
        """Why no e-mail is sent, from the first failure until one is taken; None when there is no reason."""
        return self._reason if self._until is not None else None

    @property
    def refusal(self) -> str | None:
        """The same where the provider refuses the installation, which an operator has to mend."""
        return self.reason if self._is_refused else None

    def is_on(self) -> bool:
        """Tell whether no e-mail may be begun now."""
        until = self._until  # another thread may end the pause meanwhile
        return until is not None and monotonic() < max(until, self._probing_until)

    def is_probe_due(self) -> bool:
        """Tell whether a single e-mail may be tried now."""
        return self._until is not None and not self.is_on()

    def rest(self) -> timedelta:
        """Return how long the pause still is."""
        return timedelta(seconds=max(0.0, (self._until or 0.0) - monotonic()))

    @contextmanager
    def passing(self) -> Iterator[bool]:
        """Let an e-mail be sent in the ``with`` block, or raise ``NotNow``.

        What it gives is True for the one that is tried after a pause. Unless the block calls :meth:`begin`,
        the pause is over at its end.
        """
        probing = self._enter()
        pauses = self._pauses
        try:
            yield probing
        finally:
            with self._lock:
                if probing:
                    self._probing_until = 0.0
                if probing and self._pauses == pauses:
                    self._until, self._pauses, self._failures = None, 0, 0
                    logger.warning("The e-mail provider takes e-mails again")

    def _enter(self) -> bool:
        with self._lock:
            if self.is_on():
                raise NotNow(self._reason)
            if self._until is None:
                return False
            self._probing_until = monotonic() + PROBE_SECONDS
            return True

    def took(self) -> None:
        """Note that the provider took an e-mail."""
        self._failures = 0

    def failed(self, reason: str, *, seconds: float | None = None) -> bool:
        """Note that the provider could not take an e-mail; tell whether sending pauses now.

        It does after :data:`FAILURES` in succession, after one that was tried in a pause, and where the
        provider asks to come again in ``seconds``.
        """
        with self._lock:
            self._failures += 1
            begins = seconds is not None or self._until is not None or self._failures >= FAILURES
        if begins:
            self.begin(reason, seconds=seconds)
        return begins

    def begin(self, reason: str, *, seconds: float | None = None, refused: bool = False) -> None:
        """Pause from now on and log what the provider said.

        It lasts ``seconds``, by default twice as long as the last one. ``refused`` tells that it refuses the
        installation, not that it is away.
        """
        with self._lock:
            if self._until is not None and monotonic() < self._until:
                return  # since another thread, which tried at the same time, has begun the pause
            if refused:
                seconds = REFUSED_PAUSE
            elif seconds is None:
                seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._pauses, 10))
            else:
                seconds = min(LONGEST_ASKED, seconds)
            self._is_refused = refused
            is_first = self._pauses == 0
            self._pauses += 1
            self._reason, self._until = reason, monotonic() + seconds
        log = logger.error if is_first else logger.info
        log("No e-mail can be sent, sending pauses for %s: %s", timedelta(seconds=round(seconds)), reason)
