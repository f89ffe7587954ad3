"""``python -m bench``: measures the API and prints what it found."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

import scheduling
from bench.client import ClientError
from bench.measure import machine
from bench.report import Report, compare, show
from bench.run import measure
from bench.scenarios import SCENARIOS
from bench.stack import PROCESSES, ROOT, SAFE, running, seed
from scheduling.testing.servers import ServerError

BASELINE = Path(__file__).with_name("baseline.json")
"""The figures that are compared with unless others are named."""
OUT = ROOT / "var" / "bench.json"


Earlier = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="How long each run is.")
@click.option("--connections", default=(1, 32), show_default=True, multiple=True, help="How many at once.")
@click.option(
    "--scenario", "names", type=click.Choice(list(SCENARIOS)), multiple=True, help="All by default."
)
@click.option("--server", type=click.Choice(["waitress", "granian"]), default="waitress", show_default=True)
@click.option("--compare", "earlier", type=Earlier, help="An earlier result, instead of bench/baseline.json.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=OUT, help="Where to; var/bench.json by default."
)
def main(
    seconds: float,
    connections: tuple[int, ...],
    names: tuple[str, ...],
    server: str,
    earlier: Path | None,
    out: Path,
) -> None:
    """Measure the API on a PostgreSQL and a Redis of its own.

    The status is 1 if anything was answered wrongly. What can be given more than once is repeated:
    --scenario list --scenario get.
    """
    # Read first, since the result may take its place.
    before = read(earlier or BASELINE) if earlier or BASELINE.exists() else None
    report = Report(about(server, seconds), machine())
    try:
        with running(server, *SAFE) as stack:
            seed(stack.site.database_url)
            stack.rebuild_analytics()
            measure(stack, report, names or tuple(SCENARIOS), connections, seconds)
    except (ClientError, ServerError) as error:
        raise click.ClickException(str(error)) from error
    report.save(out)
    show(report)
    if before:
        compare(report, before)
    click.echo(f"\nWritten to {out}")
    sys.exit(0 if report.good else 1)


def read(path: Path) -> Report:
    """Read an earlier result; ``ClickException`` if it is none."""
    try:
        return Report.load(path)
    except (LookupError, TypeError, ValueError) as error:
        raise click.ClickException(f"{path} is no result of this benchmark: {error}") from error


def about(server: str, seconds: float) -> dict[str, str | float]:
    """Describe what is measured."""
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "version": scheduling.__version__,
        "commit": commit,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": server,
        "processes": PROCESSES[server],
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
