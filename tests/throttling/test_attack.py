"""An attack: 20,000 guesses at passwords, from one address and from a hundred."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from time import monotonic
from urllib.parse import urlsplit

import psutil
import pytest

CONNECTIONS = 4
VICTIM = "victim@example.com"
MAX_GROWTH_MIB = 16
PER_ACCOUNT, PER_ADDRESS = 5, 50


def address(number):
    return f"198.51.100.{number}"


# Which account is tried from which address at the n-th guess.
ATTACKS = {
    "one address, one account": lambda n: (address(1), VICTIM),
    "a hundred addresses, one account": lambda n: (address(n % 100), VICTIM),
    "one address, an account a guess": lambda n: (address(1), f"user{n}@example.com"),
    "an address a guess, one account": lambda n: (f"10.1.{n // 250}.{n % 250}", VICTIM),
}
GUESSES = dict(zip(ATTACKS, (20_000, 20_000, 3000, 3000), strict=True))
ON_SQLITE = 3000
"""How many there, of each attack: after the first ones no database is asked."""

LIMITS = dict(zip(ATTACKS, (PER_ACCOUNT, PER_ACCOUNT, PER_ADDRESS, PER_ACCOUNT), strict=True))


def may_be_checked(limit, seconds):
    """Return how many may be checked in a time: those of an account also when each wait is over."""
    return limit + sum(seconds >= end for end in (60, 180, 420)) if limit == PER_ACCOUNT else limit


def guess(site, numbers, attack):
    """Send guesses on one connection; return the statuses. What finds no thread, a 503, is sent again."""
    url = urlsplit(site.web.url)
    statuses = []
    with closing(HTTPConnection(url.hostname, url.port, timeout=60)) as connection:
        for number in numbers:
            sender, email = attack(number)
            body = json.dumps({"email": email, "password": f"guess {number}"})
            headers = {"Content-Type": "application/json", "X-Forwarded-For": f"192.0.2.1, {sender}"}
            while True:
                connection.request("POST", "/api/v1/auth/login", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 503:
                    break
            statuses.append(answer.status)
    return statuses


def memory_mib(site):
    return psutil.Process(site.web.pid).memory_info().rss / 2**20


@pytest.mark.parametrize("name", ATTACKS)
def test_no_more_guesses_than_the_limit_reach_bcrypt_and_memory_does_not_grow(
    start_web, empty_database_url, name
):
    site = start_web()
    began = monotonic()

    def send(numbers):
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            parts = [numbers[i::CONNECTIONS] for i in range(CONNECTIONS)]
            answers = threads.map(lambda part: guess(site, part, ATTACKS[name]), parts)
            return [status for answer in answers for status in answer]

    number = GUESSES[name] if empty_database_url.startswith("postgresql") else ON_SQLITE
    statuses = send(range(number // 2))
    before = memory_mib(site)
    statuses += send(range(number // 2, number))
    assert len(statuses) == number
    assert set(statuses) == {401, 429}
    # Each of these was checked by bcrypt, and no other.
    assert LIMITS[name] <= statuses.count(401) <= may_be_checked(LIMITS[name], monotonic() - began)
    assert memory_mib(site) - before < MAX_GROWTH_MIB
    refused = site.web.metric("scheduling_rate_limit_refused_calls_total")
    assert refused >= statuses.count(429)
    if monotonic() - began > 61:
        assert "Rate limits refused" in site.web.output
