import socket
import threading

import pytest

from bench.client import ClientError, Load, drive, percentile

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def serve():
    """Runs a server that sends each of ``answers`` in turn, in parts, for every request; gives the port."""
    sockets = []

    def start(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)
        requests = []

        def exchange(connection):
            with connection:
                while request := connection.recv(65536):
                    requests.append(request)
                    for part in answers[(len(requests) - 1) % len(answers)]:
                        connection.sendall(part)
                        # A pause keeps the system from joining the parts.
                        threading.Event().wait(0.01)
                    if not answers[0]:
                        return

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=exchange, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1], requests

    yield start
    for listener in sockets:
        listener.close()


def load(*requests, connections=1):
    return Load(requests or (b"GET / HTTP/1.1\r\n\r\n",), status=200, connections=connections, seconds=0.1)


def test_requests_are_sent_in_turn_and_counted(serve):
    port, requests = serve([GOOD])
    result = drive(port, load(b"first", b"second"))
    assert result.answers == len(requests) > 2
    assert requests[:3] == [b"first", b"second", b"first"]
    assert result.failed == 0
    assert 0 < result.p50 <= result.p99
    assert result.rate > 0
    assert result.cpu > 0


def test_every_connection_has_a_request_under_way_and_all_of_them_are_answered(serve):
    port, requests = serve([GOOD])
    assert drive(port, load(connections=5)).answers == len(requests) >= 5


def test_an_answer_that_comes_in_parts_is_one_answer(serve):
    head, middle, rest = GOOD[:20], GOOD[20:-1], GOOD[-1:]
    port, requests = serve([head, middle, rest])
    result = drive(port, load())
    assert result.answers == len(requests)
    assert result.failed == 0


def test_an_answer_with_another_status_counts_as_failed(serve):
    port, requests = serve([GOOD], [GOOD.replace(b"200 OK", b"500 Internal Server Error")])
    result = drive(port, load())
    assert result.failed == len(requests) // 2 > 0


def test_a_header_may_be_in_small_letters(serve):
    port, _ = serve([GOOD.replace(b"Content-Length", b"content-length")])
    assert drive(port, load()).failed == 0


def test_a_connection_that_is_closed_instead_of_answered_is_an_error(serve):
    port, _ = serve([])
    with pytest.raises(ClientError, match="closed a connection"):
        drive(port, load())


def test_an_answer_of_unknown_length_is_an_error(serve):
    port, _ = serve([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
    with pytest.raises(ClientError, match="without Content-Length"):
        drive(port, load())


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([1], 99, 1),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        (range(1, 101), 50, 50),
        (range(1, 101), 99, 99),
        (range(1, 102), 99, 100),
    ],
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, percent, expected):
    assert percentile(list(values), percent) == expected
