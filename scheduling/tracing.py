"""Traces: which request the work in hand belongs to, here and in other systems.

W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/). ``tracestate`` is not passed on: it is
for the tracing system of whoever sent it, and what we call belongs to others.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from pyramid.threadlocal import get_current_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1


class TraceParent(NamedTuple):
    """A step of a trace; as text it is the header ``traceparent`` for what the step calls."""

    trace_id: str
    """32 hexadecimal digits, the same in every step of a trace."""

    step_id: str
    """16 hexadecimal digits, which the specification calls the parent-id and others the span's id."""

    sampled: bool
    """True if the caller may have recorded the trace."""

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.step_id}-{self.sampled:02d}"

    def next_step(self) -> TraceParent:
        """Return a step that this one is the parent of."""
        return TraceParent(self.trace_id, os.urandom(8).hex(), self.sampled)


def start() -> TraceParent:
    """Return the first step of a new trace."""
    digits = os.urandom(24).hex()
    return TraceParent(digits[:32], digits[32:], sampled=False)


def parse(header: str | None) -> TraceParent | None:
    """Read a ``traceparent``; None where there is none, or one that is not valid."""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, step_id, flags, rest = match.groups()
    # A version that is not known yet may have more to say.
    if rest and version == "00":
        return None
    return TraceParent(trace_id, step_id, bool(int(flags, 16) & _SAMPLED))


def follow(header: str | None) -> TraceParent:
    """Return the next step of the trace of a ``traceparent``, or the first of a new one."""
    before = parse(header)
    return before.next_step() if before else start()


_step: ContextVar[TraceParent | None] = ContextVar("step", default=None)


@contextmanager
def taking(step: TraceParent) -> Iterator[TraceParent]:
    """Have a step be the :func:`current` one meanwhile, outside requests, which have their own."""
    token = _step.set(step)
    try:
        yield step
    finally:
        _step.reset(token)


def current() -> TraceParent | None:
    """Return the step that this thread is at: that of the message or of the request in hand."""
    # Pyramid keeps the request for the thread anyway, so that no request pays for this.
    return _step.get() or getattr(get_current_request(), "trace", None)


class Tracer:
    """Follows traces and records nothing; the application's one is ``registry.tracer``."""

    @contextmanager
    def delivering(self, message_id: UUID, consumer: str, header: str | None) -> Iterator[None]:
        """Take the next step of the trace that wrote a message."""
        with taking(follow(header)):
            yield

    def failed(self, error: Exception) -> None:
        """Take notice that the step in hand failed."""

    def start(self) -> None:
        """Begin to record, in a process that does not fork any more."""

    def stop(self) -> None:
        """Record no more, and send off what was recorded; it may take some seconds."""
