import socket
import threading
from contextlib import ExitStack

import pytest

from scheduling.server.with_waitress import Server, adjustments
from scheduling.testing.processes import wait_for


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


def new_server(site, stack, **options):
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    server = Server(site.wsgi_app, listener, adjustments(options))
    stack.callback(server.close)
    return server


def accepted(site, stack, clients, **options):
    """How many of so many clients who connected before the server looked are accepted then."""
    server = new_server(site, stack, **options)
    for _ in range(clients):
        stack.enter_context(socket.create_connection(server.socket.getsockname()))
    server.handle_accept()
    for channel in list(server.active_channels.values()):
        stack.callback(channel.handle_close)
    return len(server.active_channels)


def test_all_who_connected_are_taken_at_once(site, stack):
    assert accepted(site, stack, 5) == 5


def test_no_more_are_taken_than_may_connect(site, stack):
    # The listener and what wakes the loop count too.
    assert accepted(site, stack, 5, connection_limit=5) == 3


def test_nobody_is_taken_where_nobody_has_connected(site, stack):
    assert accepted(site, stack, 0) == 0


class Broken:
    """Something that cannot even be asked whether there is anything to read."""

    accepting = False

    def readable(self):
        raise RuntimeError("broken")


def test_a_loop_that_fails_ends_the_server_which_a_parent_can_replace(site, stack):
    server = new_server(site, stack)
    server._map[-1] = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        server.run()
    wait_for(lambda: not any(thread.name == "web" for thread in threading.enumerate()))
