"""Measures what somebody else notices of guesses at passwords: the p99 of a list, quiet and under attack.

Guesses come at a fixed rate, whatever the answers are, and so do the calls of the other user; a latency
counts from the moment at which the request was due. Run it with `make bench-attack`: it fails where the p99
under an attack that the limits stop is more than five times the quiet one, once its beginning is over: in the
first second the guesses that no limit stops yet keep the processors, with bcrypt.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import click

from bench.client import Connection, percentile
from bench.measure import memory_mib
from bench.scenarios import API, PASSWORD
from bench.stack import running, seed
from scheduling.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GUESSES, CALLS = 200, 20
"""Requests a second: of the attacker, and of the other user."""

SECONDS = 100.0
"""How long an attack lasts: 20,000 guesses."""

MOST = 5.0
"""How many times the quiet p99 the other user's may be."""

BEGINNING_SECONDS = 2.0
"""How long the beginning is, for which a table has a column of its own."""

OTHER_USER = 3
NOT_LIMITED = "20,000 addresses, 900 accounts"


@dataclass(frozen=True)
class Paced:
    """What came of requests at a fixed rate: when each was due, what it took, in seconds, and its status."""

    latencies: list[tuple[float, float]]
    statuses: list[int]

    def p99_ms(self, since: float = 0.0) -> float:
        """Return the 99th percentile in ms of those due ``since`` seconds after the start, or later."""
        return 1000 * percentile(sorted(latency for due, latency in self.latencies if due >= since), 99)


def paced(port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int) -> Paced:
    """Send requests at a rate, from now on for so many seconds; each waits for a free connection."""
    due: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    start, source = time.perf_counter() + 0.1, cycle(requests)
    for number in range(int(rate * seconds)):
        due.put((start + number / rate, next(source)))
    found = Paced([], [])

    def send() -> None:
        connection = Connection(port)
        with suppress(Empty), connection.socket:
            while True:
                at, request = due.get_nowait()
                time.sleep(max(0.0, at - time.perf_counter()))
                connection.send(request)
                while not (status := connection.receive()):
                    pass
                found.latencies.append((at - start, time.perf_counter() - at))
                found.statuses.append(status)

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def guesses(sender: Callable[[int], str], account: Callable[[int], int]) -> list[bytes]:
    """Return 20,000 guesses: from which address, at which user, the n-th one is."""
    return [_guess(number, sender(number), account(number)) for number in range(20_000)]


def _guess(number: int, sender: str, user: int) -> bytes:
    body = json.dumps({"email": f"user{user}@bench.test", "password": f"{PASSWORD}{number}"}).encode()
    head = (
        f"POST {API}/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {sender}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def hundred(number: int) -> str:
    """Return one of a hundred addresses."""
    return f"198.51.100.{number % 100}"


def attacks() -> dict[str, list[bytes]]:
    """Return the guesses of each attack; the last one meets no limit, only the bound of bcrypt's threads."""
    return {
        "one address": guesses(lambda n: "198.51.100.1", lambda n: 500),
        "a hundred addresses": guesses(hundred, lambda n: 501),
        NOT_LIMITED: guesses(lambda n: f"10.0.{n // 250}.{n % 250}", lambda n: 100 + n % 900),
    }


@click.command()
@click.option("--server", default="waitress", type=click.Choice(["waitress", "granian"]))
@click.option("--seconds", default=SECONDS, help="How long each attack lasts.")
def main(server: str, seconds: float) -> None:
    """Print p99 of the other user's list, quiet and under each attack; fail where it is too high."""
    rows, failed = [], False
    with running(server) as stack, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as clients:
        seed(stack.site.database_url)
        listed = [stack.site.encoded("GET", f"{API}/bookings", user=OTHER_USER)]

        def calls() -> Paced:
            return clients.submit(paced, stack.port, listed, CALLS, seconds, 4).result()

        calls()
        quiet = calls()
        rows.append(["none", f"{quiet.p99_ms():.1f}", *[""] * 6])
        for name, attack in attacks().items():
            before = memory_mib(stack.web_pid)
            attacker = clients.submit(paced, stack.port, attack, GUESSES, seconds, 16)
            other, sent = calls(), attacker.result()
            ratios = [other.p99_ms(since) / quiet.p99_ms() for since in (0, BEGINNING_SECONDS)]
            failed |= ratios[1] > MOST and name != NOT_LIMITED
            counts = [str(sent.statuses.count(status)) for status in (401, 429, 503)]
            grown = memory_mib(stack.web_pid) - before
            shown = [f"{ratio:.1f}" for ratio in ratios]
            rows.append([name, f"{other.p99_ms():.1f}", *shown, *counts, f"{grown:.1f}"])
    columns = ["guesses from", "p99 ms", "to quiet", f"after {BEGINNING_SECONDS:.0f} s"]
    print_table([*columns, "401", "429", "503", "MiB more"], rows, numeric=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
