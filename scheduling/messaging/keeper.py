"""The keeper: a thread of a worker that looks after the messages which the other threads have in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.messaging.batch import Batch
    from scheduling.messaging.threads import RestartingThread

LOOK_SECONDS = 1.0


def run_keeper(replace: Callable[[RestartingThread], None], thread: RestartingThread) -> None:
    """Look after what is in hand every second, until the worker has stopped.

    ``replace`` is called with a thread whose handler takes too long. Raises what the database does.
    """
    while not thread.is_to_stop():
        thread.report_alive()
        for batch in thread.registry.batches.all():
            _look_after(batch, replace)
        thread.report_success()
        thread.stopping.wait(LOOK_SECONDS)


def _look_after(batch: Batch, replace: Callable[[RestartingThread], None]) -> None:
    if batch.takes_too_long():
        batch.give_up()
        if batch.thread is not None:
            replace(batch.thread)
        return
    if batch.thread is not None:
        batch.thread.report_alive()
    if batch.is_slow():
        batch.give_back()
    batch.renew_lease()
