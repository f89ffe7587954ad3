"""Traces: which request a log line, a message or a call to another system belongs to.

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
    """A span: one step of a trace, such as a request or an attempt at a message.

    As text it is the header ``traceparent`` that is sent to whatever is called during the span.
    """

    trace_id: str
    """32 hexadecimal digits, the same in every span of a trace."""

    span_id: str
    """16 hexadecimal digits; in the header, the specification calls it the parent-id."""

    sampled: bool
    """True if the caller may have recorded the trace."""

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02d}"

    def child(self) -> TraceParent:
        """Return a new span of the same trace, whose parent is this one."""
        return TraceParent(self.trace_id, os.urandom(8).hex(), self.sampled)


def new_trace() -> TraceParent:
    """Return the first span of a new trace, marked as not recorded."""
    digits = os.urandom(24).hex()
    return TraceParent(digits[:32], digits[32:], sampled=False)


def parse(header: str | None) -> TraceParent | None:
    """Read a ``traceparent``; None where there is none, or one that is not valid."""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    # A version that is not known yet may have more to say.
    if rest and version == "00":
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def continue_trace(header: str | None) -> TraceParent:
    """Return a new span: a child of the one in a ``traceparent``, or the first of a new trace without one."""
    parent = parse(header)
    return parent.child() if parent else new_trace()


_current: ContextVar[TraceParent | None] = ContextVar("span", default=None)


@contextmanager
def as_current(span: TraceParent) -> Iterator[TraceParent]:
    """Make a span the :func:`current` one for the ``with`` block; a request's is so without this."""
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)


def current() -> TraceParent | None:
    """Return the span of the message or the request that this thread works at, or None."""
    # Pyramid keeps the request for the thread anyway, so that no request pays for this.
    return _current.get() or getattr(get_current_request(), "trace", None)


class Tracer:
    """Continues traces and records no spans; the application's one is ``registry.tracer``."""

    @contextmanager
    def delivering(self, message_id: UUID, consumer: str, header: str | None) -> Iterator[None]:
        """Continue the trace that wrote a message for the ``with`` block, in which it is delivered."""
        with as_current(continue_trace(header)):
            yield

    def failed(self, error: Exception) -> None:
        """Note that the current span failed."""

    def start(self) -> None:
        """Begin to record, in a process that does not fork any more."""

    def stop(self) -> None:
        """Record no more, and send what was recorded; it may take some seconds."""
