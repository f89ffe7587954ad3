"""The server that stands for a provider's API."""

import socket
from urllib.parse import urlsplit

import pytest

from scheduling.testing.api_server import ApiAnswer, ApiServer

HEAD = b"POST /mails HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n"


class AcceptingServer(ApiServer):
    mails = ()

    def answer(self, request):
        return ApiAnswer(200, {"got": request.body})


@pytest.fixture
def server():
    with AcceptingServer() as server:
        yield server


def answer_to(server, sent):
    """Send some bytes and no more, and return all that comes back."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_request_that_is_whole_is_answered(server):
    assert b'{"got": {"subject": "a"}}' in answer_to(server, HEAD + b'{"subject": "a" }')
    assert [request.body for request in server.requests] == [{"subject": "a"}]


def test_a_request_whose_sender_died_in_between_has_never_come(server):
    assert answer_to(server, HEAD + b'{"subject"') == b""
    assert server.requests == []
