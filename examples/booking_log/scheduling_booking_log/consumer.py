"""Writes the log."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.registry import Registry

    from scheduling.plugin import Message

FACTS = ("user_id", "booking_id", "title", "start_time", "end_time")
"""What a line tells of an event. A later release of Scheduling may have more to tell of it."""


def write_line(message: Message, registry: Registry) -> None:
    """Append the message's line, unless an earlier delivery of the same message has done so."""
    path = Path(registry.plugin_settings["booking_log"]["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {name: value for name, value in message.payload.items() if name in FACTS}
    record = {"id": str(message.id), "event": message.kind, **facts}
    line = json.dumps(record).encode() + b"\n"
    same_message = line[: line.index(b",")]
    # Other workers write too. Closing the file gives the lock back.
    with path.open("a+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        end = 0
        for known in log:
            if known.endswith(b"\n"):
                if known.startswith(same_message):
                    return
                end += len(known)
        # A write that was interrupted may have left half a line.
        log.truncate(end)
        log.write(line)
        log.flush()
        # The message counts as done when this returns, so the line has to be on the disk by then.
        os.fsync(log.fileno())
