import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import bcrypt as real_bcrypt
import pytest
from pyramid.httpexceptions import HTTPServiceUnavailable

from scheduling.security import passwords as module
from scheduling.security.passwords import Passwords
from scheduling.testing.processes import wait_for

COMPOSED, TYPED = "Gr\u00fc\u00dfe", "Gru\u0308\u00dfe"
"""The same word from two keyboards; the first one is NFC."""

EXPANDING = "\u0958" * 24
"""72 bytes, and 144 in NFC."""


HASH = Passwords(4).hash("x")


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
        passwords.matches("x", HASH)
    return error.value.headers["Retry-After"]


@pytest.mark.parametrize(("threads", "at_most"), [(8, 4), (5, 2), (2, 1), (1, 1)])
def test_log_ins_take_at_most_half_of_the_threads_and_the_next_is_asked_to_come_again(
    passwords, bcrypt, monkeypatch, threads, at_most
):
    monkeypatch.setattr(passwords, "_processors", threading.BoundedSemaphore(at_most))
    passwords.use_threads(threads)
    with ThreadPoolExecutor(at_most) as clients:
        answers = [clients.submit(passwords.matches, "x", HASH) for _ in range(at_most)]
        wait_for(lambda: bcrypt.calculating == at_most)
        assert refusal(passwords) == "5"
        bcrypt.go_on.set()
        assert all(answer.result() for answer in answers)
    assert passwords.matches("x", HASH)


def test_who_waits_for_a_processor_for_too_long_is_asked_to_come_again(passwords, bcrypt, monkeypatch):
    monkeypatch.setattr(passwords, "_processors", threading.BoundedSemaphore(1))
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 0.01)
    passwords.use_threads(8)
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(passwords.matches, "x", HASH)
        wait_for(lambda: bcrypt.calculating == 1)
        assert refusal(passwords) == "5"
        bcrypt.go_on.set()
        assert first.result()
    assert passwords.matches("x", HASH)


def test_what_is_hashed_matches(passwords):
    assert passwords.matches("x", passwords.hash("x"))
    assert not passwords.matches("y", passwords.hash("x"))


def test_what_is_no_hash_matches_nothing(passwords):
    assert not passwords.matches("x", "!")
    assert not passwords.matches("x", "")
    assert not passwords.matches("nobody has this password", None)


@pytest.fixture
def work(monkeypatch):
    """A counter of what bcrypt calculated, in units of one hash of cost 4; it may be set back to 0."""
    counted = Counter()

    def counting(function, cost_of):
        def call(password, salt):
            counted["work"] += 2 ** (cost_of(salt) - 4)
            return function(password, salt)

        return call

    for name in ("hashpw", "checkpw"):
        function = counting(getattr(real_bcrypt, name), lambda salt: int(salt[4:6]))
        monkeypatch.setattr(real_bcrypt, name, function)
    return counted


def work_of(work, passwords, *arguments):
    work.clear()
    assert not passwords.matches(*arguments)
    return work["work"]


@pytest.mark.parametrize("wrong", ["wrong", TYPED, "y" * 100])
@pytest.mark.parametrize("cost", [4, 6, 7])
def test_a_check_costs_as_much_whatever_the_cost_of_the_hash(work, wrong, cost):
    passwords = Passwords(6)
    hashed = Passwords(cost).hash("x")
    passwords.matches("x", hashed)
    as_much = 2 ** (max(cost, 6) - 4) * (2 if wrong == TYPED else 1)
    for stored in (hashed, Passwords(6).hash("x"), Passwords(4).hash("x"), "!", None):
        assert work_of(work, passwords, wrong, stored) == as_much


def test_a_hash_from_elsewhere_does_not_slow_down_every_check(work, monkeypatch):
    passwords = Passwords(4)
    monkeypatch.setattr(module, "_MAX_COST", 6)
    monkeypatch.setattr(module, "_check", lambda password, hashed: False)
    passwords.matches("x", HASH.replace("$04$", "$31$"))
    monkeypatch.undo()
    assert passwords._highest == 6


@pytest.mark.parametrize("word", [COMPOSED, TYPED])
@pytest.mark.parametrize("again", [COMPOSED, TYPED])
def test_a_password_matches_whichever_keyboard_it_comes_from(passwords, word, again):
    hashed = passwords.hash(word)
    assert passwords.matches(again, hashed)
    assert not passwords.matches("Grusse", hashed)
    assert passwords.renewed(again, hashed) is None


@pytest.mark.parametrize("typed", [TYPED, EXPANDING])
def test_a_hash_of_what_was_typed_as_releases_before_made_it_matches(passwords, typed):
    old = real_bcrypt.hashpw(typed.encode(), real_bcrypt.gensalt(4)).decode()
    assert passwords.matches(typed, old)
    assert not passwords.matches(typed + "x", old)


def test_a_hash_of_what_was_typed_is_renewed_so_that_the_other_keyboard_matches_too(passwords):
    old = real_bcrypt.hashpw(TYPED.encode(), real_bcrypt.gensalt(4)).decode()
    assert not passwords.matches(COMPOSED, old)
    assert passwords.matches(COMPOSED, passwords.renewed(TYPED, old))


@pytest.mark.parametrize("cost", [4, 6])
@pytest.mark.parametrize("password", ["secret", TYPED, EXPANDING])
def test_a_hash_of_another_cost_is_renewed(password, cost):
    old = real_bcrypt.hashpw(password.encode(), real_bcrypt.gensalt(cost)).decode()
    passwords = Passwords(5)
    renewed = passwords.renewed(password, old)
    assert renewed.startswith("$2b$05$")
    assert passwords.matches(password, renewed)
    assert passwords.renewed(password, renewed) is None


def test_the_longest_composed_password_matches_also_decomposed(passwords):
    hashed = passwords.hash("\u01d6" * 36)
    assert passwords.matches("u\u0308\u0304" * 36, hashed)


def test_a_password_of_a_megabyte_is_refused_without_being_normalised(passwords, monkeypatch):
    monkeypatch.setattr(module, "normalize", lambda form, text: pytest.fail("it was normalised"))
    assert not passwords.matches("\u0327\u0301" * 200_000, HASH)
