"""Shows an attack: counts refused calls for a metric, and tells the log of them once a minute."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduling.web.registry import WebRegistry

logger = logging.getLogger(__name__)

REPORT_SECONDS = 60.0
MAX_ADDRESSES = 1000
"""How many addresses are told apart in a minute; the first ones, so that an attack cannot use up memory."""


class Attacks:
    """The refused calls of a process since its last line in the log."""

    def __init__(self, registry: WebRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._limits: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def note(self, limit_name: str, address: str) -> None:
        """Count a refused call; the first one has the log told in a minute."""
        self._registry.metrics.refused_calls.labels(limit_name).inc()
        with self._lock:
            is_first = not self._limits
            self._limits[limit_name] += 1
            if address in self._addresses or len(self._addresses) < MAX_ADDRESSES:
                self._addresses[address] += 1
        if is_first:
            timer = threading.Timer(REPORT_SECONDS, self.report)
            timer.daemon = True
            timer.start()

    def report(self) -> None:
        """Tell the log what was counted, and begin anew."""
        with self._lock:
            limits, addresses = self._limits, self._addresses
            self._limits, self._addresses = Counter(), Counter()
        if not limits:
            return
        told = ", ".join(f"{name}: {number}" for name, number in limits.most_common())
        [(address, most)] = addresses.most_common(1)
        logger.warning(
            "Rate limits refused %d calls within a minute (%s); %d of them came from %s",
            limits.total(),
            told,
            most,
            address,
            extra={"refused": dict(limits), "most_from": address},
        )
