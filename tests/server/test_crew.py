import threading

from scheduling import waiting
from scheduling.server.crew import Crew
from scheduling.testing.processes import wait_for


class Looking:
    """What a leader looks at: a semaphore that wakes it."""

    def __init__(self):
        self._woken = threading.Semaphore(0)
        self.crew = Crew(1, self._woken.acquire)

    def have(self, work):
        self.crew.add(work)
        self._woken.release()

    def end(self):
        self.have(self.crew.stop)
        wait_for(lambda: not threads())


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "web"]


def test_what_is_added_is_done_by_the_thread_that_looks():
    looking = Looking()
    done = threading.Event()
    looking.crew.start()
    looking.have(lambda: looking.crew.is_led_here and done.set())
    assert done.wait(10)
    assert not looking.crew.is_led_here
    looking.end()


def test_a_thread_stands_in_for_one_that_waits_and_no_longer():
    looking = Looking()
    looking.crew.start()
    first, other = threading.Event(), threading.Event()

    def wait():
        with waiting.aside(stand_in=True):
            looking.have(other.set)
            assert other.wait(10)
        assert not looking.crew.is_led_here
        first.set()

    looking.have(wait)
    assert first.wait(10)
    wait_for(lambda: len(threads()) == 1)
    after = threading.Event()
    looking.have(after.set)
    assert after.wait(10)
    looking.end()


def test_one_thread_more_than_wait_goes_on_without_a_stand_in():
    looking = Looking()
    looking.crew = Crew(2, looking._woken.acquire)
    looking.crew.start()
    first, other = threading.Event(), threading.Event()

    def wait():
        with waiting.aside():
            looking.have(other.set)
            assert other.wait(10)
        first.set()

    looking.have(wait)
    assert first.wait(10)
    assert len(threads()) == 2
    looking.end()


def test_work_that_fails_ends_nothing(caplog):
    looking = Looking()
    looking.crew.start()
    done = threading.Event()
    looking.have(lambda: 1 / 0)
    looking.have(done.set)
    assert done.wait(10)
    assert "ZeroDivisionError" in caplog.text
    looking.end()


def test_nobody_depends_on_a_thread_of_no_server():
    with waiting.aside(stand_in=True):
        assert not threads()
