"""Reads the ini file: the settings of ``[app:main]`` and the logging sections."""

from __future__ import annotations

import configparser
from pathlib import Path

from pyramid.paster import get_appsettings, setup_logging

from scheduling.exceptions import StartupError


def read_ini(path: str) -> dict[str, str]:
    """Return the settings of ``[app:main]``; raise ``StartupError`` if there is no such file or section."""
    _require_file(path)
    try:
        settings: dict[str, str] = get_appsettings(path, name="main")
    except (LookupError, configparser.Error) as error:
        raise StartupError(f"The settings file {path} cannot be used: {error}") from error
    return settings


def _require_file(path: str) -> None:
    if not Path(path).is_file():
        raise StartupError(f"There is no settings file {path}; name one with -c or SCHEDULING_CONFIG.")


def set_up_logging(path: str) -> None:
    """Do what the logging sections say, if there are any; raise ``StartupError`` if that is impossible."""
    _require_file(path)
    try:
        setup_logging(path)
    except Exception as error:  # they can name anything
        # What is wrong is in the innermost error, such as the missing module of a formatter.
        reason = error.__cause__ or error
        raise StartupError(
            f"The logging sections of {path} cannot be used ({type(reason).__name__}: {reason})."
        ) from error
