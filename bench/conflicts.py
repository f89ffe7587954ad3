"""``python -m bench.conflicts``: mixed calls that refuse overlaps, at once and over two processes.

Owners and a site admin book, move, cancel and restore at a few times of one day, from many connections, and
all of them refuse overlaps. No call fails or waits for ever; at the end no two confirmed bookings of an owner
overlap, and PostgreSQL has met no deadlock.
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

import click

from bench.scenarios import API
from bench.stack import execute, running

if TYPE_CHECKING:
    from bench.scenarios import Site

OWNERS = (501, 502, 503)
ADMIN = 1000
EXPECTED = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}

_OVERLAPS = """SELECT count(*) FROM bookings a JOIN bookings b ON a.user_id = b.user_id AND a.id < b.id
    AND a.start_time < b.end_time AND a.end_time > b.start_time
    WHERE a.status = 'confirmed' AND b.status = 'confirmed'"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def call(site: Site, seed: int) -> int:
    """Make a call that the seed decides and return its status."""
    chance = random.Random(seed)
    start, minutes = chance.randrange(8 * 60, 18 * 60, 15), chance.choice((15, 30, 60, 120))
    times = {
        name: f"2099-01-01T{at // 60:02}:{at % 60:02}:00Z"
        for name, at in (("start", start), ("end", start + minutes))
    }
    word = {"on_conflict": "reject"}
    ids = [number for (number,) in site.sql("SELECT id FROM bookings ORDER BY random() LIMIT 1")]
    kind = chance.choice(("book", "move", "move", "cancel", "restore")) if ids else "book"
    if kind == "book":
        body = {"title": "Mixed", **times, **word}
        return site.call("POST", f"{API}/bookings", body, user=chance.choice(OWNERS)).status_code
    path = f"{API}/bookings/{ids[0]}"
    if kind == "move":
        return site.call("PATCH", path, times | word, user=ADMIN).status_code
    if kind == "cancel":
        return site.call("DELETE", path, user=ADMIN).status_code
    return site.call("POST", f"{path}/restore", word, user=ADMIN).status_code


@click.command()
@click.option("--calls", default=10_000, show_default=True, help="How many.")
@click.option("--connections", default=32, show_default=True, help="How many at once.")
def main(calls: int, connections: int) -> None:
    """Make the calls and print how they were answered; fail where something is wrong."""
    with running("granian") as stack:
        execute(stack.site.database_url, "UPDATE users SET role = 'admin' WHERE id = 1000")
        for user in (*OWNERS, ADMIN):
            stack.site.token(user)
        with ThreadPoolExecutor(connections) as threads:
            statuses = Counter(threads.map(lambda seed: call(stack.site, seed), range(calls)))
        [(overlaps,)], [(deadlocks,)] = stack.site.sql(_OVERLAPS), stack.site.sql(_DEADLOCKS)
    click.echo(f"{dict(sorted(statuses.items()))}, deadlocks: {deadlocks}, overlaps: {overlaps}")
    if set(statuses) - EXPECTED or deadlocks or overlaps:
        raise click.ClickException("That is wrong.")


if __name__ == "__main__":
    main()
