"""``scheduling worker``: delivers messages until SIGTERM or Ctrl-C."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from scheduling.config.announcement import log_what_is_used
from scheduling.config.ini import set_up_logging
from scheduling.email.provider import Misconfigured
from scheduling.exceptions import StartupError
from scheduling.messaging.outcomes import Transient
from scheduling.messaging.worker import Worker
from scheduling.observability.probes import application, open_port, serving, worker_probes
from scheduling.server.lifecycle import wait_for_database

if TYPE_CHECKING:
    from scheduling.cli.program import Program
    from scheduling.plugin import Registry

logger = logging.getLogger(__name__)


@click.command()
@click.argument("ini", required=False)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Threads that deliver messages.",
)
@click.option(
    "--grace", type=click.IntRange(1), default=90, show_default=True, help="Seconds to finish after SIGTERM."
)
@click.pass_obj
def worker(program: Program, ini: str | None, concurrency: int, grace: int) -> None:
    """Deliver messages over REDIS_URL, with the settings of INI, until SIGTERM or Ctrl-C.

    Then the messages in hand are finished, and the exit status is 0.
    """
    if ini is not None:
        program = program.with_ini(ini)
    set_up_logging(program.ini_path)
    log_what_is_used(program.setup.settings)
    registry = program.application.registry
    if registry.core_settings.embedded:
        raise StartupError(
            "A worker needs a broker that it shares with the relay of others: set REDIS_URL. "
            "Without one the web process delivers by itself."
        )
    check_provider(registry)
    finished = run(registry, concurrency, grace)
    # Without this, Python searches all objects for garbage before the process ends, which takes time.
    gc.freeze()
    sys.exit(0 if finished else 1)


def check_provider(registry: Registry) -> None:
    """Raise ``StartupError`` if the e-mail provider refuses the key, the sender or the account."""
    name = registry.core_settings.email_provider
    try:
        registry.email_provider.check()
    except Misconfigured as error:
        raise StartupError(f"The e-mail provider {name!r} (EMAIL_PROVIDER) refuses us: {error}") from error
    except Transient as error:
        logger.warning("The e-mail provider %r cannot be asked now: %s", name, error)


def run(registry: Registry, concurrency: int, grace: float) -> bool:
    """Deliver until a signal comes; tell whether all messages in hand were finished in ``grace`` seconds.

    A second signal ends the process at once. Another worker delivers what it had in hand when the lease has
    run out.
    """
    worker = Worker(registry, concurrency)
    registry.readiness.starting = True
    port = open_port(registry, application(registry, worker_probes(registry, worker)))
    with serving(port):
        wait_for_database(registry)
        finished = deliver(registry, worker, concurrency, grace)
    logger.info("The worker ended" if finished else "The worker ended with messages in hand")
    return finished


def deliver(registry: Registry, worker: Worker, concurrency: int, grace: float) -> bool:
    """Do the same with a worker that is made already, on a database that answers."""
    stopping = threading.Event()

    def end(number: int, frame: object) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    registry.tracer.start()
    worker.start()
    registry.metrics.pool.watch()
    registry.readiness.starting = False
    logger.info("The worker delivers with %d threads", concurrency)
    stopping.wait()
    logger.info("The worker finishes what it has in hand")
    finished = worker.stop(grace)
    registry.tracer.stop()
    return finished
