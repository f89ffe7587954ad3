"""A connection to a server on which anything can be sent, as bytes."""

import socket
from contextlib import contextmanager, suppress
from http.client import parse_headers
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.server.serverkit.messages import MEBIBYTE, request


class RawAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """One connection, on which anything can be sent."""

    def __init__(self, site):
        address = urlsplit(site.web.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=30)
        self._stream = self.socket.makefile("rb")

    def send(self, data):
        # Who is refused may find nobody who reads the rest.
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def read(self, method="GET"):
        """Return the next answer, None if the connection was closed instead."""
        try:
            line = self._stream.readline()
        except ConnectionResetError:
            line = b""
        if not line:
            return None
        status = int(line.split()[1])
        headers = {name.title(): value for name, value in parse_headers(self._stream).items()}
        has_body = method != "HEAD" and status >= 200 and status not in (204, 304)
        return RawAnswer(
            status, headers, self._stream.read(int(headers["Content-Length"])) if has_body else b""
        )

    def ask(self, data, method="GET"):
        self.send(data)
        return self.read(method)

    def is_kept(self):
        return self.ask(request(b"GET /health")) is not None

    def is_closed(self):
        """Tell whether the server has hung up, without waiting for it."""
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(MEBIBYTE)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(30)

    def vanish(self):
        """Disconnect with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self._stream.close()
        self.socket.close()


@contextmanager
def connected(site):
    client = RawConnection(site)
    try:
        yield client
    finally:
        client.close()
