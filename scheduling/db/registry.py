"""The application's registry as far as the database layer knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.registry import Registry

if TYPE_CHECKING:
    from collections import deque

    import sqlalchemy as sa

    from scheduling.config.loader import LoadedPlugin
    from scheduling.config.settings import Settings
    from scheduling.tracing import Tracer


class DatabaseRegistry(Registry):
    """Pyramid's registry with what every layer above the database finds on it.

    Each package that puts something on the registry has such a class, which adds to the one of the package
    below it; the last of them is ``scheduling.plugin.Registry``, of which the application has one instance.
    """

    core_settings: Settings
    """The settings of core. Pyramid's own ``settings`` are the raw strings of the ini file."""

    plugins: list[LoadedPlugin]
    """The enabled plugins, each after those that it requires."""

    plugin_settings: dict[str, dict[str, Any]]
    """The checked settings of each enabled plugin that has any, by the plugin's name."""

    engine: sa.Engine
    """The engine of the application's database."""

    reserved_ids: dict[str, deque[int]]
    """The ids that this process has reserved and not used yet, by table."""

    tracer: Tracer
    """Records traces, if OpenTelemetry is installed and configured."""

    @property
    def scheduling(self) -> Settings:
        """The name that ``core_settings`` had before; it goes with the next release."""
        return self.core_settings
