"""What a worker takes for a message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.measure import Cpu, memory_mib
from bench.stack import execute
from scheduling.testing.processes import wait_for

if TYPE_CHECKING:
    from bench.stack import Stack

MESSAGES = 1000
_WARM_UP = 50
_PATIENCE_SECONDS = 300.0
_LAY_BY = "UPDATE outbox SET state = 'done', done_at = now() WHERE state IN ('pending', 'queued')"
_ADD = """INSERT INTO outbox (id, kind, consumer, payload, due_at)
          SELECT gen_random_uuid(), kind, consumer, payload, now()
          FROM (SELECT * FROM outbox ORDER BY created_at DESC LIMIT 1) newest, generate_series(1, {})"""
_OPEN = "SELECT 1 FROM outbox WHERE state IN ('pending', 'queued', 'running', 'retry') LIMIT 1"


def measure_delivery(stack: Stack) -> dict[str, float]:
    """Have a worker deliver messages like the newest in the outbox to the e-mail provider ``mock``."""
    url = stack.site.database_url
    execute(url, _LAY_BY)
    worker = stack.installation.add_worker().start().wait_until_ready()
    _deliver(stack, _WARM_UP)
    cpu = Cpu(worker=worker.pid, database=stack.postgres.pid, redis=stack.redis.pid)
    seconds = _deliver(stack, MESSAGES)
    per_message = {f"{name} µs": round(1e6 * used / MESSAGES) for name, used in cpu.used().items()}
    memory = memory_mib(worker.pid)
    worker.terminate()
    worker.wait()
    return {"messages/s": round(MESSAGES / seconds), **per_message, "worker MiB": memory}


def _deliver(stack: Stack, messages: int) -> float:
    """Return the seconds until that many new messages are delivered."""
    execute(stack.site.database_url, _ADD.format(messages))
    began = time.perf_counter()
    wait_for(lambda: not stack.site.sql(_OPEN), _PATIENCE_SECONDS, "all messages are delivered")
    return time.perf_counter() - began
