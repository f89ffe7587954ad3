"""The channel: every notice that has a text for it becomes a notification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Notice
from scheduling_notifications.service import add

if TYPE_CHECKING:
    from scheduling.plugin import Configurator


def includeme(config: Configurator) -> None:
    """Register the subscriber."""
    config.add_subscriber(add, Notice)
