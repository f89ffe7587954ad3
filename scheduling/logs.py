"""How log lines are written; the ini files name the formatters.

Every line that is written for a request or a message says for which, whoever writes it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.threadlocal import get_current_request
from pythonjsonlogger.json import JsonFormatter as PythonJsonFormatter

from scheduling import tracing

if TYPE_CHECKING:
    from logging import LogRecord


def context() -> dict[str, str]:
    """Return ``request_id`` and ``trace_id`` of the request or the message in hand, if there are any."""
    request_id = getattr(get_current_request(), "id", None)
    span = tracing.current()
    return {
        **({"request_id": request_id} if request_id else {}),
        **({"trace_id": span.trace_id} if span else {}),
    }


def printable(text: str) -> str:
    """Return a line in which nothing steers a terminal: no control character, none of bidirectional text."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "�" for character in text)


class JsonFormatter(PythonJsonFormatter):
    """One JSON object a line: ``timestamp`` (UTC), ``level``, ``logger``, ``message`` and what was added."""

    def __init__(self, *_: object) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            timestamp=True,
        )

    def add_fields(self, log_data: dict[str, Any], record: LogRecord, message_dict: dict[str, Any]) -> None:
        """Add the context to what the line has itself."""
        super().add_fields(log_data, record, message_dict)
        log_data.update(context())


class TextFormatter(logging.Formatter):
    """Lines for people in the format of the ini file, with what of the context they lack."""

    def formatMessage(self, record: LogRecord) -> str:  # noqa: N802 - it is logging's name
        """Return the line, before which no traceback stands yet."""
        text = super().formatMessage(record)
        first, newline, rest = text.partition("\n")
        lacking = (f"{name}={value}" for name, value in context().items() if value not in text)
        return " ".join([first, *lacking]) + newline + rest
