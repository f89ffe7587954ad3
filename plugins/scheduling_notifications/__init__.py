"""Notifications: the channel that tells notices inside the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator

plugin = Plugin(
    name="notifications",
    summary="Notifications: notices inside the application, unread and read.",
    api=(1, 3),
    tables=("notifications",),
    migrations=True,
)


def includeme(config: Configurator) -> None:
    """Register the resource, the views and the channel."""
    from scheduling_notifications.resources import Notifications  # noqa: PLC0415 - the manifest must import alone

    config.add_api_resource("notifications", Notifications)
    config.include("scheduling_notifications.subscribers")
    config.scan("scheduling_notifications.views")
