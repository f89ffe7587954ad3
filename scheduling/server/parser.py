"""What waitress takes for a request: HTTP/1.0 and 1.1, and nothing that could smuggle a second one."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest

if TYPE_CHECKING:
    from waitress.adjustments import Adjustments

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
