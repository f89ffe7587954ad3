"""How log lines are written; the ini files name the formatters."""

from pythonjsonlogger.json import JsonFormatter as PythonJsonFormatter


class JsonFormatter(PythonJsonFormatter):
    """One JSON object a line: ``timestamp`` (UTC), ``level``, ``logger``, ``message`` and what was added."""

    def __init__(self, *_: object) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            timestamp=True,
        )
