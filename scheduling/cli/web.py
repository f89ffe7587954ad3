"""``scheduling web``: serves the API with several processes until it is told to end."""

from __future__ import annotations

import gc
import sys
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import plaster

from scheduling.config.ini import set_up_logging
from scheduling.exceptions import StartupError
from scheduling.observability.metrics import share_folder
from scheduling.observability.probes import application, open_port
from scheduling.server import cpus, with_granian, with_waitress
from scheduling.server.listening import announce, listen
from scheduling.server.single import delivering
from scheduling.server.supervisor import Child, Supervisor

if TYPE_CHECKING:
    import socket

    from pyramid.router import Router
    from waitress.adjustments import Adjustments

    from scheduling.cli.program import Program


@click.command()
@click.argument("ini", required=False)
@click.option(
    "--processes", type=click.IntRange(1, 64), help="Child processes.  [default: the CPU quota, rounded up]"
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
    with TemporaryDirectory(prefix="scheduling-", ignore_cleanup_errors=True) as folder:
        share_folder(folder)
        status = serve(program, **options)
    sys.exit(status)


def serve(
    program: Program, *, processes: int | None, threads: int | None, server: str, drain: int, grace: int
) -> int:
    """Serve until a signal comes and return the exit status."""
    app = program.application
    registry = app.registry
    processes = number_of_processes(processes, embedded=registry.scheduling.embedded)
    settings = with_waitress.adjustments(server_options(program.ini_path, threads))
    listeners = listen(registry, 1 if server == "granian" else processes)
    metrics = open_port(registry, application(registry))
    if server == "granian":
        with_granian.require()
        # Its processes bind the port themselves (SO_REUSEPORT); this one has shown that it is free.
        [listener] = listeners
        host, port = listener.getsockname()[:2]
        listener.close()
        work = partial(with_granian.serve, app, host, port, processes, settings, grace)
        serving = [Child("granian", work)]
    else:
        work = partial(serve_with_waitress, app, settings=settings, grace=grace)
        serving = [Child("web", partial(work, listener), listener) for listener in listeners]
    registry.passwords.use_threads(max(1, cpus.available() // processes))
    announce(registry)
    # What was loaded so far is shared by the children as long as the collector leaves it alone.
    gc.collect()
    gc.freeze()
    supervisor = Supervisor(
        [Child("metrics", metrics.serve_forever), *serving],
        drain=registry.readiness.drain,
        drain_seconds=drain,
        grace_seconds=grace,
    )
    return supervisor.run()


def serve_with_waitress(app: Router, listener: socket.socket, settings: Adjustments, grace: float) -> None:
    """Serve in a child process."""
    app.registry.metrics.pool.watch()
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
