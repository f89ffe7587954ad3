"""Organizations: groups of users with an owner and members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator

plugin = Plugin(
    name="organizations",
    summary="Organizations: owners invite members.",
    api=(1, 3),
    tables=("organizations", "organization_members"),
    migrations=True,
)


def includeme(config: Configurator) -> None:
    """Register the resource, the views, the fellowship, the subscribers and the e-mail."""
    from scheduling_organizations.resources import Organizations  # noqa: PLC0415 - the manifest must import alone

    config.add_api_resource("organizations", Organizations)
    config.include("scheduling_organizations.fellowship")
    config.include("scheduling_organizations.emails")
    config.include("scheduling_organizations.subscribers")
    config.scan("scheduling_organizations.views")
