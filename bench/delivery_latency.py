"""Measures how long a message takes from its commit to the e-mail provider on an idle system.

Starts a PostgreSQL, a Valkey, the web process, one worker and a local stand-in for Resend, then books a few
times, with pauses. The clock starts when the outbox row is made, shortly before its transaction is committed,
so the figures are slightly too high. Run it with `make bench-latency`.
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from scheduling.plugin import OutgoingEmail
from scheduling.testing.api_server import ApiAnswer, ApiRequest, ApiServer
from scheduling.testing.processes import Installation, wait_for
from scheduling.testing.servers import postgres_server, redis_server

INI = Path(__file__).parents[1] / "production.ini"
BOOKING = {"title": "Planning", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}


class Provider(ApiServer):
    """Takes every e-mail and notes when it came."""

    def __init__(self) -> None:
        self.came_at: dict[str, float] = {}
        super().__init__()

    @property
    def mails(self) -> list[OutgoingEmail]:
        """Keep none."""
        return []

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Take it."""
        if key := request.headers["Idempotency-Key"]:
            self.came_at[key] = time.time()
        return ApiAnswer(200, {"id": "taken"})


def measure(bookings: int, pause: float) -> list[float]:
    """Return the seconds that each booking's e-mail took."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server() as postgres,
        redis_server() as redis,
        Provider() as provider,
    ):
        database_url = postgres.create_database("bench")
        environ = {
            "EMAIL_PROVIDER": "resend",
            "EMAIL_API_KEY": provider.secret,
            "EMAIL_RATE_LIMIT": "6000",
            "SCHEDULING_RESEND_URL": provider.url,
        }
        with Installation(Path(folder), INI, database_url, redis.url, environ) as installation:
            installation.upgrade()
            for process in (installation.web, installation.add_worker()):
                process.start().wait_until_ready()
            token = installation.register()
            for _ in range(bookings):
                # At random, so as not to keep step with the relay.
                threading.Event().wait(random.uniform(0, 2 * pause))
                installation.call("POST", "/bookings", BOOKING, token=token)
            wait_for(lambda: len(provider.came_at) == bookings + 1)
        with psycopg.connect(database_url) as connection:
            query = "SELECT id::text, extract(epoch FROM created_at) FROM outbox WHERE kind LIKE 'BOOKING%'"
            return [provider.came_at[key] - float(made_at) for key, made_at in connection.execute(query)]


def main() -> None:
    """Print the median, the 95th percentile and the worst."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bookings", type=int, default=100, help="how many (default: 100)")
    parser.add_argument(
        "--pause", type=float, default=0.1, help="seconds before each, on average (default: 0.1)"
    )
    options = parser.parse_args()
    took = [1000 * seconds for seconds in measure(options.bookings, options.pause)]
    print(
        f"{len(took)} bookings, commit to provider: median {statistics.median(took):.0f} ms, "
        f"95 % {statistics.quantiles(took, n=20)[-1]:.0f} ms, worst {max(took):.0f} ms"
    )


if __name__ == "__main__":
    main()
