"""What a worker takes for a message."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.measure import Cpu, memory_mib
from bench.stack import execute
from scheduling.testing.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stack import Stack
    from scheduling.testing.process import Process

MESSAGES = 1000
_WARM_UP = 50
_PATIENCE_SECONDS = 300.0
_LAY_BY = "UPDATE outbox SET state = 'done', done_at = now() WHERE state IN ('pending', 'queued')"
_ADD = """INSERT INTO outbox (id, kind, consumer, payload, due_at)
          SELECT gen_random_uuid(), kind, consumer, payload, now()
          FROM (SELECT * FROM outbox ORDER BY created_at DESC LIMIT 1) newest, generate_series(1, {})"""
_OPEN = "SELECT 1 FROM outbox WHERE state IN ('pending', 'queued', 'running', 'retry') LIMIT 1"
_COUNT_OPEN = "SELECT count(*) FROM outbox WHERE state IN ('pending', 'queued', 'running', 'retry')"
_FLOOD_SECONDS = 3.0


def measure_delivery(stack: Stack) -> dict[str, float]:
    """Have a worker deliver messages like the newest in the outbox to the e-mail provider ``mock``."""
    execute(stack.site.database_url, _LAY_BY)
    with _worker(stack) as worker:
        _deliver(stack, _WARM_UP)
        cpu = _cpu(stack, worker)
        seconds = _deliver(stack, MESSAGES)
        return _figures(cpu, MESSAGES, seconds) | {"worker MiB": memory_mib(worker.pid)}


def measure_flood(stack: Stack, waiting: int) -> dict[str, float]:
    """Have a worker deliver some of the messages that wait, which are many, for a few seconds."""
    url = stack.site.database_url
    execute(url, _LAY_BY, _ADD.format(waiting))
    with _worker(stack) as worker:
        wait_for(lambda: _open(stack) < waiting - _WARM_UP, _PATIENCE_SECONDS, "some are delivered")
        cpu, before, began = _cpu(stack, worker), _open(stack), time.perf_counter()
        time.sleep(_FLOOD_SECONDS)
        figures = _figures(cpu, before - _open(stack), time.perf_counter() - began)
    execute(url, _LAY_BY)
    return figures


@contextmanager
def _worker(stack: Stack) -> Iterator[Process]:
    """Have a worker meanwhile; give it."""
    worker = stack.installation.add_worker().start().wait_until_ready()
    yield worker
    worker.terminate()
    worker.wait()


def _cpu(stack: Stack, worker: Process) -> Cpu:
    """Begin to count the CPU of all that deliver."""
    return Cpu(worker=worker.pid, database=stack.postgres.pid, redis=stack.redis.pid)


def _figures(cpu: Cpu, messages: int, seconds: float) -> dict[str, float]:
    per_message = {f"{name} µs": round(1e6 * used / messages) for name, used in cpu.used().items()}
    return {"messages/s": round(messages / seconds), **per_message}


def _open(stack: Stack) -> int:
    """Return how many messages are not finished."""
    return int(stack.site.sql(_COUNT_OPEN)[0][0])


def _deliver(stack: Stack, messages: int) -> float:
    """Return the seconds until that many new messages are delivered."""
    execute(stack.site.database_url, _ADD.format(messages))
    began = time.perf_counter()
    wait_for(lambda: not stack.site.sql(_OPEN), _PATIENCE_SECONDS, "all messages are delivered")
    return time.perf_counter() - began
