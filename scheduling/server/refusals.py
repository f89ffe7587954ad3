"""What waitress takes for a request, and what it answers to what is none."""

from __future__ import annotations

import logging
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

from scheduling.web.problems import PROBLEM, problem_document
from scheduling.web.request import request_id
from scheduling.web.tweens import SECURITY_HEADERS

if TYPE_CHECKING:
    from waitress.adjustments import Adjustments

logger = logging.getLogger(__name__)

_VERSIONS = ("1.0", "1.1")

_MAX_HEADERS = 100

_MAX_CHUNK_HEAD = 4096
"""Bytes of a chunk's size with its extensions, and of the trailer; nobody sends either."""


class Parser(HTTPRequestParser):
    """Reads a request, and refuses what a proxy before it may have understood in another way."""

    def __init__(self, settings: Adjustments) -> None:
        super().__init__(settings)
        self.begun = time()

    def received(self, data: bytes) -> int:
        """Take some bytes and return how many of them belong to this request."""
        consumed: int = super().received(data)
        body = self.body_rcv
        if self.chunked and max(len(body.control_line), len(body.trailer)) > _MAX_CHUNK_HEAD:
            # waitress looks for their ends from the beginning each time.
            self.error, self.completed = BadRequest("Chunk size or trailer too long"), True
        return consumed

    def parse_header(self, head: bytes) -> None:
        """Read the head; raise ``ParsingError`` for one that is not of HTTP/1.0 or 1.1."""
        if head.count(b"\r\n") > _MAX_HEADERS + 2:  # the start line and an empty one besides
            raise ParsingError(f"There are more than {_MAX_HEADERS} header lines")
        try:
            super().parse_header(head)
        except ValueError as error:  # of a Content-Length of thousands of digits, or of an address
            raise ParsingError("Content-Length or address is invalid") from error
        if self.version not in _VERSIONS:
            raise ParsingError("The version of HTTP is neither 1.0 nor 1.1")
        if b"\r\ntransfer-encoding:" in head.lower() and not self._is_framed():
            raise ParsingError("Transfer-Encoding is not the one thing that tells where the body ends")

    def _is_framed(self) -> bool:
        """Tell whether a request with a Transfer-Encoding says in one way where it ends (RFC 9112, 6.1)."""
        return self.chunked and "CONTENT_LENGTH" not in self.headers


class Refusal(ErrorTask):
    """Answers what is no request, or is beyond the limits, as the application would."""

    def execute(self) -> None:
        """Write the answer and have the connection closed."""
        status = HTTPStatus(self.request.error.code)
        # Whatever waitress quotes, a token perhaps, stands neither in the log nor in the answer.
        what, _, _ = self.request.error.body.partition('"')
        reason = f"{status.phrase}: {what.strip(' .')}."
        mine = request_id(self.request.headers.get("X_REQUEST_ID"))
        logger.info("%s", reason, extra={"status": status, "request_id": mine})
        document = problem_document(status, reason)
        self.status = f"{status} {status.phrase}"
        self.response_headers = [
            ("Content-Type", PROBLEM),
            ("Cache-Control", "no-store"),
            ("X-Request-ID", mine),
            *SECURITY_HEADERS,
        ]
        self.set_close_on_finish()
        self.content_length = len(document)
        self.write(document)
