import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyramid.httpexceptions import HTTPServiceUnavailable

from scheduling.security.passwords import MAX_WAITING, Passwords


@pytest.fixture(scope="module")
def passwords():
    return Passwords(4)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_hashing_gives_way_to_all_other_threads(passwords):
    policy = passwords._threads.submit(lambda: os.sched_getscheduler(threading.get_native_id())).result()
    assert policy == os.SCHED_IDLE
    assert os.sched_getscheduler(threading.get_native_id()) == os.SCHED_OTHER


def test_of_too_many_that_wait_the_last_is_asked_to_come_again(passwords):
    passwords.use_threads(1)
    gate, refused = threading.Event(), threading.Event()

    def check(_):
        try:
            return passwords.matches("x", None)
        except HTTPServiceUnavailable as error:
            refused.set()
            return error.headers["Retry-After"]

    with ThreadPoolExecutor(MAX_WAITING + 1) as clients:
        passwords._threads.submit(gate.wait)
        answers = clients.map(check, range(MAX_WAITING + 1))
        assert refused.wait(30)
        gate.set()
        assert sorted(map(str, answers)) == ["5", *["False"] * MAX_WAITING]
    assert passwords.matches("x", passwords.hash("x"))


def test_what_is_no_hash_matches_nothing(passwords):
    assert not passwords.matches("x", "!")
    assert not passwords.matches("x", "")
    assert not passwords.matches("nobody has this password", None)
