"""The figures of a whole benchmark: as JSON, as tables, and beside those of an earlier one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from scheduling.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

_FEW = 100.0
"""Fewer requests a second than this are shown with their tenths."""

NOISE_PERCENT = 8
"""A run during which other programs took more of the machine than this is marked."""


@dataclass(frozen=True)
class Run:
    """A scenario at a number of connections; CPU in microseconds a request, ``rate`` in requests a second."""

    scenario: str
    connections: int
    rate: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float
    client_us: float
    failed: int
    """Answers that were no success."""
    others_percent: float
    """What part of the machine was busy with none of the three."""


@dataclass(frozen=True)
class Fairness:
    """How long a list of bookings takes alone, and while others log in without a pause."""

    connections: int
    quiet_p99_ms: float
    busy_p99_ms: float
    logins_per_second: float


@dataclass
class Report:
    """Everything that was measured, on what, and which scenarios were not because their answers are wrong."""

    about: dict[str, Any]
    machine: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    fairness: list[Fairness] = field(default_factory=list)
    statements: dict[str, float] = field(default_factory=dict)
    """Statements a request by scenario, BEGIN and COMMIT included."""
    delivery: dict[str, float] = field(default_factory=dict)
    """What a worker takes for a message."""
    memory_mib: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True if all that was asked was answered as it should be."""
        return not self.wrong and not any(run.failed for run in self.runs)

    def save(self, path: Path) -> None:
        """Write it as JSON, making the folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote; OSError, ValueError or TypeError if it is not that."""
        read = json.loads(path.read_text())
        runs = [Run(**run) for run in read.pop("runs")]
        fairness = [Fairness(**row) for row in read.pop("fairness")]
        return cls(**read, runs=runs, fairness=fairness)


def show(report: Report) -> None:
    """Print the tables."""
    click.echo(_line("Machine", report.machine))
    click.echo(_line("Measured", report.about))
    click.echo()
    headers = ["scenario", "conn", "req/s", "p50 ms", "p99 ms"]
    headers += ["server µs", "database µs", "client µs", "statements", "others", "failed"]
    print_table(headers, [_cells(run, report.statements[run.scenario]) for run in report.runs], numeric=True)
    if noisy := [run for run in report.runs if run.others_percent > NOISE_PERCENT]:
        click.echo(
            f"\nIn {len(noisy)} runs other programs took over {NOISE_PERCENT} % of the machine: run it again."
        )
    click.echo(_line("\nMemory of the web server, MiB (PSS)", report.memory_mib))
    if report.delivery:
        click.echo(_line("Delivery by one worker", report.delivery))
    if report.fairness:
        click.echo("\np99 of the list of bookings, alone and while 8 clients log in without a pause:")
        headers = ["connections", "alone ms", "beside ms", "ratio", "log-ins/s"]
        print_table(headers, [_fairness_cells(row) for row in report.fairness], numeric=True)
    for scenario, error in report.wrong.items():
        click.echo(f"\n{scenario}: WRONG, not timed: {error}")


def _cells(run: Run, statements: float) -> list[str]:
    times = [f"{run.p50_ms:.2f}", f"{run.p99_ms:.2f}"]
    cpu = [f"{spent:.0f}" for spent in (run.server_us, run.database_us, run.client_us)]
    rest = [f"{statements:.1f}", f"{run.others_percent:.0f} %", str(run.failed or "")]
    return [run.scenario, str(run.connections), _rate(run.rate), *times, *cpu, *rest]


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if rate < _FEW else f"{rate:.0f}"


def _fairness_cells(row: Fairness) -> list[str]:
    ratio = row.busy_p99_ms / row.quiet_p99_ms
    cells = (row.quiet_p99_ms, row.busy_p99_ms, ratio, row.logins_per_second)
    return [str(row.connections), *(f"{cell:.2f}" for cell in cells)]


def compare(report: Report, before: Report) -> None:
    """Print by how many per cent the figures have changed.

    On another machine only CPU is compared, with the earlier figures brought to this machine's speed by the
    time in which each hashes a password.
    """
    scale = 1.0
    columns = {"rate": "req/s", "p50_ms": "p50", "p99_ms": "p99"}
    if not _same_machine(report, before):
        scale = report.machine["bcrypt_ms"] / before.machine["bcrypt_ms"]
        columns = {}
        click.echo(_line("On another machine, so only CPU is compared, scaled by bcrypt_ms", before.machine))
    columns |= {"server_us": "server", "database_us": "database"}
    earlier = {(run.scenario, run.connections): asdict(run) for run in before.runs}
    rows = []
    for run in map(asdict, report.runs):
        if then := earlier.get((run["scenario"], run["connections"])):
            changes = [_change(run[name], then[name] * scale) for name in columns]
            rows.append([run["scenario"], str(run["connections"]), *changes])
    click.echo(_line("\nChange since", before.about))
    print_table(["scenario", "conn", *columns.values()], rows, numeric=True)


def _same_machine(one: Report, other: Report) -> bool:
    return all(one.machine[name] == other.machine[name] for name in ("cpu", "cores"))


def _change(now: float, then: float) -> str:
    return f"{100 * (now / then - 1):+.0f} %" if then else "-"


def _line(title: str, values: Mapping[str, Any]) -> str:
    return f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items())
