"""``python -m bench.growth``: what each call costs while the table that it reads or writes grows.

One table at a time grows to ten million rows. Bookings and notifications belong to ten users, each of whom
has a million of them in the end, and the calls are theirs.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from bench.client import ClientError
from bench.delivery import measure_delivery, measure_flood
from bench.measure import machine
from bench.report import NOISE_PERCENT
from bench.run import Runner
from bench.scenarios import API, Scenario
from bench.stack import ROOT, Stack, execute, running
from scheduling.cli.tables import print_table
from scheduling.testing.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.scenarios import Site

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
FLOOD = 100_000
"""How many messages wait where delivery behind a flood is measured."""

OWNERS = range(1, 11)
ADMIN = range(1000, 1001)
OUT = ROOT / "var" / "growth.json"

# Filling is quick: the disk is not waited for, little goes to the log, and foreign keys are not checked.
_QUICK = ("-cwal_level=minimal", "-cmax_wal_senders=0", "-cmax_wal_size=4GB", "-cshared_buffers=1GB")
_UNCHECKED = "SET session_replication_role = replica"

Costs = dict[str, dict[str, list[object]]]
"""By call and kind of cost, the figure at each size."""


@dataclass(frozen=True)
class Growth:
    """A table, the SQL that makes its rows number {first} to {last}, and the calls that are measured."""

    table: str
    fill: str
    calls: Sequence[Scenario]
    shown: str = ""
    """By what its figures go, where that is not the table's name."""

    @property
    def name(self) -> str:
        """What is printed above the figures, and is their key in the file."""
        return self.shown or self.table


def call(
    method: str,
    path: str,
    body: object = None,
    users: Sequence[int] = OWNERS,
    status: int = HTTPStatus.OK,
    name: str = "",
) -> Scenario:
    """Return a call that users make in turn; {first} in its path is the number of a user's first row."""
    now = datetime.now(UTC)
    days = {"today": f"{now:%Y-%m-%d}T00:00:00Z", "tomorrow": f"{now + timedelta(days=1):%Y-%m-%d}T00:00:00Z"}

    def request(site: Site, user: int) -> bytes:
        filled_in = path.format(first=user - 1 or len(OWNERS), **days)
        return site.encoded(method, f"{API}{filled_in}", body, user=user)

    def requests(site: Site) -> list[bytes]:
        return [request(site, user) for user in users]

    return Scenario(name or f"{method} {path}", lambda site: None, requests, status)


_BOOKING = {"title": "Growth", "start": "2098-04-01T09:00:00Z", "end": "2098-04-01T09:30:00Z"}
_BOOK = call("POST", "/bookings", _BOOKING, status=HTTPStatus.CREATED)
_REMINDERS = [{"minutes": minutes, "channel": "email"} for minutes in (10, 60)]
_BOOK_WITH_REMINDERS = replace(
    call("POST", "/bookings", _BOOKING | {"reminders": _REMINDERS}, status=HTTPStatus.CREATED),
    name="POST /bookings with two reminders",
)
# Bookings of each owner are at that time: the lock, the query and the refusal, and nothing is written.
_TAKEN_AT = datetime.now(UTC) + timedelta(hours=6)
_REFUSED = {
    "title": "Growth",
    "start": _TAKEN_AT.isoformat(timespec="milliseconds"),
    "end": (_TAKEN_AT + timedelta(minutes=10)).isoformat(timespec="milliseconds"),
    "on_conflict": "reject",
}
_BOOK_WHERE_TAKEN = call(
    "POST", "/bookings", _REFUSED, status=HTTPStatus.CONFLICT, name="POST /bookings, refused"
)

