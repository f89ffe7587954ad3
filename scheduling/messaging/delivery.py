"""Delivers a batch of messages to one consumer: claims them, runs the handler, writes the results.

The claim and the results are transactions of their own, and none is open while the handler runs. A worker
that dies in between leaves messages whose leases run out, after which another worker can claim them.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling import tracing
from scheduling.db.failures import is_unavailable
from scheduling.messaging.batch import LONG_SECONDS, Batch
from scheduling.messaging.claims import Claimed, claim, new_owner
from scheduling.messaging.consumers import Message
from scheduling.messaging.models import State
from scheduling.messaging.outcomes import NotNow, Postpone, Skip
from scheduling.messaging.results import provider_id, result, result_of_error
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from scheduling.messaging.consumers import Consumer, Handler
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
"""How long results may be kept where they are written together."""


def deliver(
    registry: MessagingRegistry, name: str, ids: Sequence[uuid.UUID], thread: RestartingThread | None = None
) -> list[State | None]:
    """Claim messages to a consumer, run its handler for each and write the results; return their new states.

    The state is None for a message that cannot be claimed, such as one that is done, and for one whose lease
    ran out so that another worker claimed it meanwhile. Those that were put back are left out.
    """
    owner, began = new_owner(), monotonic()
    claimed = claim(registry, ids, owner)
    registry.metrics.refused_claims.inc(len(ids) - len(claimed))
    if not claimed:
        return [None] * len(ids)
    consumer = registry.outbox_consumers[name]
    batch = Batch(registry, consumer, claimed, owner, thread)
    with registry.batches.holding(batch):
        try:
            states = _Delivery(registry, consumer, name, batch).run(claimed)
        finally:
            # Where results could not be written, what was not begun need not wait for the end of its lease.
            batch.give_back()
    if states:
        registry.pace.note(name, len(states), monotonic() - began)
    return [*states, *[None] * (len(ids) - len(claimed))]


class _Delivery:
    """The delivery of one batch."""

    def __init__(self, registry: MessagingRegistry, consumer: Consumer, name: str, batch: Batch) -> None:
        self._registry = registry
        self._consumer = consumer
        self._name = name
        self._batch = batch
        self._ended: list[tuple[Claimed, State]] = []
        self._began = self._written = monotonic()
        self._has_lost = False
        """Whether the lease of a message ran out, so that others may have the rest too."""

    def run(self, claimed: Sequence[Claimed]) -> list[State | None]:
        handle = self._prepare(claimed)
        states: list[State | None] = []
        together = self._consumer.marked_together(self._registry)
        self._began = monotonic()
        while message := self._batch.take():
            if self._is_to_end():
                self._batch.give_back(current=True)
                break
            if message.recovered:
                self._registry.metrics.recovered_leases.inc()
                logger.warning(
                    "Message %s (%s) is taken over: its worker died", message.row.id, message.row.kind
                )
            try:
                columns = self._attempt(message, handle)
            except NotNow:
                self._batch.give_back(current=True)
                break
            if self._batch.end(message, columns):
                self._ended.append((message, columns["state"]))
            if not together or monotonic() - self._written > WRITE_SECONDS:
                states += self._write()
        return states + self._write()

    def _is_to_end(self) -> bool:
        """Tell whether others are to have what is not begun."""
        return self._seconds() > LONG_SECONDS or self._has_lost or self._batch.is_to_stop()

    def _seconds(self) -> float:
        return monotonic() - self._began

    def _prepare(self, claimed: Sequence[Claimed]) -> Handler:
        """Return the handler for the batch; one that raises where there is none."""
        if self._consumer.prepare is None:
            return self._consumer.handler
        try:
            return self._consumer.prepare([_message(each) for each in claimed], self._registry)
        except Exception as error:
            if isinstance(error, sa.exc.DBAPIError) and is_unavailable(error):
                raise
            failure = error  # of a plugin's part of it, which can fail in any way

            def fail(message: Message, registry: Any) -> None:
                raise failure

            return fail

    def _attempt(self, message: Claimed, handle: Handler) -> dict[str, Any]:
        """Run the handler for a message; what it raises becomes a result too, but for ``NotNow``."""
        row = message.row
        if row.expires_at is not None and row.expires_at <= utcnow():
            return result(row, State.SKIPPED, last_error="it was of no use any more after its time")
        if row.attempts > self._consumer.attempts:
            return result(row, State.DEAD, last_error="given up: the workers that tried it died")
        with self._registry.tracer.delivering(row.id, self._name, row.traceparent):
            try:
                returned = handle(_message(message, str(tracing.current())), self._registry)
                return result(row, State.DONE, provider_id=provider_id(returned))
            except NotNow:
                raise
            except Exception as error:  # noqa: BLE001 - a handler can fail in any way
                base = timedelta(seconds=self._registry.core_settings.outbox_backoff)
                if not isinstance(error, (Postpone, Skip)):
                    self._registry.tracer.failed(error)
                return result_of_error(row, error, self._consumer, base)

    def _write(self) -> list[State | None]:
        """Write the results that are there, and return the states."""
        ended, self._ended, self._written = self._ended, [], monotonic()
        if not self._batch.write():
            self._has_lost = True
            logger.warning("A lease ran out: of %d results some were not written", len(ended))
            return [None for _ in ended]
        now = utcnow()
        for message, state in ended:
            age = (now - message.row.created_at).total_seconds()
            self._registry.metrics.attempt_ended(message.row.kind, state, age)
        return [state for _, state in ended]


def _message(claimed: Claimed, traceparent: str | None = None) -> Message:
    row = claimed.row
    return Message(
        row.id,
        row.kind,
        row.payload,
        row.attempts,
        row.created_at,
        claimed.recovered,
        traceparent,
        row.postponed,
        row.handed_at,
        row.handed,
    )
