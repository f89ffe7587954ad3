"""A closed-loop HTTP client: each connection sends its next request as soon as it has its answer.

It runs in a process of its own, so that its CPU is told apart from the server's, and does only what a
measurement needs: requests come ready as bytes, connections stay open, answers have a Content-Length.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ANSWER_SECONDS = 60.0
"""After how long without any answer a run fails."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RECEIVE_BYTES = 65536


class ClientError(RuntimeError):
    """The server closed a connection, was silent, or sent what this client does not read."""


@dataclass(frozen=True)
class Load:
    """What is sent: requests in turn, for ``seconds``, each answered with ``status``."""

    requests: Sequence[bytes]
    status: int
    connections: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """What came of a load; times are in seconds."""

    answers: int
    """All answers, those to requests that were under way at the end included."""

    failed: int
    """Answers with another status than the load's."""

    rate: float
    """Answers a second while requests were being sent."""

    p50: float
    p99: float
    cpu: float
    """CPU of the client, over all answers."""


class Connection:
    """A kept-alive connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._received = b""
        self._expected = 0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._received, self._expected = b"", 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int:
        """Read what has come; return the answer's status, or 0 while a part is missing."""
        part = self.socket.recv(_RECEIVE_BYTES)
        if not part:
            raise ClientError(f"the server closed a connection after {self._received[:100]!r}")
        self._received += part
        if not self._expected:
            self._expected = _answer_length(self._received)
        if not self._expected or len(self._received) < self._expected:
            return 0
        return int(self._received[9:12])


def _answer_length(received: bytes) -> int:
    """Return the length of head and body in bytes, or 0 while the head is not complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    length = _LENGTH.search(received, 0, end)
    if length is None:
        raise ClientError(f"an answer without Content-Length: {received[:200]!r}")
    return end + 4 + int(length[1])


def drive(port: int, load: Load) -> Result:
    """Put a load on 127.0.0.1:``port`` and wait for the last answer; ``ClientError`` if one fails to come."""
    cpu_before = time.process_time()
    connections = [Connection(port) for _ in range(load.connections)]
    try:
        latencies, failed, rate = _exchange(connections, load)
    finally:
        for connection in connections:
            connection.socket.close()
    cpu = time.process_time() - cpu_before
    latencies.sort()
    return Result(len(latencies), failed, rate, percentile(latencies, 50), percentile(latencies, 99), cpu)


def _exchange(connections: Sequence[Connection], load: Load) -> tuple[list[float], int, float]:
    """Return the seconds that each answer took, how many failed, and how many came a second in time."""
    requests = cycle(load.requests)
    latencies: list[float] = []
    failed = in_time = 0
    with DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, EVENT_READ, connection)
        deadline = time.perf_counter() + load.seconds
        for connection in connections:
            connection.send(next(requests))
        under_way = len(connections)
        while under_way:
            for connection in _ready(selector):
                status = connection.receive()
                if not status:
                    continue
                now = time.perf_counter()
                latencies.append(now - connection.sent_at)
                failed += status != load.status
                if now < deadline:
                    in_time += 1
                    connection.send(next(requests))
                else:
                    under_way -= 1
    return latencies, failed, in_time / load.seconds


def _ready(selector: DefaultSelector) -> Iterator[Connection]:
    """Give the connections that have something to read; ``ClientError`` if that takes too long."""
    ready = selector.select(ANSWER_SECONDS)
    if not ready:
        raise ClientError(f"no answer for {ANSWER_SECONDS:.0f} seconds")
    return (key.data for key, _ in ready)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this part of the ordered values does not exceed."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
