"""How fast the provider takes e-mails, learnt from its saying that we are too fast (HTTP 429).

Its pace is nobody's failure: sending slows down to a little less than what it took, and becomes faster again
while it does not complain.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic

from scheduling.email.pause import LONGEST_ASKED

MEASURED_SECONDS = 10.0
"""Over how long the pace is measured that the provider took."""

SLOWER = 0.8
FASTER = 1.25
EASE_SECONDS = 30.0
"""After how long without a complaint sending becomes faster."""

FORGET_AT = 1000.0
"""From how many e-mails a second on no pace is kept any more."""

_SLOWEST = 1 / 60


class Throttle:
    """Grants the e-mails that fit the provider's pace; one for all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: deque[float] = deque(maxlen=1000)
        """When the provider took an e-mail, by :func:`time.monotonic`."""
        self._rate: float | None = None
        """E-mails a second; None while nothing was learnt."""
        self._eased = 0.0
        self._allowance = 1.0
        self._counted = 0.0

    def took(self) -> None:
        """Note that the provider took an e-mail."""
        with self._lock:
            self._taken.append(monotonic())

    def complained(self, retry_after: float | None) -> None:
        """Note that we were too fast, and in how many seconds to go on, one by default."""
        with self._lock:
            now = monotonic()
            begin = now + (1.0 if retry_after is None else min(retry_after, LONGEST_ASKED))
            if self._rate is not None and now < self._counted:
                # Of an e-mail that was under way when sending slowed down: it tells nothing new of the pace.
                self._counted = self._eased = max(begin, self._counted)
                return
            recent = [moment for moment in self._taken if now - moment < MEASURED_SECONDS]
            # Where it has taken nothing yet, one e-mail in the time that it asks to wait.
            measured = len(recent) / max(1.0, now - recent[0]) if recent else 1 / max(1.0, begin - now)
            if self._rate is not None:
                measured = min(measured, self._rate)
            self._rate = max(_SLOWEST, SLOWER * measured)
            # One is free then.
            self._allowance, self._counted, self._eased = 1.0, begin, begin

    def room(self) -> int | None:
        """Return how many e-mails may be sent now; None where no pace is known."""
        with self._lock:
            self._refill()
            if self._rate is None:
                return None
            return int(self._allowance) if monotonic() >= self._counted else 0

    def take(self) -> bool:
        """Take one e-mail of the pace; tell whether there was one."""
        with self._lock:
            self._refill()
            if self._rate is None:
                return True
            if self._allowance < 1 or monotonic() < self._counted:
                return False
            self._allowance -= 1
            return True

    def _refill(self) -> None:
        now = monotonic()
        if self._rate is None or now < self._counted:
            return
        if now - self._eased > EASE_SECONDS:
            self._rate, self._eased = self._rate * FASTER, now
        if self._rate > FORGET_AT:
            self._rate = None
            return
        self._allowance = min(max(1.0, self._rate), self._allowance + (now - self._counted) * self._rate)
        self._counted = now
