"""``scheduling web``: serves the API until it is told to end."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import plaster

from scheduling.config.announcement import announce, log_what_is_used
from scheduling.config.ini import set_up_logging
from scheduling.exceptions import StartupError
from scheduling.observability.metrics import share_folder
from scheduling.observability.probes import application, open_port, serving, web_probes
from scheduling.server import waitress
from scheduling.server.lifecycle import background_services, listen, wait_for_database

if TYPE_CHECKING:
    from types import ModuleType

    from scheduling.cli.program import Program


@click.command()
@click.argument("ini", required=False)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that serve; several need --server granian.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of each.  [default: the ini file's]")
@click.option("--server", type=click.Choice(["waitress", "granian"]), default="waitress", show_default=True)
@click.option(
    "--drain",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Seconds to go on accepting after SIGTERM, not ready any more.",
)
@click.option(
    "--grace", type=click.IntRange(1), default=30, show_default=True, help="Seconds for requests in flight."
)
@click.pass_obj
def web(program: Program, /, ini: str | None, **options: Any) -> None:
    """Serve the API, with the settings of INI, until SIGTERM or Ctrl-C.

    Then it is not ready any more, requests in flight are finished, and the exit status is 0. A second signal
    ends it at once.
    """
    if ini is not None:
        program = program.with_ini(ini)
    set_up_logging(program.ini_path)
    serve(program, **options)


def serve(
    program: Program, *, processes: int, threads: int | None, server: str, drain: int, grace: int
) -> None:
    """Serve until a signal comes, with metrics and probes on a port of their own."""
    check_processes(processes, server, embedded=program.setup.settings.embedded)
    options = server_options(program.ini_path, threads)
    settings = waitress.adjustments(options)
    log_what_is_used(program.setup.settings)
    with ExitStack() as stack:
        if server == "granian":
            granian = import_granian()
            folder = stack.enter_context(TemporaryDirectory(prefix="scheduling-", ignore_cleanup_errors=True))
            share_folder(folder)
        registry = program.application.registry
        registry.readiness.starting = True
        port = open_port(registry, application(registry, web_probes(registry)))
        stack.enter_context(serving(port))
        wait_for_database(registry)
        listener = stack.enter_context(listen(registry))
        stack.enter_context(background_services(registry))
        announce(registry.core_settings)
        # What was loaded so far is no garbage, whenever the collector looks.
        gc.freeze()
        if server == "granian":
            # Its processes bind the port themselves; this one has shown that it is free.
            listener.close()
            granian.serve(registry, program.ini_path, settings, processes=processes, drain=drain, grace=grace)
        else:
            registry.metrics.pool.watch()
            registry.readiness.starting = False
            waitress.serve(program.application, listener, options, drain=drain, grace=grace)


def import_granian() -> ModuleType:
    """Return ``scheduling.server.granian``; raise ``StartupError`` where the extra is not installed."""
    try:
        return import_module("scheduling.server.granian")
    except ModuleNotFoundError as error:
        if error.name != "granian":
            raise
        raise StartupError("granian is not installed: pip install 'scheduling[granian]'") from error


def check_processes(number: int, server: str, *, embedded: bool) -> None:
    """Raise ``StartupError`` for several processes with a server, or without a broker, that has only one."""
    if number == 1:
        return
    if server == "waitress":
        raise StartupError(
            "waitress serves with one process: run more pods, or on one machine "
            f"scheduling web --server granian --processes {number}."
        )
    if embedded:
        raise StartupError(
            "Without a broker the one web process delivers the messages: set REDIS_URL and run workers, "
            "or leave --processes away."
        )


def server_options(ini: str, threads: int | None) -> dict[str, Any]:
    """Return the options of ``[server:main]``, which are waitress's, with ``threads`` where it is given."""
    options: dict[str, Any] = dict(plaster.get_settings(ini, "server:main"))
    options.pop("use", None)
    return options | ({"threads": threads} if threads else {})
