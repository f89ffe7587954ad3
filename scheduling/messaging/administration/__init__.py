"""``/outbox``, where site admins list messages and have them tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.messaging.administration.resources import Outbox

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the resource and the views."""
    config.add_api_resource("outbox", Outbox)
    config.scan("scheduling.messaging.administration.views")
