"""Metrics of processes: connections to the database, the release, and the sums over several processes."""

from __future__ import annotations

import os
import platform
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import QueuePool

from scheduling.db.pool import guard_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from scheduling.web.registry import WebRegistry

SAMPLE_SECONDS = 2.0
"""How often a process counts the connections of its pool."""


class PoolGauge:
    """The connections to the database of a process: in use, idle, refused; and whether the database hangs."""

    def __init__(self, collectors: CollectorRegistry, registry: WebRegistry) -> None:
        self._registry = registry
        self._connections = Gauge(
            "scheduling_database_pool_connections",
            "Connections to the database, in use or idle.",
            ["state"],
            multiprocess_mode="livesum",
            registry=collectors,
        )
        self._refused = Counter(
            "scheduling_database_refused_connections",
            "Connections that the server refused, since it or our role has too many.",
            registry=collectors,
        )
        self._hangs = Gauge(
            "scheduling_database_hangs",
            "1 while the database is known to hang, and what needs it is refused at once.",
            multiprocess_mode="livemax",
            registry=collectors,
        )

    def watch(self) -> None:
        """Count every few seconds from now on, in a thread; to do so in every request would cost more."""
        threading.Thread(target=self._sample, name="pool-gauge", daemon=True).start()

    def _sample(self) -> None:
        pause = threading.Event()
        guard = guard_of(self._registry.engine)
        counted = 0
        while True:
            pool = self._registry.engine.pool
            assert isinstance(pool, QueuePool)  # noqa: S101 - SQLAlchemy's choice for both databases
            self._connections.labels("in_use").set(pool.checkedout())
            self._connections.labels("idle").set(pool.checkedin())
            if guard is not None:
                refused = guard.refused
                self._refused.inc(refused - counted)
                counted = refused
                self._hangs.set(guard.breaker.is_open)
            pause.wait(SAMPLE_SECONDS)


class BuildCollector:
    """The release that runs, and its plugins."""

    def __init__(self, registry: WebRegistry) -> None:
        build = GaugeMetricFamily(
            "scheduling_build_info", "The release that runs.", labels=["version", "python"]
        )
        build.add_metric([version("scheduling"), platform.python_version()], 1)
        enabled = GaugeMetricFamily(
            "scheduling_plugin_info", "The plugins that run.", labels=["plugin", "version"]
        )
        for plugin in registry.plugins:
            enabled.add_metric([plugin.name, plugin.distribution.rpartition(" ")[2]], 1)
        self._families = (build, enabled)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, which never change."""
        return self._families


class ProcessesCollector:
    """Adds up what several processes have counted, in files of a folder that they share.

    Counters of processes that have died are kept, gauges are not.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = MultiProcessCollector(None, folder)

    def collect(self) -> Iterator[Metric]:
        """Remove the gauges of dead processes, and add up all files."""
        for file in Path(self._folder).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _is_alive(pid):
                mark_process_dead(pid, self._folder)
        yield from self._files.collect()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
