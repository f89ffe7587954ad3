"""``scheduling web``: serves the API with several processes until it is told to end."""

from __future__ import annotations

import gc
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import plaster
from pyramid.paster import setup_logging

from scheduling.errors import StartupError
from scheduling.server import cpus, with_granian, with_waitress
from scheduling.server.listening import announce, listen
from scheduling.server.single import delivering
from scheduling.server.supervisor import Supervisor

if TYPE_CHECKING:
    import socket

    from pyramid.router import Router
    from waitress.adjustments import Adjustments

    from scheduling.cli import Program


@click.command()
@click.argument("ini", required=False)
@click.option(
    "--processes", type=click.IntRange(1, 64), help="Child processes.  [default: the CPU quota, rounded up]"
)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of each.  [default: the ini file's]")
@click.option("--server", type=click.Choice(["waitress", "granian"]), default="waitress", show_default=True)
@click.option(
    "--grace", type=click.IntRange(1), default=30, show_default=True, help="Seconds for requests in flight."
)
@click.pass_obj
def web(
    program: Program, ini: str | None, processes: int | None, threads: int | None, server: str, grace: int
) -> None:
    """Serve the API, with the settings of INI, until SIGTERM or Ctrl-C.

    Then requests in flight are finished, and the exit status is 0.
    """
    if ini is not None:
        program = program.with_ini(ini)
    setup_logging(program.ini_path)
    app = program.application
    processes = number_of_processes(processes, embedded=app.registry.scheduling.embedded)
    settings = with_waitress.adjustments(server_options(program.ini_path, threads))
    listener = listen(app.registry)
    announce(app.registry)
    # What was loaded so far is shared by the children as long as the collector leaves it alone.
    gc.collect()
    gc.freeze()
    if server == "granian":
        with_granian.serve(app, listener, processes, settings.threads, grace)
    else:
        work = partial(serve_with_waitress, app, listener, settings, grace)
        sys.exit(Supervisor(work, processes, grace).run())


def serve_with_waitress(app: Router, listener: socket.socket, settings: Adjustments, grace: float) -> None:
    """Serve in a child process."""
    with delivering(app.registry):
        with_waitress.serve(app, listener, settings, grace)


def number_of_processes(asked: int | None, *, embedded: bool) -> int:
    """Return how many processes serve; raise ``StartupError`` for several without a broker to share."""
    if not embedded:
        return asked or cpus.available()
    if asked and asked > 1:
        raise StartupError(
            "Without a broker the one web process delivers the messages: set REDIS_URL and run workers, "
            "or leave --processes away."
        )
    return 1


def server_options(ini: str, threads: int | None) -> dict[str, Any]:
    """Return the options of ``[server:main]``, which are waitress's, with ``threads`` where it is given."""
    options: dict[str, Any] = dict(plaster.get_settings(ini, "server:main"))
    options.pop("use", None)
    return options | ({"threads": threads} if threads else {})