GROWTHS = (
    Growth(
        "bookings",
        # One user's bookings are ten minutes apart, from now on into the past and the future.
        """INSERT INTO bookings (user_id, title, start_time, end_time, status)
           SELECT 1 + n % 10, 'Meeting ' || n, starts_at, starts_at + interval '30 minutes',
                  CASE WHEN n / 10 % 10 = 0 THEN 'cancelled' ELSE 'confirmed' END
           FROM generate_series({first}, {last}) n CROSS JOIN LATERAL (SELECT n / 10 * 10 minutes) a
           CROSS JOIN LATERAL (SELECT now() + (-1) ^ (n / 10) * minutes * interval '1 minute' starts_at) b""",
        (
            call("GET", "/bookings?limit=20"),
            call("GET", "/bookings?limit=20&status=cancelled"),
            call("GET", "/bookings?limit=20&from={today}&to={tomorrow}"),
            call("GET", "/bookings?limit=20&sort=updated_at"),
            call("GET", "/bookings/{first}"),
            call("GET", "/bookings/freebusy?from={today}&to={tomorrow}"),
            _BOOK,
            _BOOK_WHERE_TAKEN,
        ),
    ),
    Growth(
        "notifications",
        # One in ten is unread.
        """INSERT INTO notifications (user_id, type, title, message, is_read, metadata, created_at)
           SELECT 1 + n % 10, 'BOOKING_CONFIRMED', 'Booking confirmed', 'Your booking is confirmed.',
                  n / 10 % 10 > 0, jsonb_build_object('booking_id', n),
                  now() - make_interval(secs => 10000000 - n)
           FROM generate_series({first}, {last}) n""",
        (
            call("GET", "/notifications"),
            call("GET", "/notifications/unread"),
            call("GET", "/notifications/count"),
            call("PATCH", "/notifications/{first}/read"),
            _BOOK,
        ),
    ),
    Growth(
        "analytics_events",
        # All are in the dashboard's window. What is added at once is in order, which is quicker to index.
        """INSERT INTO analytics_events (user_id, event_type, metadata, created_at)
           SELECT 1 + n % 1000, 'EVENT_' || n % 12, jsonb_build_object('page', '/p/' || n % 50),
                  now() - interval '29 days' * ({last} - n) / ({last} - {first})
           FROM generate_series({first}, {last}) n""",
        (
            call("GET", "/analytics/dashboard?days=30"),
            call("GET", "/analytics/series?interval=day"),
            call("POST", "/analytics/event", {"eventType": "EVENT_1"}, status=HTTPStatus.CREATED),
            call("GET", "/analytics/events", users=ADMIN),
            call("GET", "/analytics/events?type=EVENT_1", users=ADMIN),
        ),
    ),
    Growth(
        "outbox",
        # All are done.
        """INSERT INTO outbox (id, kind, consumer, payload, state, attempts, due_at, created_at, done_at)
           SELECT gen_random_uuid(), 'WELCOME', 'email', jsonb_build_object('user_id', 1 + n % 10),
                  'done', 1, moment, moment, moment
           FROM generate_series({first}, {last}) n CROSS JOIN LATERAL
                (SELECT now() - interval '20 days' * ({last} - n) / ({last} - {first}) moment) m""",
        (_BOOK, call("GET", "/outbox?limit=20", users=ADMIN)),
    ),
    Growth(
        "outbox",
        # All are reminders of next year.
        """INSERT INTO outbox (id, kind, consumer, payload, state, due_at, expires_at, turn)
           SELECT gen_random_uuid(), 'REMINDER', 'reminders', '{{"user_id": 1, "data": {{}}}}', 'scheduled',
                  moment, moment + interval '1 hour', 1 + n % 10
           FROM generate_series({first}, {last}) n
           CROSS JOIN LATERAL (SELECT now() + interval '1 year' + n * interval '1 second' moment) m""",
        # The newest message is copied where delivery is measured, and has to be an e-mail.
        (_BOOK_WITH_REMINDERS, _BOOK, call("GET", "/outbox?limit=20", users=ADMIN)),
        shown="outbox, due in the future",
    ),
)


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="How long each call is made.")
@click.option("--largest", default=SIZES[-1], show_default=True, help="Rows at which to end.")
def main(seconds: float, largest: int) -> None:
    """Fill one table after the other and print what its calls cost at each size."""
    sizes = [size for size in SIZES if size <= largest]
    described = machine()
    costs: dict[str, Costs] = {}
    try:
        with running("waitress", *_QUICK) as stack, closing(Runner(stack, seconds)) as runner:
            execute(stack.site.database_url, "UPDATE users SET role = 'admin' WHERE id = 1000")
            for growth in GROWTHS:
                costs[growth.name] = measure(stack, runner, growth, sizes)
                show(growth.name, costs[growth.name], sizes)
    except (ClientError, ServerError) as error:
        raise click.ClickException(str(error)) from error
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"machine": described, "sizes": sizes, "costs": costs}, indent=1) + "\n")
    click.echo(f"\nWritten to {OUT}")


def measure(stack: Stack, runner: Runner, growth: Growth, sizes: Sequence[int]) -> Costs:
    """Let a table grow from nothing, and measure at each size."""
    costs: Costs = {}
    empty(stack.site.database_url, growth)
    for smaller, size in pairwise((0, *sizes)):
        click.echo(f"{growth.name}, rows: {size:,}", err=True)
        fill(stack.site.database_url, growth, smaller + 1, size)
        if growth.table == "analytics_events":
            stack.rebuild_analytics()
        for scenario in growth.calls:
            run = runner.run(scenario, 1)
            if run.others_percent > NOISE_PERCENT:
                click.echo(f"  {scenario.name}: others took {run.others_percent:.0f} %", err=True)
            figures = {
                "p50 ms": run.p50_ms,
                "server µs": round(run.server_us),
                "database µs": round(run.database_us),
            }
            note(costs, scenario.name, dict.fromkeys(figures, "failed") if run.failed else figures)
        if growth.table == "outbox":
            note(costs, "delivery by a worker", measure_delivery(stack))
            note(costs, f"the same while {FLOOD:,} wait", measure_flood(stack, FLOOD))
    empty(stack.site.database_url, growth)
    return costs


def empty(database_url: str, growth: Growth) -> None:
    """Delete all rows; the next one is number 1 again."""
    execute(database_url, f"TRUNCATE {growth.table} RESTART IDENTITY")


def fill(database_url: str, growth: Growth, first: int, last: int) -> None:
    """Add rows, and leave PostgreSQL with nothing to catch up on."""
    insert = f"{_UNCHECKED}; {growth.fill.format(first=first, last=last)}"
    execute(database_url, insert, f"VACUUM (ANALYZE) {growth.table}", "CHECKPOINT")


def note(costs: Costs, name: str, figures: Mapping[str, object]) -> None:
    """Add a call's figures at the next size."""
    for kind, figure in figures.items():
        costs.setdefault(name, {}).setdefault(kind, []).append(figure)


def show(table: str, costs: Costs, sizes: Sequence[int]) -> None:
    """Print a table's calls, one line for each kind of cost."""
    click.echo(f"\n{table}")
    rows = [
        [name, kind, *(str(figure) for figure in figures)]
        for name, kinds in costs.items()
        for kind, figures in kinds.items()
    ]
    print_table(["call", "cost", *(f"{size:,}" for size in sizes)], rows, numeric=True)


if __name__ == "__main__":
    main()
