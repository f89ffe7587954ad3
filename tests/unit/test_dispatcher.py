import threading

from scheduling.server.with_waitress import Dispatcher
from scheduling.testing.processes import wait_for


class Waits:
    """A task that waits for another to be done."""

    def __init__(self, dispatcher):
        self.done = threading.Event()
        self._dispatcher = dispatcher

    def service(self):
        other = Sets(threading.Event())
        with self._dispatcher.stand_in():
            self._dispatcher.add_task(other)
            assert other.done.wait(10)
        self.done.set()


class Sets:
    def __init__(self, done):
        self.done = done

    def service(self):
        self.done.set()


def test_a_thread_stands_in_for_one_that_waits_and_no_longer():
    dispatcher = Dispatcher(1)
    waits = Waits(dispatcher)
    dispatcher.add_task(waits)
    assert waits.done.wait(20)
    wait_for(lambda: len(dispatcher.threads) == 1)
    after = Sets(threading.Event())
    dispatcher.add_task(after)
    assert after.done.wait(10)
    dispatcher.shutdown()
    assert not dispatcher.threads
