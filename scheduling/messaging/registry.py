"""The application's registry as far as messaging knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from scheduling.throttling.registry import ThrottlingRegistry

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from scheduling.messaging.consumers import Consumer
    from scheduling.messaging.in_hand import InHand
    from scheduling.messaging.models import State
    from scheduling.messaging.pace import Pace
    from scheduling.messaging.turns import Turns


@dataclass(frozen=True)
class HousekeepingTask:
    """A function that workers call again and again."""

    work: Callable[[Any], bool | None]
    """Does a bounded part of what is to be done, given the registry, and returns True where there is more."""

    seconds: float
    """How long to wait where there is no more."""


class Counter(Protocol):
    """A metric that only grows."""

    def inc(self, amount: float = 1) -> None:
        """Add one, or ``amount``."""


class MessagingMetrics(Protocol):
    """What messaging counts; the metrics themselves are in ``observability``, a layer above."""

    @property
    def published(self) -> Counter:
        """Ids that the relay published."""

    @property
    def relay_errors(self) -> Counter:
        """Times that the relay failed and started again."""

    @property
    def refused_claims(self) -> Counter:
        """Ids that came in vain: another worker had the message."""

    @property
    def recovered_leases(self) -> Counter:
        """Messages that were taken over from a worker that died."""

    def attempt_ended(self, kind: str, state: State, age_seconds: float) -> None:
        """Count the end of an attempt at a message that was written ``age_seconds`` ago."""


class MessagingRegistry(ThrottlingRegistry):
    """What writing and delivering messages needs beside the database."""

    outbox_consumers: dict[str, Consumer]
    """Who carries out messages, by the consumer's name."""

    housekeeping: dict[str, HousekeepingTask]
    """What workers do from time to time, by the task's name."""

    batches: InHand[Any]
    """The :class:`~scheduling.messaging.batch.Batch` of each thread of this process that has one in hand."""

    pace: Pace
    """How long messages take in this process."""

    turns: Turns
    """Whose message is next."""

    message_written: threading.Event
    """Set by ``wake_relays``; a relay in this process waits for it."""

    worker_stop_hooks: list[Callable[[Any], None]]
    """Called with the registry after a worker ended its threads; they close what handlers kept open."""

    wake_relays: Callable[[], None]
    """Called after each commit that wrote a message: tells the relays, in whatever process they are."""

    metrics: MessagingMetrics
    """Counts what happens to messages."""
