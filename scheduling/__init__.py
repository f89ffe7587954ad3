"""Scheduling: a self-hosted scheduling backend, a Pyramid application that loads plugins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.router import Router

__version__ = "1.0.0"


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Paste app factory: return the WSGI application for the settings of an ini file.

    The environment overrides the settings. Raises ``StartupError`` with one message for an operator.
    """
    # Importing any module of the package runs this one, which must therefore import none of them.
    from scheduling.app import make_app  # noqa: PLC0415
    from scheduling.config.announcement import log_what_is_used, warn_if_nobody_delivers  # noqa: PLC0415
    from scheduling.startup import set_up  # noqa: PLC0415

    setup = set_up(settings, os.environ)
    log_what_is_used(setup.settings)
    warn_if_nobody_delivers(setup.settings, global_config.get("__file__"))
    return make_app(setup, settings)
