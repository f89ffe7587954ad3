"""A connection to waitress and what is answered on it, by the classes that waitress lets one set."""

from __future__ import annotations

import logging
import socket
from http import HTTPStatus
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from scheduling.server.parser import Parser
from scheduling.web.codes import title
from scheduling.web.problems import PROBLEM, problem_document
from scheduling.web.request import request_id
from scheduling.web.tweens import SECURITY_HEADERS

if TYPE_CHECKING:
    from scheduling.web.readiness import Readiness

logger = logging.getLogger(__name__)

_TELL_SECONDS = 60.0
"""How often the log is told that there are too many connections."""

_IDLE_SECONDS = 1.0
"""A server that ends closes a connection on which nothing was under way for that long."""

_OTHER_DESCRIPTORS = 2
"""What waitress watches beside connections: the socket that listens, and the pipe that wakes it."""


class Task(WSGITask):
    """Answers one request."""

    def build_response_header(self) -> bytes:
        """Return the answer's head, with ``Connection: close`` while the process drains."""
        if self.channel.readiness.draining:
            # As if the client had said so: this closes connections of HTTP/1.0 and 1.1 in order.
            self.request.headers["CONNECTION"] = "close"
        head: bytes = super().build_response_header()
        return head

    def set_close_on_finish(self) -> None:
        """Keep the connection after 204 and 304, which have no Content-Length; else do as waitress does."""
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or asked or self.version == "1.0":
            super().set_close_on_finish()


class ErrorResponseTask(ErrorTask):
    """Answers a malformed or oversized request with problem details, as the application would."""

    def execute(self) -> None:
        """Write the answer and have the connection closed."""
        status = HTTPStatus(self.request.error.code)
        # Whatever waitress quotes, a token perhaps, stands neither in the log nor in the answer.
        what, _, _ = self.request.error.body.partition('"')
        phrase = title(status)
        reason = f"{phrase}: {what.strip(' .')}."
        mine = request_id(self.request.headers.get("X_REQUEST_ID"))
        logger.info("%s", reason, extra={"status": status, "request_id": mine})
        members = {"request_id": mine} if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}
        document = problem_document(status, reason, None, **members)
        self.status = f"{status} {phrase}"
        headers = [("Content-Type", PROBLEM), ("Cache-Control", "no-store"), ("X-Request-ID", mine)]
        self.response_headers = [*headers, *SECURITY_HEADERS]
        self.set_close_on_finish()
        self.content_length = len(document)
        self.write(document)


class Channel(HTTPChannel):
    """A connection that ends in order, and on which no request may take for ever to come.

    Where there are as many as ``connection_limit`` allows, a new one takes the place of the one on which
    nothing has happened for the longest time: waitress would accept no more, not even probes.
    """

    parser_class = Parser
    task_class = Task
    error_task_class = ErrorResponseTask
    told_at = -inf
    """When the log was told last that there are too many connections."""

    def __init__(self, readiness: Readiness, *arguments: Any, **options: Any) -> None:
        self.readiness = readiness
        super().__init__(*arguments, **options)
        self._make_room()

    def _make_room(self) -> None:
        """Close another connection if there is one too many; those whose request is being answered stay."""
        # waitress counts its listener and its own pipe, too, and stops when it has come to the limit.
        if len(self.server.active_channels) < self.adj.connection_limit - _OTHER_DESCRIPTORS:
            return
        others = [each for each in self.server.active_channels.values() if each is not self]
        waiting = [each for each in others if not each.requests]
        if not waiting:
            return
        # Those with an answer on its way come last.
        min(waiting, key=lambda each: (each.total_outbufs_len > 0, each.last_activity)).handle_close()
        if time() - Channel.told_at > _TELL_SECONDS:
            Channel.told_at = time()
            logger.warning("%d connections are open: for a new one the longest idle is closed", len(others))

    def received(self, data: bytes) -> bool:
        """Take some bytes, unless their request has been coming for longer than ``channel_timeout``.

        waitress by itself closes connections that are silent, not those where a byte comes now and then.
        """
        if self.request is not None and self.request.begun < time() - self.adj.channel_timeout:
            self.will_close = True
            return False
        taken: bool = super().received(data)
        return taken

    def send_continue(self) -> None:
        """Ask for the body (RFC 9110, 10.1.1), unless there is none or it is refused."""
        if not self.request.completed:
            super().send_continue()

    def is_idle(self) -> bool:
        """Tell whether nothing is under way here and has not been for a moment, nor waits to be read."""
        busy = self.requests or self.request or self.total_outbufs_len
        if busy or time() - self.last_activity < _IDLE_SECONDS:
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            return isinstance(error, BlockingIOError)
        # What came must be read, or the client would see a reset.
        return False
