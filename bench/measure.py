"""What a run costs: CPU and memory of families of processes, and the machine itself."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB = 2**20


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its living descendants."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the CPU of a process, its living descendants, and whatever ended descendants they waited for."""
    seconds = 0.0
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def memory_mib(pid: int) -> float:
    """Return the memory of a family, in which a page that n processes share counts 1/n for each (PSS)."""
    shares: list[int] = [process.memory_full_info().pss for process in family(pid)]
    return round(sum(shares) / _MIB, 1)


def machine_seconds() -> tuple[float, float]:
    """Return how long the CPUs of this machine were busy since it started, and how long they were there.

    What a hypervisor took for other machines counts as busy.
    """
    times = psutil.cpu_times()
    # A guest's time is a part of user's already.
    total = sum(times) - times.guest - times.guest_nice
    return total - times.idle - times.iowait, total


class Cpu:
    """Tells what some families, and all other programs, have used since it was made."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._machine = machine_seconds()
        self._before = self._now()

    def used(self) -> dict[str, float]:
        """Return the seconds of each family."""
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    def others_percent(self, own_seconds: float) -> float:
        """Return what part of the machine was busy with anything but these ``own_seconds``."""
        busy, total = (now - before for now, before in zip(machine_seconds(), self._machine, strict=True))
        return round(100 * max(0.0, busy - own_seconds) / total, 1)

    def _now(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


def bcrypt_milliseconds() -> float:
    """Return how long this machine hashes a password at cost 10: the measure of its speed."""
    return round(1000 * min(_hash_times()), 2)


def _hash_times() -> Iterator[float]:
    salt = bcrypt.gensalt(10)
    for _ in range(5):
        before = time.process_time()
        bcrypt.hashpw(b"password123", salt)
        yield time.process_time() - before


def machine() -> dict[str, str | int | float]:
    """Describe what the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "bcrypt_ms": bcrypt_milliseconds(),
    }
