"""Puts loads on a stack and measures what they cost."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import product
from multiprocessing import get_context
from typing import TYPE_CHECKING

import click

from bench.client import Load, drive
from bench.delivery import measure_delivery
from bench.measure import Cpu, memory_mib
from bench.report import Fairness, Run
from bench.scenarios import SCENARIOS, WrongAnswer, check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from bench.client import Result
    from bench.report import Report
    from bench.scenarios import Scenario
    from bench.stack import Stack

WARM_UP_SECONDS = 0.5
LOGIN_CONNECTIONS = 8
_HEAD_START_SECONDS = 0.5


def measure(
    stack: Stack, report: Report, names: Sequence[str], connections: Sequence[int], seconds: float
) -> None:
    """Fill a report: check the scenarios, time those that are answered rightly, then what is no request."""
    with closing(Runner(stack, seconds)) as runner:
        with stack.statements_logged():
            for scenario in (SCENARIOS[name] for name in names):
                try:
                    check(scenario, stack.site)
                    report.statements[scenario.name] = runner.statements(scenario)
                except WrongAnswer as error:
                    report.wrong[scenario.name] = str(error)
        report.memory_mib["at start"] = runner.memory_mib()
        for name, count in product(report.statements, connections):
            click.echo(f"{name}, connections: {count}", err=True)
            report.runs.append(runner.run(SCENARIOS[name], count))
        if "create" in report.statements:
            report.delivery = measure_delivery(stack)
            report.delivery["times the CPU of create"] = round(_in_create_calls(report), 2)
        if {"list", "login"} <= report.statements.keys():
            report.fairness = [runner.fairness(count) for count in connections]
        report.memory_mib["at the end"] = runner.memory_mib()


def _in_create_calls(report: Report) -> float:
    """Return how many calls that create a booking cost as much CPU as one delivery."""
    create = next(run for run in report.runs if run.scenario == "create")
    delivery = sum(figure for name, figure in report.delivery.items() if name.endswith("µs"))
    return delivery / (create.server_us + create.database_us)


class Runner:
    """Runs scenarios on a stack for ``seconds`` each, from clients that are processes of their own."""

    def __init__(self, stack: Stack, seconds: float) -> None:
        self._stack, self._seconds = stack, seconds
        self._clients = ProcessPoolExecutor(2, mp_context=get_context("spawn"))

    def close(self) -> None:
        """End the clients."""
        self._clients.shutdown()

    def memory_mib(self) -> float:
        """Return the memory of all processes of the web server."""
        return memory_mib(self._stack.web_pid)

    def statements(self, scenario: Scenario) -> float:
        """Return the statements of a request, BEGIN and COMMIT included, if they are logged."""
        load = self._load(scenario, 1, WARM_UP_SECONDS)
        # The first request of each account has its key read.
        self._start(load).result()
        before = self._stack.statements()
        result = self._start(load).result()
        return round((self._stack.statements() - before) / result.answers, 1)

    def run(self, scenario: Scenario, connections: int) -> Run:
        """Measure a scenario; ``ClientError`` if the server does not answer."""
        self._start(self._load(scenario, connections, WARM_UP_SECONDS)).result()
        load = self._load(scenario, connections, self._seconds)
        cpu = Cpu(server=self._stack.web_pid, database=self._stack.postgres.pid)
        result = self._start(load).result()
        used = cpu.used() | {"client": result.cpu}
        per_answer = {f"{name}_us": round(1e6 * spent / result.answers, 1) for name, spent in used.items()}
        return Run(
            scenario=scenario.name,
            connections=connections,
            rate=round(result.rate, 1),
            p50_ms=round(1000 * result.p50, 3),
            p99_ms=round(1000 * result.p99, 3),
            **per_answer,
            failed=result.failed,
            others_percent=cpu.others_percent(sum(used.values())),
        )

    def fairness(self, connections: int) -> Fairness:
        """Measure the list of bookings alone and beside clients that log in without a pause."""
        quiet = self.run(SCENARIOS["list"], connections)
        longer = self._seconds + 2 * _HEAD_START_SECONDS
        logins = self._start(self._load(SCENARIOS["login"], LOGIN_CONNECTIONS, longer))
        time.sleep(_HEAD_START_SECONDS)
        busy = self._start(self._load(SCENARIOS["list"], connections, self._seconds)).result()
        asked = logins.result()
        # Beyond half of the server's threads they are refused, and come again at once.
        served = asked.rate * (1 - asked.failed / asked.answers)
        return Fairness(connections, quiet.p99_ms, round(1000 * busy.p99, 3), round(served, 1))

    def _load(self, scenario: Scenario, connections: int, seconds: float) -> Load:
        return Load(scenario.requests(self._stack.site), scenario.status, connections, seconds)

    def _start(self, load: Load) -> Future[Result]:
        return self._clients.submit(drive, self._stack.port, load)
