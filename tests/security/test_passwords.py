import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyramid.httpexceptions import HTTPServiceUnavailable

from scheduling.security import passwords as module
from scheduling.security.passwords import Passwords
from scheduling.testing.processes import wait_for


@pytest.fixture
def passwords():
    return Passwords(4)


class Bcrypt:
    """Stands for bcrypt: it calculates until it is told to go on."""

    def __init__(self):
        self.calculating = 0
        self.go_on = threading.Event()

    def check(self, password, hashed):
        self.calculating += 1
        assert self.go_on.wait(60)
        return True


@pytest.fixture
def bcrypt(monkeypatch):
    bcrypt = Bcrypt()
    monkeypatch.setattr(module, "_check", bcrypt.check)
    yield bcrypt
    bcrypt.go_on.set()


def refusal(passwords):
    with pytest.raises(HTTPServiceUnavailable) as error:
        passwords.matches("x", "hash")
    return error.value.headers["Retry-After"]


@pytest.mark.parametrize(("threads", "at_most"), [(8, 4), (5, 2), (2, 1), (1, 1)])
def test_log_ins_take_at_most_half_of_the_threads_and_the_next_is_asked_to_come_again(
    passwords, bcrypt, monkeypatch, threads, at_most
):
    monkeypatch.setattr(passwords, "_processors", threading.BoundedSemaphore(at_most))
    passwords.use_threads(threads)
    with ThreadPoolExecutor(at_most) as clients:
        answers = [clients.submit(passwords.matches, "x", "hash") for _ in range(at_most)]
        wait_for(lambda: bcrypt.calculating == at_most)
        assert refusal(passwords) == "5"
        bcrypt.go_on.set()
        assert all(answer.result() for answer in answers)
    assert passwords.matches("x", "hash")


def test_who_waits_for_a_processor_for_too_long_is_asked_to_come_again(passwords, bcrypt, monkeypatch):
    monkeypatch.setattr(passwords, "_processors", threading.BoundedSemaphore(1))
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 0.01)
    passwords.use_threads(8)
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(passwords.matches, "x", "hash")
        wait_for(lambda: bcrypt.calculating == 1)
        assert refusal(passwords) == "5"
        bcrypt.go_on.set()
        assert first.result()
    assert passwords.matches("x", "hash")


def test_what_is_hashed_matches(passwords):
    assert passwords.matches("x", passwords.hash("x"))
    assert not passwords.matches("y", passwords.hash("x"))


def test_what_is_no_hash_matches_nothing(passwords):
    assert not passwords.matches("x", "!")
    assert not passwords.matches("x", "")
    assert not passwords.matches("nobody has this password", None)
