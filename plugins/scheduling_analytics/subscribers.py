"""Records every activity, of whichever plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Activity
from scheduling_analytics.service import record_activity

if TYPE_CHECKING:
    from scheduling.plugin import Configurator


def includeme(config: Configurator) -> None:
    """Register the subscriber."""
    config.add_subscriber(record_activity, Activity)
