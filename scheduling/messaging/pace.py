"""How many messages a worker is given at once: what it handles in half a second.

So a flood is handled in large batches at little cost each, while a slow handler is given one message at a
time and others can take the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator

BATCH_SECONDS = 0.5
MAX_BATCH = 50

_FIRST_GUESS = 0.05
_WEIGHT = 0.3
"""How much the newest batch says of the next one."""


class Pace:
    """How long messages to each consumer take in this process, in seconds."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, consumer: str, messages: int, seconds: float) -> None:
        """Note how long a batch took."""
        before = self._seconds.get(consumer, _FIRST_GUESS)
        self._seconds[consumer] = before + _WEIGHT * (seconds / messages - before)

    def batch_size(self, consumer: str) -> int:
        """Return how many messages to give a worker at once, at least one."""
        seconds = self._seconds.get(consumer, _FIRST_GUESS)
        return max(1, min(MAX_BATCH, int(BATCH_SECONDS / max(seconds, 1e-6))))


def includeme(config: Configurator) -> None:
    """Put the pace of this process on the registry."""
    config.registry.pace = Pace()
