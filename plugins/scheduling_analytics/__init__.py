"""Analytics: counts what happens in the system, and what clients report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import Schema, fields, validate

from scheduling.plugin import Plugin

if TYPE_CHECKING:
    from scheduling.plugin import Configurator


class AnalyticsSettings(Schema):
    """``analytics.…`` in the ini file, ``SCHEDULING_ANALYTICS_…`` in the environment."""

    # The dashboard looks back over up to 366 days.
    retention_days = fields.Integer(load_default=400, validate=validate.Range(367, 36_500))
    # Of one address, without a token.
    anonymous_per_minute = fields.Integer(load_default=600, validate=validate.Range(0, 10_000))
    # As many as the dashboard shows. What can be invented on a day is what it has to add up.
    types_per_day = fields.Integer(load_default=100, validate=validate.Range(1, 10_000))


plugin = Plugin(
    name="analytics",
    summary="Analytics: events of the system and of clients, and a dashboard.",
    api=(1, 3),
    settings=AnalyticsSettings,
    tables=("analytics_events",),
    migrations=True,
    commands=True,
)


def includeme(config: Configurator) -> None:
    """Register the resource, the views, the recorder of activities and the housekeeping tasks."""
    from scheduling_analytics.resources import Analytics  # noqa: PLC0415 - the manifest must import alone

    settings = config.registry.plugin_settings["analytics"]
    config.add_rate_limit("analytics", settings["anonymous_per_minute"], 60, per="anonymous")
    config.add_api_resource("analytics", Analytics)
    config.include("scheduling_analytics.subscribers")
    config.include("scheduling_analytics.housekeeping")
    config.scan("scheduling_analytics.views")
