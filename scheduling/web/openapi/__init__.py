"""The OpenAPI 3.1 document of the API, made of the resource tree, the views' declarations and their schemas.

Nothing is written for it alone: whatever a plugin registers is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.web.openapi.document import OpenApi

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`OpenApi` on the registry, and register the view."""
    config.registry.openapi = OpenApi(config.registry)
    config.scan("scheduling.web.openapi.views")
